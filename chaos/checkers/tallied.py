"""S8: what was decided follows from the blocks alone: an outcome is the tally of its ballots, worked out anew.

A count of its own, over proposals and ballots in the order of the chain: the first ballot of a voter counts, on a
proposal that is open, before its deadline by the time of the block. Who votes, and with what weight, is a matter of
the epoch that the block belongs to, never of what a ballot says. Whoever holds a height has these outcomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.checkers.statements import promised
from chaos.ledger import least
from consensus.blocks import MAX_BLOCK, BallotTx, Block, ProposalTx, decode_tx
from consensus.governance.proposals import Choice, ProposalBody, Subject, peek_ballot, peek_proposal
from consensus.governance.standing import Outcome
from consensus.governance.tally import Status, Tally
from consensus.quorum import QuorumName
from consensus.validators import ValidatorSet
from wire import cbor

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_WAITS = ("expel", "reinstate", "set_weight")  # approved, these may wait until fewer voters change


@dataclass(slots=True)
class _Open:
    """A proposal that is not decided yet."""

    body: ProposalBody
    ballots: dict[bytes, Choice] = field(default_factory=dict)

    def tally(self, voters: ValidatorSet) -> tuple[Status, Tally]:
        """What the ballots so far decide, and their weights."""
        target = cbor.decode(self.body.details) if self.body.action == "expel" else {}
        without = bytes.fromhex(target["swarm"]) if isinstance(target, dict) and "swarm" in target else None
        weights = {voter.swarm: voter.weight for voter in voters.validators if voter.swarm != without}
        total = voters.total - sum(voter.weight for voter in voters.validators if voter.swarm == without)
        approve, reject, abstain = (
            sum(weight for swarm, weight in weights.items() if self.ballots.get(swarm) is choice) for choice in Choice
        )
        counted = Tally(approve=approve, reject=reject, abstain=abstain, total=total)
        policy = self.body.subject is Subject.FEDERATION_POLICY
        enough = least(voters.rule.name if policy else QuorumName.MAJORITY, total)
        if approve >= enough:
            return Status.APPROVED, counted
        return (Status.OPEN if total - reject - abstain >= enough else Status.REJECTED), counted


class Tallied(Checker):
    """Counts each block once, and compares each process with the count."""

    name = "tallied"

    def __init__(self) -> None:
        self._open: dict[bytes, _Open] = {}
        self._closed: dict[bytes, tuple[int, Status, Tally]] = {}
        self._height = 0
        self._seen: PerProcess[list[int]] = PerProcess(lambda: [0])

    def grew(self, world: World, process: Process) -> Iterator[str]:
        chain, seen = process.node.context.chain, self._seen.of(process)
        if process.host.byzantine or not chain.governed or not promised(world):
            return
        world.ledger.follow(chain)
        outcomes = chain.standing.outcomes
        for raw, _ in chain.tail(self._height + 1) if self._height + 1 >= chain.first else ():
            self._height += 1
            self._count(cbor.decode_as(raw, Block, MAX_BLOCK), world.ledger.voters(self._height), outcomes)
        for proposal, outcome in outcomes.items():
            counted = self._closed.get(proposal)
            if outcome.height <= seen[0] or counted == (outcome.height, outcome.status, outcome.tally):
                continue
            what = "open" if counted is None else f"{counted[1]} at block {counted[0]} ({_weights(counted[2])})"
            there = f"{outcome.status} at block {outcome.height} ({_weights(outcome.tally)})"
            yield f"{_name(proposal)} is {there}, and {what} by its ballots"
        seen[0] = chain.height
        for proposal in chain.standing.open:
            if proposal in self._closed and self._closed[proposal][0] <= chain.height:
                yield f"{_name(proposal)} is open, and {self._closed[proposal][1]} by its ballots"

    def _count(self, block: Block, voters: ValidatorSet, outcomes: Mapping[bytes, Outcome]) -> None:
        for proposal, entry in list(self._open.items()):
            if entry.body.deadline_ms <= block.time_ms:
                self._close(proposal, block.height, Status.EXPIRED, entry.tally(voters)[1])
        for tx in map(decode_tx, block.txs):
            if isinstance(tx, ProposalTx):
                body = peek_proposal(tx.proposal)
                self._open[body.proposal] = _Open(body)
            elif isinstance(tx, BallotTx):
                ballot = peek_ballot(tx.ballot)
                if ballot.proposal in self._open:
                    self._open[ballot.proposal].ballots.setdefault(ballot.voter, ballot.choice)
        for proposal, entry in list(self._open.items()):
            status, counted = entry.tally(voters)
            if status is Status.APPROVED and entry.body.action in _WAITS:  # whether it waits is not worked out here
                outcome = outcomes.get(proposal)
                status = status if outcome is not None and outcome.height == block.height else Status.OPEN
            if status is not Status.OPEN:
                self._close(proposal, block.height, status, counted)

    def _close(self, proposal: bytes, height: int, status: Status, tally: Tally) -> None:
        self._closed[proposal] = height, status, tally
        del self._open[proposal]


def _weights(tally: Tally) -> str:
    return f"{tally.approve} for it, {tally.reject} against, {tally.abstain} neither, of {tally.total}"


def _name(proposal: bytes) -> str:
    return f"proposal {proposal.hex()[:8]}"
