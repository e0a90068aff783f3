"""What each transaction needs and changes: one function a kind, each a list of rules and then one change."""

from __future__ import annotations

from typing import assert_never

from consensus import evidence, handover, succession, tickets
from consensus.blocks import (
    BallotTx,
    ExpireTx,
    FailoverTx,
    GovernTx,
    JoinTx,
    LeaveStatement,
    LeaveTx,
    PromoteStatement,
    PromoteTx,
    ProposalTx,
    QuarantineTx,
    RenewTx,
    SuspendTx,
    TakeoverTx,
    TermBumpStatement,
    TermBumpTx,
    TxBody,
)
from consensus.certificates import MemberCert, parse_member_cert
from consensus.governance.actions import read_details
from consensus.governance.proposals import open_ballot, open_proposal
from consensus.governance.standing import MAX_OPEN, MAX_OPEN_OF_ONE, OpenProposal, Standing
from consensus.membership import Member, Membership, MemberState
from consensus.view import MAX_STATEMENT, View
from wire import cbor, cose, keys
from wire.errors import BadSignature, Overtaken, ProtocolViolation
from wire.ids import PublicKey, SwarmId
from wire.types import ContentType

MAX_DEADLINE_MS = 7 * 24 * 3600 * 1000
PROMOTE_HEIGHTS = 8  # a learner's proof of life names one of the last blocks…


class NeedsVote(ProtocolViolation):
    """Not by this transaction alone: the members may decide it."""


def apply(view: View, tx: TxBody) -> tuple[Membership, Standing]:
    """Membership and decisions after `tx`; raises RemoteError, with a sentence for a person, when it may not be."""
    match tx:
        case JoinTx():
            return _join(view, tx), view.standing
        case PromoteTx():
            return _promote(view, tx), view.standing
        case TermBumpTx():
            return _bump(view, tx), view.standing
        case LeaveTx():
            return _leave(view, tx), view.standing
        case GovernTx():
            return handover.govern(view, tx)
        case ProposalTx():
            return view.membership, _propose(view, tx)
        case BallotTx():
            return view.membership, _vote(view, tx)
        case QuarantineTx():
            return _quarantine(view, tx), view.standing
        case SuspendTx():
            return succession.suspend(view, tx), view.standing
        case FailoverTx():
            return succession.fail_over(view, tx), view.standing
        case RenewTx():
            return succession.renew(view, tx), view.standing
        case ExpireTx():
            return succession.expire(view, tx), view.standing
        case TakeoverTx():
            return handover.take_over(view, tx)
        case _:
            assert_never(tx)


def new_queen_of(tx: TxBody, swarm: SwarmId, federation: bytes, verify: keys.Verify) -> PublicKey | None:
    """The queen key of the term that `tx` starts for `swarm`, if it does that."""
    if not isinstance(tx, TermBumpTx):
        return None
    cert, _ = _open_bump(tx, federation, verify)
    return cert.queen_key if cert.swarm == swarm else None


def _join(view: View, tx: JoinTx) -> Membership:
    cert = parse_member_cert(tx.certificate, view.federation, view.verify)
    if cert.body.not_after_ms <= view.time_ms:
        raise Overtaken("the certificate has expired: make a new one with `zenmesh join`")
    view.membership.check_returns(cert.swarm)  # before anybody is asked to vote on it
    inviter, ticket_id = _voucher(view, tx)
    return view.membership.join(cert, MemberState.LEARNER, inviter, ticket_id)


