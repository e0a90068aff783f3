"""Causal contexts: which dots were seen, gaps included.

A context is a set of dots that only grows. As a rule all dots of an actor up to some counter are in it, so it is kept
as a version vector plus a *cloud* of the dots beyond a gap, which stand there because a delta overtook another one.
As soon as a gap closes, compaction moves the cloud's dots into the vector; once everything arrived, the cloud is
empty. That is what lets a set forget its removed elements: a dot in the context that stands nowhere was removed.
(Almeida et al. 2018, on causal contexts and their compression.)

    encoding = CBOR [2, vector rows, cloud rows]      both ascending; no cloud dot could move into the vector
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from crdt.types.codec import Kind, check_ascending, fit, seal, shape, unseal
from crdt.types.dots import Actor, ActorDot
from crdt.types.version_vector import VersionVector
from wire.errors import DecodeError


@dataclass(frozen=True, slots=True)
class CausalContext:
    """An immutable set of dots, always compact, so that equal sets are equal values."""

    vector: VersionVector = field(default_factory=VersionVector)
    cloud: frozenset[ActorDot] = frozenset()

    @staticmethod
    def of(dots: Iterable[ActorDot]) -> CausalContext:
        """The context of exactly these dots."""
        return _compact(VersionVector(), dots)

    def __contains__(self, dot: ActorDot) -> bool:
        return dot in self.vector or dot in self.cloud

    def next_dot(self, actor: Actor) -> ActorDot:
        """The dot of `actor`'s next change; raises UsageError when its counter is used up or its name too long."""
        newest = max((dot.counter for dot in self.cloud if dot.actor == actor), default=self.vector[actor])
        dot = ActorDot(actor, newest + 1)
        fit(dot, ActorDot)
        return dot

    def join(self, other: CausalContext) -> CausalContext:
        """Everything that either has seen."""
        return _compact(self.vector.join(other.vector), self.cloud | other.cloud)

    def overlap(self, other: CausalContext) -> int:
        """How many dots both have seen, without listing them."""
        shared = sum(min(counter, other.vector[actor]) for actor, counter in self.vector.counters.items())
        return shared + sum(dot in other for dot in self.cloud) + sum(dot in self.vector for dot in other.cloud)

    def parts(self) -> tuple[list[ActorDot], list[ActorDot]]:
        """Rows of the vector and of the cloud, each ascending."""
        return self.vector.rows(), sorted(self.cloud)

    @staticmethod
    def parse(vector: object, cloud: object) -> CausalContext:
        """The context with these decoded rows; raises DecodeError."""
        dots = shape(cloud, list[ActorDot])
        check_ascending(dots)
        context = CausalContext(VersionVector.parse(vector), frozenset(dots))
        if _compact(context.vector, dots) != context:
            raise DecodeError("a causal context that is not compact")
        return context

    def encode(self) -> bytes:
        """The one spelling of this context."""
        return seal(Kind.CAUSAL_CONTEXT, *self.parts())

    @staticmethod
    def decode(raw: bytes) -> CausalContext:
        """The context in `raw`; raises DecodeError."""
        return CausalContext.parse(*unseal(Kind.CAUSAL_CONTEXT, raw, 2))


def _compact(vector: VersionVector, dots: Iterable[ActorDot]) -> CausalContext:
    """The context of `vector` and `dots`: what closes up to the vector moves into it, what it covers is dropped."""
    counters, cloud = dict(vector.counters), []
    for dot in sorted(dots):  # ascending, so that a run of dots behind a closing gap follows in the same pass
        seen = counters.get(dot.actor, 0)
        if dot.counter == seen + 1:
            counters[dot.actor] = dot.counter
        elif dot.counter > seen:
            cloud.append(dot)
    return CausalContext(VersionVector(counters), frozenset(cloud))
