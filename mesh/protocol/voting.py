"""Proposals and ballots of this queen: what it asks the others, how it answers them, and what came of it.

A proposal goes to every validator at once, so that each can make up its mind while it is being ordered. A queen votes
by its policy (`VotingPolicy`) at once, or has its operator asked (`Deliberate`; `zenmesh vote`) until it is decided
(`Conclude`). A ballot is durable before it leaves, and there is one for a proposal and term, whatever happens: a
second try sends the same, also after a restart. Who may not vote just now makes up its mind once it may. What is
neither open nor may be next is not voted on: it may be over, and with it the memory of how this queen voted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consensus.blocks import BallotTx, ProposalTx, decode_tx, encode_tx
from consensus.governance.actions import check_details, encode_details, left_out
from consensus.governance.proposals import (
    MAX_REASONING,
    BallotBody,
    Choice,
    Proposal,
    ProposalBody,
    ProposalId,
    Subject,
    choice_named,
    open_ballot,
    open_proposal,
    peek_ballot,
    seal_ballot,
    seal_proposal,
)
from mesh.protocol import decisions
from mesh.protocol.askers import Askers
from mesh.protocol.commands import Failure, FailureKind, Outcome, Propose, Success, Vote
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding, Reach
from mesh.protocol.effects import Conclude, Deliberate, Persist, RecordKind, Reply
from mesh.protocol.outbox import Outbox
from mesh.protocol.reach import growing_pain
from mesh.protocol.startup import FORGOTTEN
from mesh.protocol.trace import TraceKind
from mesh.protocol.versions import beyond_us
from wire.errors import Overloaded, RemoteError, UsageError
from wire.time import Instant

Secrets = Callable[[int], bytes]  # so many bytes that nobody can guess

MAX_HEARD = 1024  # proposals that are not on the chain yet


class Voting:
    """This queen's voice in decisions."""

    def __init__(self, context: Context, deciding: Deciding, secrets: Secrets) -> None:
        self._context = context
        self._deciding = deciding
        self._secrets = secrets
        self._heard: dict[ProposalId, Proposal] = {}  # not on the chain yet
        self._ballots: dict[ProposalId, bytes] = {}  # ours, as transactions
        self.askers = Askers(context)
        self._left: dict[ProposalId, None] = {}  # to the operator
        self._seen: tuple[int, bool] = (-1, False)  # the chain's height, and whether we could vote there

    # the journal

    def restore(self, record: bytes) -> None:
        """A ballot of ours from the journal; raises RemoteError for what is none."""
        body = decode_tx(record)
        if isinstance(body, BallotTx) and peek_ballot(body.ballot).term == self._context.me.term:
            self._ballots[peek_ballot(body.ballot).proposal] = record

    def records(self) -> list[bytes]:
        """Ballots that a journal which is written anew has to hold."""
        return list(self._ballots.values())

    def recall(self, ballot: bytes, out: Outbox) -> None:
        """A ballot that others heard from this queen is hers, though her disk does not have it: she casts no other.
        Raises RemoteError for a forged one."""
        context = self._context
        body, signer = open_ballot(ballot, context.federation, context.verify)
        own = context.me.swarm, context.me.term, context.me.queen_key.public
        decided = body.proposal in context.chain.standing.outcomes or body.proposal in context.chain.replays
        if (body.voter, body.term, signer) != own or body.proposal in self._ballots or decided:
            return
        transaction = encode_tx(BallotTx(ballot))
        out.persist(RecordKind.BALLOT, transaction)
        self._ballots[body.proposal] = transaction

    # commands

    def propose(self, request_id: int, command: Propose, now: Instant, out: Outbox) -> None:
        """Ask the federation; answered once the chain has it, or with `wait` once it is decided."""
        reason = self._no_vote()
        if not reason and command.action == "admit":
            reason = growing_pain(self._context, now)
        if reason:
            self._fail(request_id, FailureKind.REJECTED, f"nothing was proposed: {reason}", out)
            return
        try:
            subject = Subject(command.subject)
            opened = self.open(subject, command.action, command.details, command.deadline_s, now, out)
        except (UsageError, ValueError) as error:
            self._fail(request_id, FailureKind.USAGE, f"nothing was proposed: {error}", out)
        except (RemoteError, Overloaded) as error:
            self._fail(request_id, FailureKind.REJECTED, f"nothing was proposed: {error}", out)
        else:
            self.askers.promise(request_id, opened, command, now, out)

    def open(
        self,
        subject: Subject,
        action: str,
        details: Mapping[str, object],
        deadline_s: int,
        now: Instant,
        out: Outbox,
    ) -> ProposalId:
        """Propose something.

        Raises:
            UsageError: the details do not fit the action.
            RemoteError: it can be in no block that follows.
            Overloaded: too many transactions wait.
        """
        context = self._context
        created_ms = context.wall_ms(now)
        body = ProposalBody(
            federation=context.federation,
            proposal=self._secrets(16),
            proposer=context.me.swarm,
            term=context.me.term,
            subject=subject,
            action=action,
            details=encode_details(check_details(subject, action, details)),
            created_ms=created_ms,
            deadline_ms=created_ms + deadline_s * 1_000,
        )
        raw = seal_proposal(body, context.me.queen_key)
        transaction = encode_tx(ProposalTx(raw))
        context.chain.check_transaction(transaction, created_ms)
        self._deciding.submit(transaction, now, out, Reach.ALL)
        out.trace(TraceKind.PROPOSAL, proposal=body.proposal.hex(), action=action, step="proposed")
        self._consider(Proposal(body, raw), now, out)
        return body.proposal

    def vote(self, command: Vote, now: Instant, out: Outbox) -> Outcome:
        """The operator's answer to an open proposal. Saying the same again is no fault: it is sent again."""
        try:
            choice = choice_named(command.choice)
            proposal = self._meant(command.proposal)
        except UsageError as error:
            return Failure(kind=FailureKind.USAGE, message=f"no vote was cast: {error}")
        said = self._said(proposal.id)
        reason = self._no_vote()
        if not reason and self._deciding.abstaining:
            reason = FORGOTTEN
        if said not in (None, choice):
            reason = f"this queen has voted {said.name} on it already: a vote is final"
        if left_out(proposal.body) == self._context.me.swarm:
            reason = "it is about this very swarm, which neither votes on its expulsion nor counts"
        try:
            if not reason and choice is Choice.APPROVE:
                reason = beyond_us(self._context, proposal.body)
            if not reason and said is None:
                self._cast(proposal, choice, command.reason, now, out)
            elif not reason:
                self._repeat(proposal.id, now, out)
        except (RemoteError, Overloaded) as error:
            reason = str(error)
        if reason:
            return Failure(kind=FailureKind.REJECTED, message=f"no vote was cast: {reason}")
        result = {"proposal": proposal.id.hex(), "choice": choice.name, "reason": command.reason or None}
        return Success(result=result)

    # events

    def heard(self, transaction: bytes, now: Instant, out: Outbox) -> None:
        """A transaction came from another member: where it proposes something, make up your mind."""
        body = decode_tx(transaction)
        if isinstance(body, ProposalTx):
            proposal, _ = open_proposal(body.proposal, self._context.federation, self._context.verify)
            self._consider(proposal, now, out)

    def chain_grew(self, now: Instant, out: Outbox) -> None:
        """Proposals may have been opened, or decided; or this queen may vote now."""
        chain = self._context.chain
        if not chain.governed:
            return
        seen = chain.height, self._able()
        if seen == self._seen:
            return
        before, self._seen = self._seen[0], seen
        standing = chain.standing
        self._tell(before, out)
        for entry in standing.open.values():
            self._heard.pop(entry.proposal.id, None)
        for proposal in self._known():
            if proposal.body.deadline_ms > chain.time_ms:
                self._consider(proposal, now, out)
            else:
                self._forget(proposal.id, out)  # it expired on its way: what is open is within its deadline
        self.askers.answer(out)
        for proposal_id in [one for one in (*self._ballots, *self._left) if one in standing.outcomes]:
            self._forget(proposal_id, out)

    # helpers

    def _tell(self, height: int, out: Outbox) -> None:
        """Record what was opened and decided after `height`; nothing at a start, where all of it is old."""
        for entry in self._context.chain.standing.open.values():
            if entry.height > height >= 0:
                body = entry.proposal.body
                out.trace(TraceKind.PROPOSAL, proposal=entry.proposal.id.hex(), action=body.action, step="OPEN")
        for outcome in reversed(list(self._context.chain.standing.outcomes.values())):
            if outcome.height <= height or height < 0:
                return
            named = outcome.proposal.id.hex(), outcome.proposal.body.action
            step, at = outcome.status.value, outcome.height
            out.trace(TraceKind.PROPOSAL, proposal=named[0], action=named[1], step=step, height=at)

    def _known(self) -> list[Proposal]:
        """Proposals that are open, or on their way onto the chain."""
        ordered = [entry.proposal for entry in self._context.chain.standing.open.values()]
        return [*ordered, *self._heard.values()]

    def _forget(self, proposal: ProposalId, out: Outbox) -> None:
        """It is decided, or can be ordered no more."""
        if proposal in self._left:
            out.add(Conclude(proposal=proposal.hex()))
        for known in (self._heard, self._ballots, self._left):
            known.pop(proposal, None)

    def _meant(self, beginning: str) -> Proposal:
        """The open proposal whose id begins so. Raises UsageError."""
        found = [proposal for proposal in self._known() if beginning and proposal.id.hex().startswith(beginning)]
        if not found:
            outcomes = self._context.chain.standing.outcomes
            decided = [o.status.value for key, o in outcomes.items() if beginning and key.hex().startswith(beginning)]
            also = f" (it is {decided[0]})" if len(decided) == 1 else ""
            raise UsageError(f"no proposal that is open begins with {beginning!r}{also}: see `zenmesh proposals`")
        if len(found) > 1:
            raise UsageError(f"{len(found)} open proposals begin with {beginning!r}: give more of the id")
        return found[0]

    def _said(self, proposal: ProposalId) -> Choice | None:
        """What this queen voted, as the chain has it or our own disk."""
        entry = self._context.chain.standing.open.get(proposal)
        if entry is not None and self._context.me.swarm in entry.ballots:
            return entry.ballots[self._context.me.swarm]
        mine = self._ballots.get(proposal)
        body = None if mine is None else decode_tx(mine)
        return peek_ballot(body.ballot).choice if isinstance(body, BallotTx) else None

    def _able(self) -> bool:
        """This queen has a vote, and may sign."""
        return self._deciding.replica.voting and not self._deciding.abstaining

    def _no_vote(self) -> str:
        """Why this swarm has no vote; empty when it has one."""
        if self._deciding.replica.validators.validator(self._context.me.swarm) is not None:
            return ""
        member = self._context.chain.member(self._context.me.swarm)
        state = "no member" if member is None else member.state.name
        return f"{self._context.me.name} has no vote: it is {state}, and only ACTIVE members vote"

    def _consider(self, proposal: Proposal, now: Instant, out: Outbox) -> None:
        """Vote by policy; else leave it to the operator."""
        standing = self._context.chain.standing
        if proposal.id in standing.outcomes or not self._votable(proposal, now):
            return
        if proposal.id not in standing.open and proposal.id not in self._heard:
            if len(self._heard) >= MAX_HEARD:
                del self._heard[next(iter(self._heard))]
            self._heard[proposal.id] = proposal
        if not self._able():
            return
        choice = self._context.config.voting.choice(proposal.body.action)
        try:
            if choice is Choice.APPROVE and beyond_us(self._context, proposal.body):
                choice = None
            if self._said(proposal.id) is not None:
                self._repeat(proposal.id, now, out)
            elif choice is not None:
                self._cast(proposal, choice, "by policy", now, out)
            elif proposal.id not in self._left:
                self._left[proposal.id] = None
                out.add(Deliberate(proposal=decisions.question(self._context, proposal)))
        except (RemoteError, Overloaded):
            self._context.counters["ballots_refused"] += 1

    def _votable(self, proposal: Proposal, now: Instant) -> bool:
        """It is open, or may be with the next block; and it was not decided before already."""
        if proposal.id in self._context.chain.replays:
            return False
        if proposal.id in self._context.chain.standing.open:
            return True
        try:
            transaction = encode_tx(ProposalTx(proposal.raw))
            self._context.chain.check_transaction(transaction, self._context.wall_ms(now))
        except RemoteError:
            return False
        return True

    def _cast(self, proposal: Proposal, choice: Choice, reason: str, now: Instant, out: Outbox) -> None:
        """Sign a ballot, make it durable, and have it ordered. Where it cannot be, nothing was signed for good."""
        context = self._context
        voter = self._deciding.replica.validators.validator(context.me.swarm)
        body = BallotBody(
            federation=context.federation,
            proposal=proposal.id,
            proposal_hash=proposal.hash,
            voter=context.me.swarm,
            term=context.me.term,
            choice=choice,
            weight=voter.weight if voter else 0,
            reasoning=reason.encode()[:MAX_REASONING].decode(errors="ignore"),
        )
        transaction = encode_tx(BallotTx(seal_ballot(body, context.me.queen_key)))
        before = len(out.effects)
        self._deciding.submit(transaction, now, out)
        out.effects.insert(before, Persist(kind=RecordKind.BALLOT, body=transaction))
        self._ballots[proposal.id] = transaction
        out.trace(TraceKind.PROPOSAL, proposal=proposal.id.hex(), action=proposal.body.action, step=choice.name)

    def _repeat(self, proposal: ProposalId, now: Instant, out: Outbox) -> None:
        """A restart may have kept our ballot at home: have it ordered, unless the chain has it."""
        entry = self._context.chain.standing.open.get(proposal)
        mine = self._ballots.get(proposal)
        if mine is not None and (entry is None or self._context.me.swarm not in entry.ballots):
            self._deciding.submit(mine, now, out)

    def _fail(self, request_id: int, kind: FailureKind, message: str, out: Outbox) -> None:
        out.add(Reply(request_id=request_id, outcome=Failure(kind=kind, message=message)))
