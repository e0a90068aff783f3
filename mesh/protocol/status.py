"""What `status` and `peers` show: the node's state as JSON-able values, in the fields of the published schema."""

from __future__ import annotations

from mesh.protocol import expiry
from mesh.protocol.announcing import Announcing
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.handover import Wait
from mesh.protocol.health import HealthOf
from mesh.protocol.lifecycle import Lifecycle
from mesh.protocol.reach import reach
from mesh.protocol.startup import FORGOTTEN
from wire.ids import PeerId
from wire.time import SECOND, Instant

P2P = "/p2p/"
CLOCK_WARNING_MS = 1_000


def status(
    context: Context,
    announcing: Announcing,
    deciding: Deciding,
    health: HealthOf,
    *,
    handover: Wait | None,
    lifecycle: Lifecycle,
    reason: str,
    read_only: str,
    pending_joins: list[dict[str, str]],
    progress: tuple[int, int],
    forgetful: bool,
    now: Instant,
) -> dict[str, object]:
    """The whole visible state."""
    chain, me = context.chain, context.me
    return {
        "swarm": me.name,
        "swarm_id": me.swarm.hex(),
        "project": me.project,
        "peer_id": me.peer,
        "addresses": [f"{address}{P2P}{me.peer}" for address in context.addresses],
        "lifecycle": lifecycle.value,
        "lifecycle_reason": reason,
        "federation_id": context.federation.hex(),
        "federation_name": chain.genesis.name,
        "role": role(context),
        "term": me.term,
        "read_only": read_only or None,
        "members": members(context, announcing, health, now),
        "peers": peers(context, now),
        "state_root": context.replica.root().hex(),
        "version_vector": version_vector(context),
        "epoch": chain.epoch,
        "height": chain.height,
        "quorum": quorum(context, now),
        "consensus": consensus(context, deciding, handover),
        "pending_join": None,
        "pending_joins": pending_joins,
        "sync": {"received": progress[0], "expected": progress[1]},
        "uptime_s": (now - context.started) // SECOND,
        "counters": dict(sorted(context.counters.items())),
        "warnings": [*([FORGOTTEN] if forgetful else []), *expiry.warnings(context, now), *warnings(context)],
    }


def role(context: Context) -> str:
    """What this node is to its swarm."""
    member = context.chain.member(context.me.swarm)
    if context.understudy() is not None:
        return "backup"
    return "queen" if member is not None and member.term == context.me.term else "observer"


def members(context: Context, announcing: Announcing, health: HealthOf, now: Instant) -> list[dict[str, object]]:
    """One row per member of the federation, this swarm included."""
    rows: list[dict[str, object]] = []
    for member in context.chain.members():
        mine = member.swarm == context.me.swarm
        link = context.links.of_swarm(member.swarm)
        announcement = announcing.announcements.get(member.swarm)
        capabilities = (
            context.config.capabilities if mine else announcement.body.capabilities if announcement else None
        )
        head = context.replica.head(context.author_of(member.swarm))
        rows.append(
            {
                "swarm": member.name,
                "swarm_id": member.swarm.hex(),
                "project": member.project,
                "state": member.state.name,
                "health": health(member, now),
                "weight": member.weight,
                "term": member.term,
                "peer_id": member.peer,
                "connected": mine or link is not None,
                "seq": head.seq if head else 0,
                "height": context.chain.height if mine else link.height if link else None,
                "capabilities": None
                if capabilities is None
                else {
                    "worker_types": list(capabilities.worker_types),
                    "max_workers": capabilities.max_workers,
                    "current_load": capabilities.current_load_permille / 1000,
                    "memory_available": capabilities.memory_available,
                },
            }
        )
    return rows


def peers(context: Context, now: Instant) -> list[dict[str, object]]:
    """Live links, and whom we try to reach with what came of it."""
    rows: list[dict[str, object]] = []
    for link in context.links.all():
        rows.append(
            {
                "peer_id": link.peer,
                "swarm": context.name_of(link.swarm) if link.swarm else None,
                "state": "established" if link.established else "connected",
                "address": link.address,
                "inbound": link.inbound,
                "rtt_ms": None if link.rtt is None else round(link.rtt / 1000, 3),
                "clock_offset_ms": link.clock_offset_ms,
                "since_s": (now - link.since) // SECOND,
                "score": round(context.scores.score(link.peer, now), 1),
                "error": None,
            }
        )
    return rows + [_unlinked(context, peer, now) for peer in context.dialer.unlinked()]


def _unlinked(context: Context, peer: PeerId, now: Instant) -> dict[str, object]:
    contact = context.dialer.contacts()[peer]
    swarm = context.swarm_of(peer)
    return {
        "peer_id": peer,
        "swarm": context.name_of(swarm) if swarm else None,
        "state": "dialing" if contact.dialing else "waiting" if contact.addresses else "no-address",
        "address": contact.addresses[0] if contact.addresses else None,
        "inbound": False,
        "rtt_ms": None,
        "clock_offset_ms": None,
        "since_s": None,
        "score": round(context.scores.score(peer, now), 1),
        "error": contact.last_error or None,
    }


def version_vector(context: Context) -> dict[str, object]:
    """`{swarm: {term, seq, head, state}}` of each swarm's newest term."""
    vector: dict[str, object] = {}
    for row in context.replica.rows():  # ascending by term, so that the newest stays
        name = context.name_of(row.swarm)
        vector[name] = {"term": row.term, "seq": row.seq, "head": row.hash.hex(), "state": row.flag.name}
    return vector


def quorum(context: Context, now: Instant) -> dict[str, object]:
    """The epoch's rule, what it survives, and how much is in reach."""
    voters = context.chain.validators()
    seen = reach(context, now)
    return {
        "state": seen.state.value,
        "reason": seen.reason,
        "can": list(seen.state.powers),
        "remedy": seen.remedy or None,
        "weight": seen.weight,
        "needed": seen.needed,
        "total": seen.total,
        "rule": voters.rule.name.value,
        "crash_faults_tolerated": voters.crashes_tolerated,
        "byzantine_faults_tolerated": voters.liars_tolerated,
    }


def consensus(context: Context, deciding: Deciding, handover: Wait | None) -> dict[str, object]:
    """Who governs, what a handover waits for, and how far the present height is."""
    replica = deciding.replica
    return {
        "governed_by": "queens" if context.chain.governed else "creator",
        "handover": handover and {"reason": handover.reason, "remedy": handover.remedy},
        "view": replica.view,
        "leader": context.name_of(replica.leader().swarm),
        "voting": replica.voting and not deciding.abstaining,
        "pending": replica.pending,
        "submitted": deciding.submitted,
        "open_proposals": len(context.chain.standing.open),
        "protocol_version": context.chain.standing.protocol_version,
    }


def warnings(context: Context) -> list[str]:
    """Sentences about what an operator should look at."""
    found: list[str] = []
    if context.forked_at is not None:
        found.append(
            f"two blocks are certified at height {context.forked_at}: more members lie, or more keys are stolen, "
            "than decisions can bear. Decide nothing more; compare `zenmesh decisions` with the other operators"
        )
    for link in context.links.members():
        offset = link.clock_offset_ms
        if offset is not None and abs(offset) > CLOCK_WARNING_MS and link.swarm is not None:
            found.append(
                f"the clock of {context.name_of(link.swarm)} differs from ours by {offset / 1000:+.1f} s: "
                "check NTP on both machines"
            )
    return found
