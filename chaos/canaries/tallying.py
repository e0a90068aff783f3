"""Canaries in what queens make of ballots: when they count, and how much."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chaos.rules import Rules
from consensus.blocks import BallotTx, Block, decode_tx
from consensus.chain import Chain
from consensus.governance.proposals import peek_ballot
from consensus.governance.standing import OpenProposal
from consensus.governance.tally import Status, count, judge
from consensus.state import State, Step
from consensus.validators import ValidatorSet
from wire.ids import Digest, SwarmId

if TYPE_CHECKING:
    from chaos.process import Process

_BOAST = 1_000
_BOASTER = "s1"


class _Otherwise(Chain):
    """A chain whose blocks take other steps."""

    step: type[Step] = Step

    def next_step(self, time_ms: int) -> Step:
        step = self._step(max(time_ms, self.time_ms + 1))
        step.expire()
        return step

    def _judge(self, block: Block, digest: Digest) -> State:
        known = self._judged.get(digest)
        if known is None:
            step = self._step(block.time_ms)
            step.expire()
            for raw in block.txs:
                step.transact(raw)
            step.tally()
            known = self._judged[digest] = step.done()
        return known

    def _step(self, time_ms: int) -> Step:
        return self.step(self.state, self.height + 1, time_ms, self._context)


class _Patient(Step):
    """Deadlines come after the ballots of their block."""

    def expire(self) -> None:
        pass

    def tally(self) -> None:
        super().tally()
        super().expire()


class _Unpunctual(_Otherwise):
    step = _Patient


class Unpunctual(Rules):
    """A ballot counts after the deadline of its proposal."""

    def booted(self, process: Process) -> None:
        process.node.context.chain.__class__ = _Unpunctual


class _Believing(Step):
    """Ballots weigh what they say."""

    def transact(self, raw: bytes) -> None:
        super().transact(raw)
        body = decode_tx(raw)
        if isinstance(body, BallotTx):
            ballot = peek_ballot(body.ballot)
            _CLAIMS[ballot.proposal, SwarmId(ballot.voter)] = ballot.weight

    def tally(self) -> None:
        for entry in list(self.standing.open.values()):
            voters = self._as_claimed(entry)
            tally = count(entry.ballots, voters)
            if judge(tally, entry.proposal.body.subject, voters) is Status.APPROVED:
                self._effect(entry, tally)
        super().tally()

    def _as_claimed(self, entry: OpenProposal) -> ValidatorSet:
        """The voters with the weights that their ballots claim; all weigh together what they did."""
        voters = self.before.validators
        claimed = tuple(
            replace(v, weight=_CLAIMS.get((entry.proposal.id, v.swarm), v.weight)) for v in voters.validators
        )
        return replace(voters, validators=claimed, silent=voters.total - sum(v.weight for v in claimed))


_CLAIMS: dict[tuple[bytes, SwarmId], int] = {}  # of ballots, wherever they were read


class _Gullible(_Otherwise):
    step = _Believing


class Gullible(Rules):
    """What a ballot weighs is what it says; and one queen boasts."""

    def booted(self, process: Process) -> None:
        process.node.context.chain.__class__ = _Gullible
        if process.host.name == _BOASTER:
            voting: Any = process.node.voting
            deciding = voting._deciding
            heavy = SimpleNamespace(validator=lambda swarm: SimpleNamespace(weight=_BOAST))
            cast = voting._cast

            def boast(*arguments: object) -> None:
                voting._deciding = SimpleNamespace(replica=SimpleNamespace(validators=heavy), submit=deciding.submit)
                try:
                    cast(*arguments)
                finally:
                    voting._deciding = deciding

            voting._cast = boast
