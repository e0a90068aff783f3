"""All checkers around one world: asked after every step, silenced by the first invariant that breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn

from chaos.checkers.base import Checker, Violation
from chaos.host import Host
from chaos.process import Process
from chaos.trace import Kind
from chaos.world import World
from mesh.protocol.commands import Operation
from mesh.protocol.effects import Effect, Persist
from mesh.protocol.events import InEvent


class Broken(Exception):
    """An invariant broke; the run is over."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation


class Panel:
    """An observer of a world that raises `Broken`."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self.checkers = tuple(checkers)
        self._roots: dict[Process, bytes] = {}

    def stepped(self, world: World, process: Process, event: InEvent) -> None:
        self._ask(world, process.host.name, (check.stepped(world, process, event) for check in self.checkers))
        root = process.node.context.replica.root()
        if self._roots.get(process) != root:
            self._roots[process] = root
            rows = process.node.context.replica.rows()
            self._ask(world, process.host.name, (check.changed(world, process, rows) for check in self.checkers))

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> None:
        answers = (check.asking(world, process, request, operation) for check in self.checkers)
        self._ask(world, process.host.name, answers)

    def persisted(self, world: World, process: Process, record: Persist) -> None:
        self._ask(world, process.host.name, (check.persisted(world, process, record) for check in self.checkers))

    def releasing(self, world: World, process: Process, effect: Effect) -> None:
        self._ask(world, process.host.name, (check.releasing(world, process, effect) for check in self.checkers))

    def fallen(self, world: World, process: Process, invariant: str) -> None:
        self._broken(world, process.host.name, "own-invariants", invariant)

    def ended(self, world: World, core: Sequence[Host]) -> None:
        """Judge the end of a run."""
        self._ask(world, "", (check.ended(world, core) for check in self.checkers))

    def _ask(self, world: World, host: str, answers: Iterator[Iterator[str]]) -> None:
        for checker, found in zip(self.checkers, answers, strict=True):
            for what in found:
                self._broken(world, host, checker.name, what)

    def _broken(self, world: World, host: str, checker: str, what: str) -> NoReturn:
        world.trace.note(world.now, host, Kind.VIOLATION, checker, what)
        raise Broken(Violation(checker, world.now, host, what))
