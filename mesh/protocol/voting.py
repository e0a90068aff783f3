"""Proposals and ballots of this queen: what it asks the others, how it answers them, and what came of it.

A proposal goes to every validator at once, so that each can make up its mind while it is being ordered. A queen votes
by its policy (`VotingPolicy`) at once, or leaves it to its operator (`zenmesh vote`) until the deadline. A ballot is
durable before it leaves, and there is one for a proposal and term, whatever happens: a second try sends the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consensus.blocks import BallotTx, ProposalTx, decode_tx, encode_tx
from consensus.governance.actions import check_details, encode_details
from consensus.governance.proposals import (
    MAX_REASONING,
    BallotBody,
    Choice,
    Proposal,
    ProposalBody,
    ProposalId,
    Subject,
    open_proposal,
    peek_ballot,
    seal_ballot,
    seal_proposal,
)
from mesh.protocol import decisions
from mesh.protocol.commands import Failure, FailureKind, Propose, Success, Vote
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.effects import RecordKind, Reply
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from wire.errors import Overloaded, RemoteError, UsageError
from wire.time import SECOND, Instant

Secrets = Callable[[int], bytes]  # so many bytes that nobody can guess

MAX_HEARD = 1024  # proposals that are not on the chain yet


@dataclass(frozen=True, slots=True)
class _Asker:
    """A command that waits for the outcome of a proposal."""

    request_id: int
    deadline: Instant


class Voting:
    """This queen's voice in decisions."""

    def __init__(self, context: Context, deciding: Deciding, secrets: Secrets) -> None:
        self._context = context
        self._deciding = deciding
        self._secrets = secrets
        self._heard: dict[ProposalId, Proposal] = {}  # not on the chain yet
        self._ballots: dict[ProposalId, bytes] = {}  # ours, as transactions
        self._askers: dict[ProposalId, _Asker] = {}
        self._seen_height = -1

    # the journal

    def restore(self, record: bytes) -> None:
        """A ballot of ours from the journal; raises RemoteError for what is none."""
        body = decode_tx(record)
        if isinstance(body, BallotTx):
            self._ballots[peek_ballot(body.ballot).proposal] = record

    def records(self) -> list[bytes]:
        """Ballots that a journal which is written anew has to hold."""
        return list(self._ballots.values())

    # commands

    def propose(self, request_id: int, command: Propose, now: Instant, out: Outbox) -> None:
        """Ask the federation; answered at once, or with `wait` once it is decided."""
        try:
            subject = Subject(command.subject)
            opened = self.open(subject, command.action, command.details, command.deadline_s, now, out)
        except (UsageError, ValueError) as error:
            self._fail(request_id, FailureKind.USAGE, f"nothing was proposed: {error}", out)
        except (RemoteError, Overloaded) as error:
            self._fail(request_id, FailureKind.REJECTED, f"nothing was proposed: {error}", out)
        else:
            self._promise(request_id, opened, command, now, out)

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
        self._deciding.submit(transaction, now, out)
        out.trace(TraceKind.PROPOSAL, proposal=body.proposal.hex(), action=action, step="proposed")
        self._deciding.spread(transaction, out)
        self._consider(Proposal(body, raw), now, out)
        return body.proposal

    def _promise(self, request_id: int, opened: ProposalId, command: Propose, now: Instant, out: Outbox) -> None:
        """Answer with the id, or once it is decided; a federation of one has decided already."""
        if not command.wait:
            out.add(Reply(request_id=request_id, outcome=Success(result={"proposal": opened.hex()})))
            return
        patience = command.deadline_s + self._context.config.decision_patience_s
        self._askers[opened] = _Asker(request_id, now + patience * SECOND)
        self._answer(out)

    def vote(self, request_id: int, command: Vote, now: Instant, out: Outbox) -> None:
        """The operator's answer to an open proposal."""
        found = [proposal for proposal in self._known() if proposal.id.hex().startswith(command.proposal)]
        if len(found) != 1:
            what = "is open" if not found else "is meant: give more of its id"
            message = f"no single proposal {command.proposal!r} {what}: `zenmesh proposals` lists them"
            self._fail(request_id, FailureKind.USAGE, message, out)
            return
        if found[0].id in self._ballots:
            self._fail(request_id, FailureKind.REJECTED, "this queen has voted on it already: a vote is final", out)
            return
        try:
            self._cast(found[0], Choice[command.choice.upper()], command.reason, now, out)
        except (RemoteError, Overloaded) as error:
            self._fail(request_id, FailureKind.REJECTED, f"the vote was not cast: {error}", out)
            return
        result = {"proposal": found[0].id.hex(), "choice": command.choice.upper()}
        out.add(Reply(request_id=request_id, outcome=Success(result=result)))

    # events

    def heard(self, transaction: bytes, now: Instant, out: Outbox) -> None:
        """A transaction came from another member: where it proposes something, make up your mind."""
        body = decode_tx(transaction)
        if isinstance(body, ProposalTx):
            proposal, _ = open_proposal(body.proposal, self._context.federation, self._context.verify)
            self._consider(proposal, now, out)

    def chain_grew(self, now: Instant, out: Outbox) -> None:
        """Proposals may have been opened, or decided."""
        standing = self._context.chain.standing
        if not standing.governed or self._seen_height == self._context.chain.height:
            return
        self._seen_height = self._context.chain.height
        for entry in standing.open.values():
            self._heard.pop(entry.proposal.id, None)
            self._consider(entry.proposal, now, out)
            if entry.proposal.id in self._ballots and self._context.me.swarm not in entry.ballots:
                self._remind(self._ballots[entry.proposal.id], now, out)
        self._answer(out)
        for proposal in [proposal for proposal in self._ballots if proposal in standing.outcomes]:
            del self._ballots[proposal]

    def tick(self, now: Instant, out: Outbox) -> None:
        """Who waits for an outcome that does not come is told so."""
        for proposal, asker in list(self._askers.items()):
            if now >= asker.deadline:
                del self._askers[proposal]
                message = f"proposal {proposal.hex()} is not decided: too few members could be reached in time"
                self._fail(asker.request_id, FailureKind.NO_QUORUM, message, out)

    def next_deadline(self) -> Instant | None:
        return min((asker.deadline for asker in self._askers.values()), default=None)

    # helpers

    def _answer(self, out: Outbox) -> None:
        """Tell those who wait what was decided."""
        outcomes = self._context.chain.standing.outcomes
        for proposal in [proposal for proposal in self._askers if proposal in outcomes]:
            asker = self._askers.pop(proposal)
            out.add(Reply(request_id=asker.request_id, outcome=decisions.outcome_of(self._context, proposal)))

    def _known(self) -> list[Proposal]:
        """Proposals that are open, or on their way onto the chain."""
        ordered = [entry.proposal for entry in self._context.chain.standing.open.values()]
        return [*ordered, *self._heard.values()]

    def _consider(self, proposal: Proposal, now: Instant, out: Outbox) -> None:
        """Vote by policy; else remember it for the operator."""
        standing = self._context.chain.standing
        if proposal.id in standing.outcomes:
            return
        if proposal.id not in standing.open:
            if len(self._heard) >= MAX_HEARD:
                del self._heard[next(iter(self._heard))]
            self._heard[proposal.id] = proposal
        choice = self._context.config.voting.choice(proposal.body.action)
        if choice is not None and proposal.id not in self._ballots and self._deciding.replica.voting:
            try:
                self._cast(proposal, choice, "by policy", now, out)
            except (RemoteError, Overloaded):
                self._context.counters["ballots_refused"] += 1

    def _cast(self, proposal: Proposal, choice: Choice, reason: str, now: Instant, out: Outbox) -> None:
        """Sign a ballot, make it durable, and have it ordered."""
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
        self._ballots[proposal.id] = transaction
        out.persist(RecordKind.BALLOT, transaction)
        self._deciding.submit(transaction, now, out)

    def _remind(self, ballot: bytes, now: Instant, out: Outbox) -> None:
        """We voted before the proposal was on the chain, or before we were started: have that very ballot ordered."""
        try:
            self._deciding.submit(ballot, now, out)
        except (RemoteError, Overloaded):
            self._context.counters["ballots_refused"] += 1

    def _fail(self, request_id: int, kind: FailureKind, message: str, out: Outbox) -> None:
        out.add(Reply(request_id=request_id, outcome=Failure(kind=kind, message=message)))
