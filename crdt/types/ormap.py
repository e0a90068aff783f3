"""Observed-remove map: named values of the other types, maps among them.

A map is a store of stores under one causal context (Almeida et al. 2018, the OR-map). A change of a nested value is a
delta of that value, wrapped under its key; to remove a key is to reset the value that stands there:

    tags = board.at(b"tags", ORSet)                                        # a view: reads, and makes deltas
    board = board.join(board.update(b"tags", ORSet, lambda tags: tags.add(me, b"urgent")))
    board = board.join(board.remove(b"tags", ORSet))

  remove ∥ update      the update wins, and only the update: what the remover had observed is gone, what was written
                       concurrently stands, in an otherwise fresh value
  remove, then update  the value starts from nothing: no earlier content comes back
  update ∥ update      the nested values merge by their own rules

A key is there while something lives under it; an emptied set is no key. Values of different types under one key are
different fields, so concurrent creations never clash over the type (as in the maps of Riak, a field is key and type).

    encoding = CBOR [9, vector rows, cloud rows, store]      store = [[key, kind, inner store], …]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, TypeVar

from msgspec import Meta

from crdt.ops import MAX_KEY
from crdt.types.codec import Kind, check_ascending, fit, shape
from crdt.types.counters import ORCounter
from crdt.types.orset import ORSet
from crdt.types.registers import LWWRegister, MVRegister
from crdt.types.stores import Causal, DotMap, DotStore
from wire.errors import DecodeError

Key = Annotated[bytes, Meta(min_length=1, max_length=MAX_KEY)]

CausalT = TypeVar("CausalT", bound=Causal[Any])


class Field(NamedTuple):
    """A place in a map: a key and the type of what it holds."""

    key: Key
    kind: Kind


@dataclass(frozen=True, slots=True)
class ORMap(Causal[DotMap[Field, DotStore]]):
    """A map from byte strings to nested values."""

    KIND = Kind.OR_MAP

    store: DotMap[Field, DotStore] = field(default_factory=DotMap)

    def fields(self) -> list[Field]:
        """Every field that holds something, ascending."""
        return sorted(self.store.entries)

    def at(self, key: bytes, type_: type[CausalT]) -> CausalT:
        """The value of type `type_` at `key`, as a view under this map's context; an empty one when there is none."""
        place = Field(key, type_.KIND)
        fit(place, Field)
        inner = self.store.entries.get(place)
        return type_(type_.parse_store([]) if inner is None else inner, self.context)

    def update(self, key: bytes, type_: type[CausalT], change: Callable[[CausalT], CausalT]) -> ORMap:
        """Delta: `change`, which makes a delta of the value at `key`, applied inside this map."""
        view = self.at(key, type_)
        delta = change(view)
        # A nested state's whole context would say "seen" of every dot in this map, and so remove its other fields.
        own = sum(dot in delta.context for dot in view.store.dots())
        assert delta.context.overlap(self.context) == own, "a change returns a delta, not the changed state"
        inner = {Field(key, type_.KIND): delta.store} if delta.store else {}
        return ORMap(DotMap(inner), delta.context)

    def remove(self, key: bytes, type_: type[Causal[Any]]) -> ORMap:
        """Delta: all that is observed at `key` is gone. What others write there meanwhile stays."""
        return self.update(key, type_, lambda value: value.reset())

    def plain_store(self) -> list[Any]:
        rows = []
        for place in self.fields():
            value = NESTABLE[place.kind](self.store.entries[place])
            rows.append((place.key, int(place.kind), value.plain_store()))
        return rows

    @classmethod
    def parse_store(cls, plain: Any) -> DotMap[Field, DotStore]:
        rows = shape(plain, list[tuple[Key, Kind, list[Any]]])
        check_ascending([(key, kind) for key, kind, _ in rows])
        entries: dict[Field, DotStore] = {}
        for key, kind, inner in rows:
            if kind not in NESTABLE or not inner:
                raise DecodeError("a field of a map that is empty, or of a type that maps do not hold")
            entries[Field(key, kind)] = NESTABLE[kind].parse_store(inner)
        return DotMap(entries)


NESTABLE: dict[Kind, type[Causal[Any]]] = {
    type_.KIND: type_ for type_ in (ORCounter, LWWRegister, MVRegister, ORSet, ORMap)
}
