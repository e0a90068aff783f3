"""What a checker is: it watches every step of a world, and says in a sentence which invariant broke.

A checker looks at the nodes themselves and at what leaves them, never at what a node says of itself. It yields texts;
the panel (`chaos.checkers.panel`) makes `Violation`s of them and ends the run at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from crdt.replica import Row
from mesh.protocol.commands import Operation
from mesh.protocol.effects import Effect, Persist
from mesh.protocol.events import InEvent

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that broke: which, when (virtual microseconds), where, and how."""

    checker: str
    at: int
    host: str
    what: str

    def __str__(self) -> str:
        return f"{self.checker}: {self.what} (at {self.at / 1e6:.6f} s, {self.host or 'the world'})"


class PerProcess(Generic[T]):
    """Something remembered of each running process. With the next one of its host it is forgotten."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._known: dict[str, tuple[Process, T]] = {}  # by host

    def of(self, process: Process) -> T:
        """What is remembered of `process`; made when it is met."""
        known = self._known.get(process.host.name)
        if known is None or known[0] is not process:
            known = self._known[process.host.name] = process, self._make()
        return known[1]


class Checker:
    """Override what the invariant needs; every method may yield sentences."""

    name: ClassVar[str]
    councils: ClassVar[bool] = False  # `stepped` is about what queens decide: nothing to see where none do
    every: ClassVar[int] = 1  # steps of a process from one that `stepped` is told of to the next; the first one is
    judges: ClassVar[tuple[type[Effect], ...]] = ()  # the effects that `releasing` is about
    words: ClassVar[frozenset[int] | None] = None  # of a Send, the types of message that it is about; None: all

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        """`process` has handled `event`."""
        return iter(())

    def grew(self, world: World, process: Process) -> Iterator[str]:
        """The chain of `process` has another head than before, or is looked at for the first time."""
        return iter(())

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        """A user is about to ask the node of `process`."""
        return iter(())

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        """The replicated state of `process` is another: those of its rows that changed."""
        return iter(())

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        """A record is durable."""
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        """An effect, one of those that this checker `judges`, is about to leave `process`."""
        return iter(())

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        """The liveness phase is over, and the core had its time."""
        return iter(())
