"""From the creator's rule to the queens': what GOVERN, or TAKEOVER where the creator is lost, needs and changes.

    statements of the queens that are ready ──► they keep their votes; whoever gave none learns again
    a certificate that ends within 30 days, or has ended ──► ends 30 days after the block
    from the next block on the queens certify

While the creator governs, the end of a certificate is enforced on nobody who has come in. So in a federation that is
older than a year most have ended, and no operator had to notice. The queens enforce them: without some time to renew,
members would lose their votes at the moment in which they get them, and no learner could get its own. The ends are
moved in the membership itself, by the time of the block, so that all rules and all readers see the same, also those
who were not there and take a later state at its word. Whoever joins afterwards shows a certificate that holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from consensus.blocks import GovernTx, SupportStatement, TakeoverTx
from consensus.governance.standing import Standing
from consensus.membership import Membership, MemberState
from consensus.view import MAX_STATEMENT, View
from wire import cbor, cose
from wire.errors import BadSignature, Overtaken, ProtocolViolation
from wire.ids import SwarmId
from wire.types import ContentType

GRACE_MS = 30 * 24 * 3600 * 1000  # after the handover, no certificate of a member ends sooner


def govern(view: View, tx: GovernTx) -> tuple[Membership, Standing]:
    """The creator hands over to the queens that are ready."""
    creator = view.genesis.members[0].swarm
    return _handed_over(view, [creator, *(_supporter(view, statement) for statement in tx.supports)])


def take_over(view: View, tx: TakeoverTx) -> tuple[Membership, Standing]:
    """The same where the creator is lost: it learns again like others who are not ready. That root keys sign for it
    is for the block's certificate to show."""
    ready = [_supporter(view, statement) for statement in tx.supports]
    if ready != sorted(set(ready)):
        raise ProtocolViolation("a takeover whose supporters are not in the order of their ids, each once")
    return _handed_over(view, ready)


def _handed_over(view: View, ready: Sequence[SwarmId]) -> tuple[Membership, Standing]:
    """Who is ready governs; the others learn again, until they prove to be alive."""
    if view.standing.governed:
        raise Overtaken("the queens govern already")
    membership = view.membership
    for member in membership.members():
        if member.state is MemberState.ACTIVE and member.swarm not in ready:
            membership = membership.put(member.swarm, MemberState.LEARNER)
    return _with_grace(membership, view.time_ms + GRACE_MS), view.standing.activated()


def _with_grace(membership: Membership, until_ms: int) -> Membership:
    """No certificate of those who belong ends before `until_ms`."""
    short = {m.swarm: replace(m, not_after_ms=until_ms) for m in membership.members() if m.not_after_ms < until_ms}
    return replace(membership, everyone={**membership.everyone, **short}) if short else membership


def _supporter(view: View, raw: bytes) -> SwarmId:
    envelope = cose.open_as(raw, ContentType.SUPPORT, view.federation, limit=MAX_STATEMENT, verify=view.verify)
    statement = cbor.decode_as(envelope.payload, SupportStatement)
    member = view.membership.member(SwarmId(statement.swarm))
    if member is None or (statement.term, envelope.kid) != (member.term, member.queen_key):
        raise BadSignature("a support that the member's queen did not sign")
    if statement.federation != view.federation or member.state is not MemberState.ACTIVE:
        raise ProtocolViolation("a support of another federation, or of one who has no weight")
    return member.swarm
