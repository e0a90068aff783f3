"""Who wants in, whom it asks, and how far it has come; and how `status` and `peers` show that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from consensus.chain import Chain
from mesh.protocol.intent import P2P
from mesh.protocol.lifecycle import Lifecycle
from wire.ids import FederationId, PeerId, SwarmId
from wire.time import SECOND, Instant


@dataclass(slots=True, kw_only=True)
class Applicant:
    """Who wants in. `certify` makes the root-signed certificate for a federation, or says why it cannot. A backup has
    none: it waits until the certificate of its queen names it."""

    swarm: SwarmId
    name: str
    project: str
    peer: PeerId
    certify: Callable[[FederationId], bytes]
    backup: bool = False

    def belongs(self, chain: Chain) -> bool:
        """The chain names this node's swarm, or the node itself as one of its backups."""
        if not self.backup:
            return chain.member(self.swarm) is not None
        named = chain.state.membership.by_backup(self.peer) or chain.member_by_peer(self.peer)
        return named is not None and named.swarm == self.swarm


@dataclass(slots=True)
class Target:
    """Someone who may let us in."""

    addresses: list[str]
    linked: bool = False
    dialing: bool = False
    next_try: Instant = 0
    error: str = ""
    told: Chain | None = None  # the chain as it told us, once it said that we are in
    plain: bool = False  # block by block: what it told otherwise was refused


@dataclass(slots=True)
class Progress:
    """Where a join stands, for people."""

    state: str = "none"
    reason: str = "no federation yet: create one (`zenmesh federation create`) or join one (`zenmesh join`)"
    counters: Counter[str] = field(default_factory=Counter)


def status(
    applicant: Applicant,
    progress: Progress,
    targets: dict[PeerId, Target],
    *,
    wants_in: bool,
    federation: FederationId | None,
    addresses: tuple[str, ...],
    uptime: Instant,
) -> dict[str, object]:
    """What `status` shows of a node that belongs nowhere yet, in the fields of a member's."""
    reason = progress.reason or "asking to be admitted"
    state = Lifecycle.INIT
    if wants_in and progress.state != "rejected":
        state = Lifecycle.CONNECTING if targets else Lifecycle.DISCOVERING
    pending = None if not wants_in else {"state": progress.state, "reason": reason}
    return {
        "swarm": applicant.name,
        "swarm_id": applicant.swarm.hex(),
        "project": applicant.project,
        "peer_id": applicant.peer,
        "addresses": [f"{address}{P2P}{applicant.peer}" for address in addresses],
        "lifecycle": state.value,
        "lifecycle_reason": reason,
        "federation_id": federation.hex() if federation else None,
        "federation_name": None,
        "role": "applicant",
        "term": 0,
        "read_only": "not a member of any federation yet",
        "members": [],
        "peers": peers(targets),
        "state_root": None,
        "version_vector": {},
        "epoch": 0,
        "height": 0,
        "quorum": None,
        "pending_join": pending,
        "pending_joins": [],
        "sync": {"received": 0, "expected": 0},
        "uptime_s": uptime // SECOND,
        "counters": dict(sorted(progress.counters.items())),
        "warnings": [],
    }


def peers(targets: dict[PeerId, Target]) -> list[dict[str, object]]:
    """One row for each target."""
    return [
        {
            "peer_id": peer,
            "swarm": None,
            "state": "connected" if target.linked else "dialing" if target.dialing else "waiting",
            "address": target.addresses[0] if target.addresses else None,
            "inbound": False,
            "rtt_ms": None,
            "clock_offset_ms": None,
            "since_s": None,
            "score": 0.0,
            "error": target.error or None,
        }
        for peer, target in targets.items()
    ]
