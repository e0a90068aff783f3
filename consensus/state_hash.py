"""What the hash of a membership is of: equal on every node at one height, and all that a later block may depend on.

A value that most chains never have (more members once than now, backups) is in it only where there is one: a chain
without it has the hashes that it always had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import astuple

from wire import cbor
from wire.ids import Digest, tagged_hash

if TYPE_CHECKING:
    from consensus.membership import Member, Membership


def hash_of(membership: Membership) -> Digest:
    """The hash of everything in `membership`."""
    everyone = [member for _, member in sorted(membership.everyone.items())]
    belonging = len(membership.members())
    grown: list[object] = [membership.peak] if membership.peak > belonging else []
    spares = [[m.swarm, [[*astuple(backup)] for backup in m.backups]] for m in everyone if m.backups]
    if spares:
        grown.append(spares)
    parts = [membership.setting.value, [_row(m) for m in everyone], sorted(membership.consumed), *grown]
    return tagged_hash("zenmesh/membership", cbor.encode(parts))


def _row(member: Member) -> list[object]:
    terms = [[number, term.queen_key, term.peer, term.close] for number, term in sorted(member.terms.items())]
    return [
        member.swarm,
        member.name,
        member.project,
        member.root_key,
        int(member.state),
        member.weight,
        member.certified_weight,
        member.term,
        member.inviter,
        member.not_after_ms,
        terms,
    ]
