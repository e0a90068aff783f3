"""The panel: it asks every checker that has something to say, of everything, and the first violation ends the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from chaos.checkers import ALL, Broken, Checker, Panel, Violation
from chaos.host import Host
from chaos.process import Process
from chaos.trace import Kind, Record
from chaos.world import World
from crdt.replica import Row
from mesh.protocol.commands import MemoryGet, Operation
from mesh.protocol.effects import Effect, Halt, Persist, RecordKind
from mesh.protocol.events import InEvent, WallClock
from tests.support.hand_made import Stage, row
from wire.ids import sha256

EVENT = WallClock(ms=0)
READ = MemoryGet(key="plan")
RECORD = Persist(kind=RecordKind.BATCH, body=b"")
EFFECT = Halt(reason="enough")


class Listening(Checker):
    """Writes down what it is asked, and says what it is told to."""

    name = "listening"
    judges = (Halt,)

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.says: dict[str, str] = {}

    def _said(self, what: str, *about: object) -> Iterator[str]:
        self.asked.append((what, *about))
        if what in self.says:
            yield self.says[what]
            self.asked.append(("more", what))

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        return self._said("stepped", process.host.name, event)

    def grew(self, world: World, process: Process) -> Iterator[str]:
        return self._said("grew", process.host.name)

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        return self._said("asking", process.host.name, request, operation)

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        return self._said("changed", process.host.name, list(rows))

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        return self._said("persisted", process.host.name, record)

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        return self._said("releasing", process.host.name, effect)

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        return self._said("ended", [host.name for host in core])


class Panelled:
    """A stage whose checker sits on a panel behind one that overrides nothing."""

    def __init__(self) -> None:
        self.stage = Stage(Listening)
        self.world = self.stage.world
        self.listening = Listening()
        self.panel = Panel([Checker(), self.listening])
        self.process = self.stage.process("s1")
        self.world.now = 1_500_000

    def holds(self, *rows: Row) -> None:
        """`s1` holds these rows and no others, under a root of its own."""
        actor = self.stage.actors["s1"]
        actor.rows = {one.author: one for one in rows}
        actor.root = sha256(repr(rows).encode())
        self.panel.stepped(self.world, self.process, EVENT)

    def changes(self) -> list[list[Row]]:
        return [about[1] for what, *about in self.listening.asked if what == "changed"]


CALLS: dict[str, tuple[Callable[[Panelled], None], str, tuple[Any, ...]]] = {
    "stepped": (lambda p: p.panel.stepped(p.world, p.process, EVENT), "s1", ("s1", EVENT)),
    "grew": (lambda p: p.panel.stepped(p.world, p.process, EVENT), "s1", ("s1",)),
    "asking": (lambda p: p.panel.asking(p.world, p.process, 7, READ), "s1", ("s1", 7, READ)),
    "changed": (lambda p: p.panel.stepped(p.world, p.process, EVENT), "s1", ("s1", [])),
    "persisted": (lambda p: p.panel.persisted(p.world, p.process, RECORD), "s1", ("s1", RECORD)),
    "releasing": (lambda p: p.panel.releasing(p.world, p.process, EFFECT), "s1", ("s1", EFFECT)),
    "ended": (lambda p: p.panel.ended(p.world, list(p.world.hosts.values())), "", (["s1", "s2", "s3"],)),
}


@pytest.mark.parametrize("what", CALLS)
def test_a_checker_is_asked_and_its_first_word_ends_the_run(what: str) -> None:
    panelled = Panelled()
    call, host, about = CALLS[what]
    panelled.listening.says[what] = "it is broken"
    with pytest.raises(Broken) as broken:
        call(panelled)
    assert panelled.listening.asked[-1] == (what, *about)  # nothing behind its first word is waited for
    assert broken.value.violation == Violation("listening", 1_500_000, host, "it is broken")
    kept = panelled.world.trace.records[-1]
    assert kept == Record(1_500_000, host, Kind.VIOLATION, ("listening", "it is broken"))


@pytest.mark.parametrize("what", CALLS)
def test_nothing_happens_while_nobody_speaks(what: str) -> None:
    panelled = Panelled()
    call, _, about = CALLS[what]
    panelled.stage.actors["s1"].root = sha256(b"news")
    call(panelled)
    assert (what, *about) in panelled.listening.asked
    assert [record for record in panelled.world.trace.records if record.kind is Kind.VIOLATION] == []


def test_an_invariant_of_a_node_s_own_is_one_of_ours() -> None:
    panelled = Panelled()
    with pytest.raises(Broken, match=r"own-invariants: a book is torn \(at 1\.500000 s, s1\)"):
        panelled.panel.fallen(panelled.world, panelled.process, "a book is torn")


def test_a_change_is_told_by_the_rows_that_changed() -> None:
    panelled = Panelled()
    second, third, later = row("s2", 4), row("s3", 7), row("s3", 8, "next")
    panelled.holds(second, third)
    panelled.holds(second, third)
    panelled.holds(second, later)
    panelled.holds(third, later, second)
    assert panelled.changes() == [[second, third], [later], []]


def test_every_process_has_changes_of_its_own() -> None:
    panelled = Panelled()
    panelled.holds(row("s2", 4))
    panelled.stage.boot(panelled.world.hosts["s1"])
    panelled.process = panelled.stage.process("s1")
    panelled.holds(row("s2", 4))
    assert panelled.changes() == [[row("s2", 4)]] * 2


def test_the_world_has_no_host_to_blame() -> None:
    assert str(Violation("bounds", 2_000_000, "", "too much")) == "bounds: too much (at 2.000000 s, the world)"


def test_all_checkers_have_names_of_their_own() -> None:
    names = [checker.name for checker in ALL]
    assert len(names) == len(set(names)) >= 9
