"""Counters: grow-only, up and down, and one that can be reset.

A `GCounter` keeps a total per actor and reads the sum; only the actor raises its own total, so of two totals the
larger is the newer (Shapiro et al., "A comprehensive study of convergent and commutative replicated data types",
INRIA RR-7506, 2011, §3.1.2, specification 6). A `PNCounter` is a pair of them (§3.1.3, specification 7). Neither can
go back to zero: a concurrent addition would bring the old total back.

An `ORCounter` can: it remembers each addition by its dot, so a reset takes away exactly the additions that it
observed and no others. That precision costs one dot per addition until the next reset. Totals per actor would be
smaller, but then a reset either misses or swallows concurrent additions (Baquero, Almeida, Lerche: "The problem with
embedded CRDT counters and a solution", PaPoC 2016). So: `PNCounter` for what ticks often, `ORCounter` inside maps.

    GCounter  = CBOR [3, [[actor, total], …]]       PNCounter = CBOR [4, [[actor, up], …], [[actor, down], …]]
    ORCounter = CBOR [5, vector rows, cloud rows, [[[actor, counter], amount], …]]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from msgspec import Meta

from crdt.types.codec import Kind, fit, seal, unseal
from crdt.types.dots import Actor, ActorDot, Counter
from crdt.types.stores import Causal, DotFun
from crdt.types.version_vector import VersionVector

Amount = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


@dataclass(frozen=True, slots=True)
class GCounter:
    """A number that only grows. The totals form the same lattice as a version vector, and are kept as one."""

    totals: VersionVector = field(default_factory=VersionVector)

    @property
    def value(self) -> int:
        return sum(self.totals.counters.values())

    def add(self, actor: Actor, amount: int) -> GCounter:
        """Delta: `amount` more, at least 1; raises UsageError when the actor's total leaves 63 bits."""
        fit(amount, Counter)
        total = ActorDot(actor, self.totals[actor] + amount)
        fit(total, ActorDot)
        return GCounter(VersionVector({total.actor: total.counter}))

    def join(self, other: GCounter) -> GCounter:
        """The least counter that includes both."""
        return GCounter(self.totals.join(other.totals))

    def encode(self) -> bytes:
        """The one spelling of this counter."""
        return seal(Kind.G_COUNTER, self.totals.rows())

    @staticmethod
    def decode(raw: bytes) -> GCounter:
        """The counter in `raw`; raises DecodeError."""
        (totals,) = unseal(Kind.G_COUNTER, raw, 1)
        return GCounter(VersionVector.parse(totals))


@dataclass(frozen=True, slots=True)
class PNCounter:
    """A number that goes up and down: what was added less what was taken."""

    up: GCounter = field(default_factory=GCounter)
    down: GCounter = field(default_factory=GCounter)

    @property
    def value(self) -> int:
        return self.up.value - self.down.value

    def add(self, actor: Actor, amount: int) -> PNCounter:
        """Delta: `amount` more, or fewer when negative, but not 0; raises UsageError as `GCounter.add`."""
        if amount < 0:
            return PNCounter(down=self.down.add(actor, -amount))
        return PNCounter(up=self.up.add(actor, amount))

    def join(self, other: PNCounter) -> PNCounter:
        """The least counter that includes both."""
        return PNCounter(self.up.join(other.up), self.down.join(other.down))

    def encode(self) -> bytes:
        """The one spelling of this counter."""
        return seal(Kind.PN_COUNTER, self.up.totals.rows(), self.down.totals.rows())

    @staticmethod
    def decode(raw: bytes) -> PNCounter:
        """The counter in `raw`; raises DecodeError."""
        up, down = unseal(Kind.PN_COUNTER, raw, 2)
        return PNCounter(GCounter(VersionVector.parse(up)), GCounter(VersionVector.parse(down)))


@dataclass(frozen=True, slots=True)
class ORCounter(Causal[DotFun[int]]):
    """A number that goes up and down, and back to zero by an observed reset."""

    KIND = Kind.OR_COUNTER

    store: DotFun[int] = field(default_factory=DotFun)

    @property
    def value(self) -> int:
        return sum(self.store.values.values())

    def add(self, actor: Actor, amount: int) -> ORCounter:
        """Delta: `amount` more, or fewer when negative; raises UsageError when it leaves 64 bits."""
        fit(amount, Amount)
        dot = self.context.next_dot(actor)
        return self._delta(DotFun({dot: amount}), [dot])

    def plain_store(self) -> list[Any]:
        return self.store.rows()

    @classmethod
    def parse_store(cls, plain: Any) -> DotFun[int]:
        return DotFun.parse(plain, Amount)
