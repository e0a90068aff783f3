"""What `members` shows: who belongs and who did, by the chain, how each is, and who is in reach."""

from __future__ import annotations

from consensus.membership import Member
from mesh.protocol import expiry
from mesh.protocol.context import Context
from mesh.protocol.health import HealthOf
from mesh.protocol.proofs import name_of
from mesh.protocol.reach import in_reach
from mesh.protocol.status import quorum
from wire.time import Instant


def membership(context: Context, health: HealthOf, now: Instant) -> dict[str, object]:
    """The federation, and one row for each swarm that the chain has ever admitted."""
    chain = context.chain
    return {
        "federation_id": context.federation.hex(),
        "federation_name": chain.genesis.name,
        "governed_by": "queens" if chain.governed else "creator",
        "epoch": chain.epoch,
        "height": chain.height,
        "quorum": quorum(context, now),
        "members": [
            _row(context, member, health, now) for _, member in sorted(chain.state.membership.everyone.items())
        ],
        "warnings": expiry.warnings(context, now),
    }


def backups_of(member: Member) -> list[dict[str, object]]:
    """Who may take over for a member, in their order."""
    ordered = sorted(member.backups, key=lambda backup: (backup.rank, backup.key))
    return [
        {"peer_id": one.peer, "key": one.key.hex(), "rank": one.rank, "expires_ms": one.not_after_ms}
        for one in ordered
    ]


def _row(context: Context, member: Member, health: HealthOf, now: Instant) -> dict[str, object]:
    chain = context.chain
    belongs = chain.member(member.swarm) is not None
    return {
        "swarm": member.name,
        "swarm_id": member.swarm.hex(),
        "project": member.project,
        "state": member.state.name,
        "health": health(member, now),
        "weight": member.weight,
        "certified_weight": member.certified_weight,
        "term": member.term,
        "peer_id": member.peer,
        "queen_key": member.queen_key.hex(),
        "inviter": None if member.inviter is None else name_of(chain, member.inviter),
        "expires_ms": member.not_after_ms,
        "backups": backups_of(member),
        "in_reach": belongs and in_reach(context, member.swarm, now),
    }