def _voucher(view: View, tx: JoinTx) -> tuple[SwarmId | None, bytes | None]:
    """(inviter, ticket id) of a join; raises unless a ticket, the policy or the governor lets the swarm in."""
    if tx.grant is None or tx.join is None:
        approved = tx.approved and not view.standing.governed
        if not approved and view.standing.params.admission != "open":
            if view.standing.params.admission == "vote":
                raise NeedsVote("this federation admits by vote of its members")
            raise ProtocolViolation("this federation admits by ticket: ask a member for one (`zenmesh invite`)")
        return None, None
    claimed = tickets.peek_grant(tx.grant)
    inviter = view.membership.member(SwarmId(claimed.inviter))
    if inviter is None:
        raise ProtocolViolation("the ticket's inviter is no member (any more): ask a member for a new ticket")
    if claimed.inviter_term != inviter.term:  # whoever stole the key of a term that was ended for it invites nobody
        raise ProtocolViolation("the ticket was made in another term of its inviter: ask for a new one")
    grant = tickets.open_grant(tx.grant, inviter.queen_key, view.federation, view.verify)
    tickets.check_join(tx.join, grant, tx.certificate, view.verify)
    if grant.expires_ms <= view.time_ms:
        raise Overtaken("the ticket has expired: ask for a new one (`zenmesh invite`)")
    if grant.ticket_id in view.membership.consumed:
        raise Overtaken("the ticket was used already: each admits one swarm; ask for a new one")
    _check_allowance(view, inviter, approved=tx.approved)
    return inviter.swarm, grant.ticket_id


def _check_allowance(view: View, inviter: Member, *, approved: bool) -> None:
    """An inviter brings in a few; more need a decision, or the yes of the creator while it governs."""
    governor = inviter.swarm == view.genesis.members[0].swarm
    if not view.standing.governed and (approved or governor):
        return
    allowed = view.standing.params.max_unvouched_per_inviter
    if view.membership.unvouched_of(inviter.swarm) >= allowed:
        raise NeedsVote(
            f"{inviter.name} has brought in {allowed} members, as many as one may: ask another member for a ticket"
        )


def _promote(view: View, tx: PromoteTx) -> Membership:
    member = view.membership.member(SwarmId(tx.swarm))
    if member is None:
        raise Overtaken("a promotion of a swarm that is no member: not any more, or not yet as far as we know")
    envelope = cose.open_as(
        tx.statement, ContentType.PROMOTE, view.federation, limit=MAX_STATEMENT, verify=view.verify
    )
    statement = cbor.decode_as(envelope.payload, PromoteStatement)
    about = (statement.federation, statement.swarm) == (view.federation, tx.swarm)
    if about and statement.height > view.height:  # which may have made another one its queen
        raise Overtaken("a promotion that names a block which this chain does not have yet")
    if envelope.kid != member.queen_key or not about:
        _check_fenced(member, envelope.kid, "a promotion")
        raise BadSignature("a promotion that the learner's queen did not sign")
    known = view.block_hash_at(statement.height)  # none: from before what is held here, and a quorum has judged it
    if known not in (None, statement.block_hash):
        raise ProtocolViolation("a promotion that names no recent block of this chain")
    if statement.height < view.height - PROMOTE_HEIGHTS:
        raise Overtaken("a promotion that names no recent block of this chain: it has grown since")
    if member.not_after_ms <= view.time_ms:
        raise Overtaken(f"the certificate of {member.name} has expired: a vote takes another one (`zenmesh renew`)")
    return view.membership.promote(SwarmId(tx.swarm))


def _bump(view: View, tx: TermBumpTx) -> Membership:
    cert, statement = _open_bump(tx, view.federation, view.verify)
    if cert.body.not_after_ms <= view.time_ms:
        raise Overtaken("the certificate of this new term has expired: make another one")
    return view.membership.bump(cert, (statement.close_seq, statement.close_hash))


def _open_bump(tx: TermBumpTx, federation: bytes, verify: keys.Verify) -> tuple[MemberCert, TermBumpStatement]:
    envelope = cose.open_as(tx.statement, ContentType.TERM_BUMP, federation, limit=MAX_STATEMENT, verify=verify)
    statement = cbor.decode_as(envelope.payload, TermBumpStatement)
    # A founder's certificate of term 1 stands in the genesis; every later one is made for the federation.
    cert = parse_member_cert(statement.certificate, federation, verify)
    if envelope.kid != cert.queen_key or statement.federation != federation:
        raise BadSignature("a new term that its queen did not sign for this federation")
    return cert, statement


def _check_fenced(member: Member | None, signer: bytes, what: str) -> None:
    """Raises Overtaken when a queen of an earlier term signed: it may not know yet that its time is over."""
    earlier = () if member is None else (known for term, known in member.terms.items() if term < member.term)
    if any(known.queen_key == signer for known in earlier):
        raise Overtaken(f"{what} by a queen of the term before: another one speaks for the swarm since")


