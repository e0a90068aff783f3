"""All checkers around one world: asked after every step, silenced by the first invariant that breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, get_args

from chaos.checkers.base import Checker, PerProcess, Violation
from chaos.host import Host
from chaos.process import Process
from chaos.trace import Kind
from chaos.world import World
from crdt.replica import Row
from mesh.protocol.commands import Operation
from mesh.protocol.effects import Effect, Persist, Send
from mesh.protocol.events import InEvent
from wire.frame import code_of
from wire.types import MessageType

OWN_INVARIANTS = "own-invariants"  # what a node says itself counts like a checker of this name


class Broken(Exception):
    """An invariant broke; the run is over."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation


@dataclass(slots=True)
class _Look:
    """What a process showed when it was last looked at."""

    steps: int = 0
    chain: bytes = b""
    root: bytes = b""
    rows: list[Row] = field(default_factory=list)

    def news(self, rows: list[Row]) -> list[Row]:
        """Those of all rows that are others than before (an unchanged row stays the same object)."""
        before, self.rows = self.rows, rows
        if len(before) != len(rows):
            known = set(before)
            return [row for row in rows if row not in known]
        return [row for row, old in zip(rows, before, strict=True) if row is not old and row not in before]


class Panel:
    """An observer of a world that raises `Broken`."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self.checkers = tuple(checkers)
        steppers = self._who_overrides("stepped")
        self._stepped = {True: steppers, False: tuple(c for c in steppers if not c.councils)}
        self._changed = self._who_overrides("changed")
        self._persisted = self._who_overrides("persisted")
        self._grew = self._who_overrides("grew")
        self._judges = {kind: tuple(c for c in checkers if kind in c.judges) for kind in get_args(Effect)}
        senders = self._judges[Send]
        self._of_any = tuple(c for c in senders if c.words is None)
        self._of_word = {
            code.value: tuple(c for c in senders if c.words is None or code in c.words) for code in MessageType
        }
        self._looks: PerProcess[_Look] = PerProcess(_Look)

    def stepped(self, world: World, process: Process, event: InEvent) -> None:
        context, look = process.node.context, self._looks.of(process)
        for checker in self._stepped[world.scenario.govern]:
            if look.steps % checker.every == 0:
                self._judge(world, process.host.name, checker, checker.stepped(world, process, event))
        look.steps += 1
        if look.chain != context.chain.head_hash:
            look.chain = context.chain.head_hash
            for checker in self._grew:
                self._judge(world, process.host.name, checker, checker.grew(world, process))
        replica, root = context.replica, context.replica.root()
        if look.root != root:
            look.root = root
            rows = look.news(replica.rows())
            for checker in self._changed:
                self._judge(world, process.host.name, checker, checker.changed(world, process, rows))

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> None:
        for checker in self.checkers:
            self._judge(world, process.host.name, checker, checker.asking(world, process, request, operation))

    def persisted(self, world: World, process: Process, record: Persist) -> None:
        for checker in self._persisted:
            self._judge(world, process.host.name, checker, checker.persisted(world, process, record))

    def releasing(self, world: World, process: Process, effect: Effect) -> None:
        if isinstance(effect, Send):  # most are probes, of which no checker has to know
            judges = self._of_word.get(code_of(effect.message), self._of_any)
        else:
            judges = self._judges[type(effect)]
        for checker in judges:
            for what in checker.releasing(world, process, effect):
                self._broken(world, process.host.name, checker.name, what)

    def fallen(self, world: World, process: Process, invariant: str) -> None:
        self._broken(world, process.host.name, OWN_INVARIANTS, invariant)

    def ended(self, world: World, core: Sequence[Host]) -> None:
        """Judge the end of a run."""
        for checker in self.checkers:
            self._judge(world, "", checker, checker.ended(world, core))

    def _who_overrides(self, method: str) -> tuple[Checker, ...]:
        """Those with something to say: most have not, and each step of a world would ask them all."""
        return tuple(c for c in self.checkers if getattr(type(c), method) is not getattr(Checker, method))

    def _judge(self, world: World, host: str, checker: Checker, found: Iterator[str]) -> None:
        for what in found:
            self._broken(world, host, checker.name, what)

    def _broken(self, world: World, host: str, checker: str, what: str) -> NoReturn:
        world.trace.note(world.now, host, Kind.VIOLATION, checker, what)
        raise Broken(Violation(checker, world.now, host, what))
