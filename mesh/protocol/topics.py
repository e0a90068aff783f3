"""Gossip topics: one per federation, since every topic costs its own mesh."""

from __future__ import annotations

from wire.ids import FederationId


def state_topic(federation: FederationId) -> str:
    """Batches, fork proofs, heartbeats and announcements of one federation."""
    return f"zenmesh/1/{federation.hex()}/state"
