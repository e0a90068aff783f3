"""Observed-remove set: add wins, and what is removed leaves nothing behind.

Each addition puts a new dot under its element, in place of the dots that stood there; a removal takes away the dots
that it sees. An addition that the remover did not see is not touched by it, so of a concurrent add and remove the add
wins. The observed-remove set of Shapiro et al. 2011 (§3.3.5, specification 15) had to remember each removed tag for
ever; here the causal context says which dots were seen, and one that was seen and does not stand is removed
(Bieniusa et al., "An optimized conflict-free replicated set", INRIA RR-8083, 2012): the state is as large as the set.

    encoding = CBOR [8, vector rows, cloud rows, [[element, [[actor, counter], …]], …]]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crdt.types.codec import Kind, Value, check_ascending, fit, shape
from crdt.types.dots import Actor
from crdt.types.stores import Causal, DotMap, DotSet
from wire.errors import DecodeError


@dataclass(frozen=True, slots=True)
class ORSet(Causal[DotMap[bytes, DotSet]]):
    """A set of byte strings; `reset` empties it of what is observed."""

    KIND = Kind.OR_SET

    store: DotMap[bytes, DotSet] = field(default_factory=DotMap)

    def __contains__(self, element: bytes) -> bool:
        return element in self.store.entries

    def elements(self) -> list[bytes]:
        """The elements, ascending."""
        return sorted(self.store.entries)

    def add(self, actor: Actor, element: bytes) -> ORSet:
        """Delta: `element` is in, under a new dot that replaces those observed."""
        fit(element, Value)
        dot = self.context.next_dot(actor)
        return self._delta(DotMap({element: DotSet(frozenset({dot}))}), [dot, *self._observed(element).dots()])

    def remove(self, element: bytes) -> ORSet:
        """Delta: every addition of `element` that is observed here is undone; of an absent element, nothing."""
        return self._delta(DotMap(), self._observed(element).dots())

    def _observed(self, element: bytes) -> DotSet:
        return self.store.entries.get(element, DotSet())

    def plain_store(self) -> list[Any]:
        return [(element, dots.rows()) for element, dots in sorted(self.store.entries.items(), key=_element)]

    @classmethod
    def parse_store(cls, plain: Any) -> DotMap[bytes, DotSet]:
        rows = shape(plain, list[tuple[Value, list[Any]]])
        check_ascending([element for element, _ in rows])
        entries = {element: DotSet.parse(dots) for element, dots in rows}
        if not all(entries.values()):
            raise DecodeError("an element that no dot stands for")
        return DotMap(entries)


def _element(item: tuple[bytes, DotSet]) -> bytes:
    return item[0]
