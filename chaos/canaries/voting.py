"""Canaries in how queens agree: votes too early or too late, quorums that are none, timers that only grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chaos.rules import Rules
from consensus.bft.messages import Phase
from consensus.bft.ordering import Ordering
from consensus.bft.pacemaker import Pacemaker
from consensus.bft.replica import Replica
from consensus.bft.safety import SafetyRules
from consensus.bft.viewchange import Change, Elections, Plan
from consensus.bft.views import Views
from consensus.blocks import Block, Core
from consensus.chain import Chain
from consensus.quorum import QuorumRule
from consensus.reader import Reader
from consensus.takeover import certifiers
from consensus.validators import ValidatorSet
from mesh.protocol.commits import Commit
from mesh.protocol.effects import Effect, RecordKind
from wire.ids import Digest, SwarmId
from wire.time import Instant

if TYPE_CHECKING:
    from chaos.process import Process

_VOTES = (RecordKind.VOTE, RecordKind.BALLOT)


class Hasty(Rules):
    """Votes leave before they are written; everything else is written first."""

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        for commit in super().commits(effects):
            votes = tuple(record for record in commit.records if record.kind in _VOTES)
            others = tuple(record for record in commit.records if record.kind not in _VOTES)
            yield Commit(compact=commit.compact, records=others, rest=commit.rest)
            yield Commit(compact=None, records=votes, rest=())


class _Careless(Elections):
    """A view is bound to nothing."""

    def plan(self, changes: Iterable[Change]) -> Plan:
        return replace(super().plan(changes), forced=None)


class _Heedless(Views):
    """Remains careless in all epochs that follow."""

    def begin_epoch(self) -> None:
        super().begin_epoch()
        self._elections.__class__ = _Careless


class Oblivious(Rules):
    """Who begins a view, and who enters it, ignores what may have been decided before."""

    def booted(self, process: Process) -> None:
        views = process.node.deciding.replica._views
        views.__class__ = _Heedless
        views._elections.__class__ = _Careless


class _Lax(SafetyRules):
    """Views that were left are not over."""

    def allows(self, phase: Phase, core: Core) -> bool:
        return core.epoch == self.epoch and self.voted(phase, core.view, core.height) in (None, core.block_hash)


class _Stubborn(Ordering):
    """A quorum that prepared in a view that was left is still answered."""

    def count(self, now: Instant) -> None:
        desk = self._desk
        for view in desk.votes.views(Phase.PREPARE, desk.height):
            agreed = desk.agreed(Phase.PREPARE, view)
            if view < desk.view and agreed and desk.rules.voted(Phase.COMMIT, view, desk.height) is None:
                block = desk.round.bodies.get(Digest(agreed[0].block_hash))
                if block is not None:
                    self._cast(Phase.COMMIT, agreed[0], desk.rules.commit(agreed[0], agreed[1], block))
        super().count(now)


class Clinging(Rules):
    """COMMIT is said in a view that was left."""

    def booted(self, process: Process) -> None:
        replica = process.node.deciding.replica
        replica._ordering.__class__ = _Stubborn
        replica._desk.rules.__class__ = _Lax


class _Tired(Pacemaker):
    """What failed once makes all views longer, for ever."""

    def decided(self, took: int | None) -> None:
        failed = self.failed
        super().decided(took)
        self.failed = failed


class Dragging(Rules):
    """The timer of views never begins anew."""

    def booted(self, process: Process) -> None:
        process.node.deciding.replica._desk.pacemaker.__class__ = _Tired


# who decides


class _OneLess(QuorumRule):
    """One weight less is enough."""

    def reached(self, weight: int, total: int) -> bool:
        return weight > 0 and super().reached(weight + 1, total)


class _Lenient(Chain):
    """Asks for one weight less than a quorum."""

    def validators(self) -> ValidatorSet:
        found = super().validators()
        return replace(found, rule=_OneLess(found.rule.setting, found.rule.members))


class Undercounting(Rules):
    """One weight less than a quorum decides."""

    def booted(self, process: Process) -> None:
        _take_over(process, _Lenient)


class _Near(ValidatorSet):
    """Whoever is out of reach does not count."""

    reachable: Callable[[], set[SwarmId]]

    @property
    def total(self) -> int:
        near = self.reachable()
        return max(1, sum(voter.weight for voter in self.validators if voter.swarm in near))


class _Shrinking(Chain):
    """Counts those in reach."""

    reachable: Callable[[], set[SwarmId]]

    def validators(self) -> ValidatorSet:
        found = super().validators()
        if not self.governed:
            return found
        near = _Near(found.epoch, found.validators, found.rule, 0)
        near.__dict__["reachable"] = self.reachable
        return near


class Splitting(Rules):
    """A quorum is one of the members in reach."""

    def booted(self, process: Process) -> None:
        context = process.node.context

        def reachable() -> set[SwarmId]:
            linked = {link.swarm for link in context.links.members() if link.swarm is not None}
            return linked | {context.me.swarm}

        context.chain.__dict__["reachable"] = reachable
        _take_over(process, _Shrinking)


class _Stale(Chain):
    """Who voted in the epoch before certifies."""

    sets: list[ValidatorSet]

    def validators(self) -> ValidatorSet:
        found = super().validators()
        if found.epoch != self.sets[-1].epoch:
            self.sets.append(found)
        return self.sets[-2] if len(self.sets) > 1 and self.governed else found

    def core(self, digest: Digest, view: int) -> Core:
        return Core(self.federation_id, self.validators().epoch, view, self.height + 1, digest)

    def _check_certificate(self, at: Reader, block: Block, digest: Digest, certificate: bytes) -> None:
        validators, content = certifiers(at, block, self._verify)
        validators.open(certificate, content, self.federation_id, self._verify)


class Belated(Rules):
    """A certificate of the epoch before is one."""

    def booted(self, process: Process) -> None:
        chain = process.node.context.chain
        chain.__dict__["sets"] = [chain.validators()]
        _take_over(process, _Stale)


def _take_over(process: Process, chain: type[Chain]) -> None:
    """The node's chain is of another kind, and its replica counts by that from now on."""
    process.node.context.chain.__class__ = chain
    replica: Replica = process.node.deciding.replica
    desk = replica._desk
    desk.validators = desk.votes.validators = replica._views._elections._validators = desk.chain.validators()
