"""Commands that wait until the chain has a proposal, or with `wait` until it is decided, or until it is too late."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.governance.proposals import ProposalId
from mesh.protocol import decisions
from mesh.protocol.commands import Failure, FailureKind, Propose, Success
from mesh.protocol.context import Context
from mesh.protocol.effects import Reply
from mesh.protocol.outbox import Outbox
from wire.time import SECOND, Instant


@dataclass(frozen=True, slots=True)
class _Asker:
    request_id: int
    deadline: Instant
    wait: bool


class Askers:
    """Who asked for which proposal."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._askers: dict[ProposalId, _Asker] = {}

    def promise(self, request_id: int, opened: ProposalId, command: Propose, now: Instant, out: Outbox) -> None:
        """Answer once it is ordered, or decided; a federation of one has done that already."""
        patience = self._context.config.decision_patience_s + (command.deadline_s if command.wait else 0)
        self._askers[opened] = _Asker(request_id, now + patience * SECOND, command.wait)
        self.answer(out)

    def answer(self, out: Outbox) -> None:
        """Tell those who wait what was ordered, or decided."""
        standing = self._context.chain.standing
        for proposal, asker in list(self._askers.items()):
            found = standing.outcomes.get(proposal) or (None if asker.wait else standing.open.get(proposal))
            if found is None:
                continue
            outcome = Success(result={"proposal": proposal.hex(), "height": found.height})
            if asker.wait:
                outcome = decisions.outcome_of(self._context, proposal)
            del self._askers[proposal]
            out.add(Reply(request_id=asker.request_id, outcome=outcome))

    def tick(self, now: Instant, out: Outbox) -> None:
        """Who waits for an outcome that does not come is told so."""
        for proposal, asker in list(self._askers.items()):
            if now >= asker.deadline:
                del self._askers[proposal]
                what = "decided" if asker.wait else "on the chain yet"
                message = f"proposal {proposal.hex()} is not {what}: too few members could be reached in time"
                failure = Failure(kind=FailureKind.NO_QUORUM, message=message)
                out.add(Reply(request_id=asker.request_id, outcome=failure))

    def next_deadline(self) -> Instant | None:
        """When the first who waits is told so. Asked for after every event."""
        return min(asker.deadline for asker in self._askers.values()) if self._askers else None
