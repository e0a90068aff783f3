"""When a queen has failed: who says so, and who takes over.

    accusations of more than half of the weight ──► SUSPEND: it votes no more, until it proves that it is alive
                                                ──► FAILOVER by a backup: the next term begins, TAKING_OVER
    certificate with other backups, or a later end, by the root key ──► RENEW
    its end, by the time of a block ──► EXPIRE: it votes no more, until RENEW or a new term

A backup is inert until a FAILOVER by its key is ordered; what makes it one is the root key's signature on the member
certificate, beforehand. The order of the chain picks one of several: the next term begins once. The statement names
the last batch of the old term that counts, as a TERM_BUMP does, so that whatever the old queen signs afterwards
belongs to a log that has ended. Whom it replaces becomes the last of the backups.

Freshness is measured by the time of the block: who was silent a while ago may have recovered since. A swarm that is
suspended has been confirmed as failed by the chain itself, and there the backup's own statement has to be fresh.
"""

from __future__ import annotations

from consensus import accusations
from consensus.blocks import ExpireTx, FailoverStatement, FailoverTx, RenewTx, SuspendTx
from consensus.certificates import parse_member_cert
from consensus.membership import VOTING, Member, Membership, MemberState
from consensus.statements import open_statement
from consensus.view import MAX_STATEMENT, View
from wire.errors import Offence, Overtaken, ProtocolViolation
from wire.ids import SwarmId
from wire.types import ContentType

ACCUSED_FOR_MS = 180_000  # an accusation counts for so long, by the time of the block
FAILOVER_FOR_MS = 60_000  # and for so long where somebody takes over by it
CLOCKS_APART_MS = 10_000  # and may be so far ahead of it


def suspend(view: View, tx: SuspendTx) -> Membership:
    """A certificate of this very epoch says that a swarm has failed; what was said in earlier ones is no charge."""
    view.governed()
    accused = _failed(view, tx.accusations, ACCUSED_FOR_MS)
    member = view.membership.member(accused)
    if member is None or member.state not in VOTING:
        raise Overtaken("the accused has no weight (any more)")
    return view.membership.put(accused, MemberState.SUSPENDED)


def fail_over(view: View, tx: FailoverTx) -> Membership:
    """One whom the swarm's root key named beforehand takes over from a queen that has failed."""
    view.governed()
    statement, key = open_statement(
        tx.statement, ContentType.FAILOVER, FailoverStatement, view.federation, MAX_STATEMENT, view.verify
    )
    member = view.membership.member(SwarmId(statement.swarm))
    if member is None or statement.term != member.term + 1:
        raise Overtaken("a failover into a term that does not come next: another queen took over, or it left")
    backup = next((backup for backup in member.backups if backup.key == key), None)
    if backup is None:
        raise Overtaken(
            f"a failover by who is no backup of {member.name}: not any more, or not yet as far as we know"
        )
    if backup.not_after_ms <= view.time_ms:
        raise Overtaken(f"a failover by a backup of {member.name} whose time has passed")
    _check_fresh(view, statement.made_ms, FAILOVER_FOR_MS, "a failover")
    _check_confirmed(view, member, tx.accusations)
    return view.membership.fail_over(member.swarm, backup, (statement.close_seq, statement.close_hash))


def renew(view: View, tx: RenewTx) -> Membership:
    """The root key says anew, for the present term, who may take over and until when."""
    cert = parse_member_cert(tx.certificate, view.federation, view.verify)
    if cert.body.not_after_ms <= view.time_ms:
        raise Overtaken("the certificate has expired: make a new one")
    return view.membership.renew(cert)


def expire(view: View, tx: ExpireTx) -> Membership:
    """Time has passed, as the block itself shows: whoever says so first is right, and all others say the same."""
    view.governed()
    member = view.membership.member(SwarmId(tx.swarm))
    if member is None or member.state not in VOTING or member.not_after_ms != tx.not_after_ms:
        raise Overtaken("the end of a certificate that is not in force (any more), or of one who has no vote")
    if member.not_after_ms > view.time_ms:
        raise Overtaken(f"the certificate of {member.name} has not ended yet, by the time of the block")
    return view.membership.put(member.swarm, MemberState.EXPIRED)


def _check_confirmed(view: View, member: Member, raws: tuple[bytes, ...]) -> None:
    """That the queen of `member` has failed is proven here, or was when it was suspended."""
    if member.state is MemberState.SUSPENDED and not raws:
        return
    if member.state not in VOTING:
        raise Overtaken(f"{member.name} has no vote that somebody could take over")
    if not raws or _failed(view, raws, FAILOVER_FOR_MS) != member.swarm:
        raise ProtocolViolation("a failover without accusations, or by those of another swarm")


def _failed(view: View, raws: tuple[bytes, ...], for_ms: int) -> SwarmId:
    """Who has failed, by a certificate none of whose accusations is older than `for_ms`."""
    bodies = accusations.open_certificate(raws, view.voters, view.federation, view.verify)
    for body in bodies:
        _check_fresh(view, body.made_ms, for_ms, "an accusation")
    return SwarmId(bodies[0].accused)


def _check_fresh(view: View, made_ms: int, for_ms: int, what: str) -> None:
    if made_ms > view.time_ms + CLOCKS_APART_MS:
        raise ProtocolViolation(f"{what} from the future", Offence.FUTURE_CLOCK)
    if made_ms <= view.time_ms - for_ms:
        raise Overtaken(f"{what} that is too old: the accused may have recovered since")