def _check_known(member: Member | None, term: int, what: str) -> None:
    """Raises Overtaken for a term that is still to come here: whoever is ahead knows its queen."""
    if member is not None and term > member.term:
        raise Overtaken(f"{what} in term {term} of {member.name}, of which this chain does not know yet")


def _leave(view: View, tx: LeaveTx) -> Membership:
    envelope = cose.open_as(tx.statement, ContentType.LEAVE, view.federation, limit=MAX_STATEMENT, verify=view.verify)
    statement = cbor.decode_as(envelope.payload, LeaveStatement)
    member = view.membership.everyone.get(SwarmId(statement.swarm))
    if member is None or (statement.term, envelope.kid) != (member.term, member.queen_key):
        _check_fenced(member, envelope.kid, "a leave")
        _check_known(member, statement.term, "a leave")
        raise BadSignature("a leave that the member's queen did not sign")
    if statement.federation != view.federation:
        raise BadSignature("a leave of another federation")
    if member.state is MemberState.LEFT:
        raise Overtaken(f"{member.name} has left already")
    if member.swarm == view.genesis.members[0].swarm and not view.standing.governed:
        raise ProtocolViolation("the creator governs this federation and cannot leave it")
    return view.membership.leave(member.swarm)


def _propose(view: View, tx: ProposalTx) -> Standing:
    standing = view.governed()
    proposal, signer = open_proposal(tx.proposal, view.federation, view.verify)
    body = proposal.body
    _check_voter(view, proposal.proposer, body.term, signer, "a proposal")
    if proposal.id in standing.open or proposal.id in standing.outcomes:
        raise Overtaken("this proposal is on the chain already")
    if body.deadline_ms <= view.time_ms:
        raise Overtaken("the deadline of this proposal has passed")
    if body.deadline_ms > view.time_ms + MAX_DEADLINE_MS:
        raise ProtocolViolation("the deadline of a proposal is at most 7 days away")
    if len(standing.open) >= MAX_OPEN or standing.open_of(proposal.proposer) >= MAX_OPEN_OF_ONE:
        raise Overtaken("too many proposals are open: wait until some are decided")
    read_details(body.subject, body.action, body.details)
    return standing.proposed(OpenProposal(proposal=proposal, height=view.height + 1))


def _vote(view: View, tx: BallotTx) -> Standing:
    standing = view.governed()
    ballot, signer = open_ballot(tx.ballot, view.federation, view.verify)
    swarm = SwarmId(ballot.voter)
    _check_voter(view, swarm, ballot.term, signer, "a ballot")
    entry = standing.open.get(ballot.proposal)
    if entry is None or swarm in entry.ballots:
        raise Overtaken("the proposal of this ballot is not open (any more), or its voter has voted")
    if entry.proposal.hash != ballot.proposal_hash:
        raise ProtocolViolation("a ballot on another proposal under this id")
    return standing.voted(ballot.proposal, swarm, ballot.choice)


def _check_voter(view: View, swarm: SwarmId, term: int, signer: bytes, what: str) -> None:
    """A voting queen of this epoch signed. Who had its vote in another epoch, or has it soon, commits no offence."""
    voter = view.voters.validator(swarm)
    if voter is not None and (term, signer) == (voter.term, voter.key):
        return
    member = view.membership.everyone.get(swarm)
    if member is not None and term in member.terms and member.terms[term].queen_key == signer:
        raise Overtaken(f"{what} of {member.name}, which has no vote in this epoch")
    _check_known(member, term, what)
    raise BadSignature(f"{what} that no queen of its swarm signed")


def _quarantine(view: View, tx: QuarantineTx) -> Membership:
    view.governed()
    key = evidence.convicted(tx.first, tx.second, view.federation, view.verify)
    culprits = [member for member in view.membership.members() if member.queen_key == key]
    if not culprits:
        raise Overtaken("evidence against a key that speaks for nobody (any more)")
    if all(culprit.state is MemberState.QUARANTINED for culprit in culprits):
        raise Overtaken(f"{culprits[0].name} is in quarantine already")
    membership = view.membership
    for culprit in culprits:  # one, unless an accomplice names the same key
        membership = membership.put(culprit.swarm, MemberState.QUARANTINED)
    return membership
