"""Trace records: what a node says about itself, as typed values.

Cores never log. The runtime turns these records into structured logs, the simulated world into a digest and a ring
buffer; checkers and golden files read the same records. Nothing secret ever enters one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class TraceKind(StrEnum):
    """What a record is about; the stable `event` field of logs and trace files."""

    LIFECYCLE = "lifecycle"
    LINK_UP = "link_up"
    LINK_DOWN = "link_down"
    DIAL_FAILED = "dial_failed"
    PEER_FOUND = "peer_found"
    OFFENCE = "offence"
    BANNED = "banned"
    BATCH_WRITTEN = "batch_written"
    BATCH_APPLIED = "batch_applied"
    SNAPSHOT_INSTALLED = "snapshot_installed"
    FORK_FOUND = "fork_found"
    SYNC_STARTED = "sync_started"
    SYNC_FINISHED = "sync_finished"
    BLOCK_APPLIED = "block_applied"
    LEAPT = "leapt"
    CONSENSUS = "consensus"
    EQUIVOCATION = "equivocation"
    PROPOSAL = "proposal"
    SUSPECTED = "suspected"
    FAILED = "failed"
    RECOVERED = "recovered"
    REFUTED = "refuted"
    FAILOVER = "failover"
    TAKING_OVER = "taking_over"
    FENCED = "fenced"
    JOIN = "join"
    DAMAGE = "damage"
    FORGOT = "forgot"
    CHAIN_FORKED = "chain_forked"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRecord:
    """One thing that happened. `fields` holds short JSON-able values in a stated order."""

    kind: TraceKind
    fields: Mapping[str, str | int | bool | None] = field(default_factory=dict)
