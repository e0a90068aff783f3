"""Version vectors: per actor, how many of its changes were seen.

A row (actor, n) says "changes 1 … n of this actor", none missing: a causal history in one number per actor. Vectors
are ordered by inclusion, which is a partial order; its least upper bound takes the larger number in every row.

    encoding = CBOR [1, [[actor, counter], …]]      rows ascending by actor, no zeros
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from crdt.types.codec import Kind, check_ascending, seal, shape, unseal
from crdt.types.dots import Actor, ActorDot


class Relation(Enum):
    """How one history stands to another."""

    EQUAL = "equal"
    BEFORE = "before"
    AFTER = "after"
    CONCURRENT = "concurrent"


# (mine ⊆ theirs, theirs ⊆ mine)
_RELATIONS = {
    (True, True): Relation.EQUAL,
    (True, False): Relation.BEFORE,
    (False, True): Relation.AFTER,
    (False, False): Relation.CONCURRENT,
}


@dataclass(frozen=True, slots=True)
class VersionVector:
    """An immutable vector; `counters` holds no zeros, so that equal histories are equal values."""

    counters: Mapping[Actor, int] = field(default_factory=dict)

    def __getitem__(self, actor: Actor) -> int:
        """How many changes of `actor` were seen."""
        return self.counters.get(actor, 0)

    def __contains__(self, dot: ActorDot) -> bool:
        return dot.counter <= self[dot.actor]

    def __le__(self, other: VersionVector) -> bool:
        """True iff `other` has seen everything that this one has."""
        return all(counter <= other[actor] for actor, counter in self.counters.items())

    def relation(self, other: VersionVector) -> Relation:
        """How this history stands to `other`."""
        return _RELATIONS[self <= other, other <= self]

    def join(self, other: VersionVector) -> VersionVector:
        """Everything that either has seen."""
        joined = dict(self.counters)
        for actor, counter in other.counters.items():
            joined[actor] = max(counter, self[actor])
        return VersionVector(joined)

    def rows(self) -> list[ActorDot]:
        """The newest dot of every actor, ascending."""
        return [ActorDot(actor, counter) for actor, counter in sorted(self.counters.items())]

    @staticmethod
    def parse(rows: object) -> VersionVector:
        """The vector with these decoded rows; raises DecodeError."""
        dots = shape(rows, list[ActorDot])
        check_ascending([dot.actor for dot in dots])
        return VersionVector({dot.actor: dot.counter for dot in dots})

    def encode(self) -> bytes:
        """The one spelling of this vector."""
        return seal(Kind.VERSION_VECTOR, self.rows())

    @staticmethod
    def decode(raw: bytes) -> VersionVector:
        """The vector in `raw`; raises DecodeError."""
        (rows,) = unseal(Kind.VERSION_VECTOR, raw, 1)
        return VersionVector.parse(rows)
