"""Dot stores: where live dots stand; and the type of every value that is a store with a causal context.

One rule merges them all. At each place of a store a dot is *unknown* (not in the context), *present* (it stands
there) or *removed* (in the context, standing there no more). It only ever moves along that line, and `join` takes for
each place and dot whoever is further:

    kept = (mine ∩ theirs) ∪ (mine ∖ seen by them) ∪ (theirs ∖ seen by me)

So add wins over a concurrent remove, because a remove moves only the dots that it names; and nothing is kept of what
was removed, because the context remembers it in one number per actor. The three shapes are those of Almeida et al.
2018 (dot stores and causal CRDTs): a set of dots, a function from dots to values, a map from keys to stores. Stores
nest, and all of a value's dots live under one context.

    encoding = CBOR [kind, vector rows, cloud rows, store]
    DotSet   = [[actor, counter], …]            DotFun = [[[actor, counter], value], …]
    DotMap   = as the type that uses it says    all ascending, without empty inner stores
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from crdt.types.causal import CausalContext
from crdt.types.codec import Kind, check_ascending, seal, shape, unseal
from crdt.types.dots import ActorDot
from wire.errors import DecodeError


class DotStore(ABC):
    """Live dots in some arrangement. Its dots are all in the context that it is used with."""

    __slots__ = ()

    @abstractmethod
    def __bool__(self) -> bool:
        """True iff some dot stands here."""

    @abstractmethod
    def dots(self) -> Iterator[ActorDot]:
        """Every dot that stands here, in no particular order."""

    @abstractmethod
    def join(self, seen: CausalContext, other: Self, other_seen: CausalContext) -> Self:
        """What stands after the merge of this store under `seen` with `other` under `other_seen`."""


class Ordered(Protocol):
    """Values of one type that are totally ordered."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K")
V = TypeVar("V", bound=Ordered)
S = TypeVar("S", bound=DotStore)


@dataclass(frozen=True, slots=True)
class DotSet(DotStore):
    """Dots and nothing else."""

    members: frozenset[ActorDot] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.members)

    def dots(self) -> Iterator[ActorDot]:
        yield from sorted(self.members)

    def join(self, seen: CausalContext, other: DotSet, other_seen: CausalContext) -> DotSet:
        kept = {dot for dot in self.members if dot in other.members or dot not in other_seen}
        news = {dot for dot in other.members if dot not in seen}
        return DotSet(frozenset(kept | news))

    def rows(self) -> list[ActorDot]:
        """The plain form, ascending."""
        return sorted(self.members)

    @staticmethod
    def parse(rows: object) -> DotSet:
        """The store with these decoded rows; raises DecodeError."""
        dots = shape(rows, list[ActorDot])
        check_ascending(dots)
        return DotSet(frozenset(dots))


@dataclass(frozen=True, slots=True)
class DotFun(DotStore, Generic[V]):
    """A value at every dot.

    A dot names one change, so both sides hold the same value at it. An actor that breaks this and gives one dot two
    values does not divide the copies: the greater value stands.
    """

    values: Mapping[ActorDot, V] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values)

    def dots(self) -> Iterator[ActorDot]:
        return iter(self.values)

    def join(self, seen: CausalContext, other: DotFun[V], other_seen: CausalContext) -> DotFun[V]:
        kept = {dot: value for dot, value in self.values.items() if dot in other.values or dot not in other_seen}
        for dot, value in other.values.items():
            if dot in kept:
                kept[dot] = max(kept[dot], value)
            elif dot not in seen:
                kept[dot] = value
        return DotFun(kept)

    def rows(self) -> list[tuple[ActorDot, V]]:
        """The plain form, ascending by dot."""
        return sorted(self.values.items())

    @staticmethod
    def parse(rows: object, form: type[V]) -> DotFun[V]:
        """The store with these decoded rows and values of `form`; raises DecodeError."""
        pairs = shape(rows, list[tuple[ActorDot, form]])  # type: ignore[valid-type]  # a runtime form
        check_ascending([dot for dot, _ in pairs])
        return DotFun(dict(pairs))


@dataclass(frozen=True, slots=True)
class DotMap(DotStore, Generic[K, S]):
    """A store under every key; none is empty, so that a key is there iff something lives under it."""

    entries: Mapping[K, S] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.entries)

    def dots(self) -> Iterator[ActorDot]:
        for store in self.entries.values():
            yield from store.dots()

    def join(self, seen: CausalContext, other: DotMap[K, S], other_seen: CausalContext) -> DotMap[K, S]:
        joined = {}
        for key in {**self.entries, **other.entries}:
            mine, theirs = self.entries.get(key), other.entries.get(key)
            if mine is None:
                assert theirs is not None, "the key is from one of the two"
                mine = type(theirs)()
            store = mine.join(seen, theirs if theirs is not None else type(mine)(), other_seen)
            if store:
                joined[key] = store
        return DotMap(joined)


StoreT = TypeVar("StoreT", bound=DotStore)


@dataclass(frozen=True, slots=True)
class Causal(ABC, Generic[StoreT]):
    """A value made of a dot store and the context that its dots were seen in: a state, or a delta."""

    KIND: ClassVar[Kind]

    store: StoreT
    context: CausalContext = field(default_factory=CausalContext)

    def join(self, other: Self) -> Self:
        """The least value that includes both."""
        store = self.store.join(self.context, other.store, other.context)
        return type(self)(store, self.context.join(other.context))

    def reset(self) -> Self:
        """Delta: remove all that is observed here. What others add meanwhile stays."""
        return self._delta(type(self.store)(), self.store.dots())

    def encode(self) -> bytes:
        """The one spelling of this value; raises ProposalTooLarge when it is over a limit."""
        return seal(self.KIND, *self.context.parts(), self.plain_store())

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """The value in `raw`; raises DecodeError."""
        vector, cloud, plain = unseal(cls.KIND, raw, 3)
        context, store = CausalContext.parse(vector, cloud), cls.parse_store(plain)
        places = Counter(store.dots())
        if any(count > 1 or dot not in context for dot, count in places.items()):
            raise DecodeError("a dot that its context does not know, or that stands at two places")
        return cls(store, context)

    @abstractmethod
    def plain_store(self) -> list[Any]:
        """The store as plain rows."""

    @classmethod
    @abstractmethod
    def parse_store(cls, plain: Any) -> StoreT:
        """The store with these decoded rows; raises DecodeError."""

    def _delta(self, store: StoreT, dots: Iterable[ActorDot]) -> Self:
        """A delta that puts `store` and removes whichever of `dots` does not stand in it."""
        return type(self)(store, CausalContext.of(dots))
