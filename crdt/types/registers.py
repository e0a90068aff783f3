"""Registers: one value, written by anyone. They differ in what concurrent writes leave behind.

An `MVRegister` keeps them all, and the next write replaces those that it saw (Shapiro et al. 2011, §3.2.2,
specification 10; the dots replace its version vectors). An `LWWRegister` shows the greatest write by (term, hlc, dot)
(§3.2.1, specification 8, with a total order in place of a timestamp): the term comes first, so that a writer of a
closed term cannot win by its clock, and the dot last, so that no two writes tie.

Under the last-writer rule a write removes only smaller writes that it saw. Concurrent ones stay beside it, hidden,
until a greater write that saw them sweeps them away; dropping them on sight would make the outcome of a later reset
depend on who merged first.

    MVRegister  = CBOR [7, vector rows, cloud rows, [[[actor, counter], value], …]]
    LWWRegister = CBOR [6, vector rows, cloud rows, [[[actor, counter], [term, hlc, value]], …]]
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crdt.ops import Natural
from crdt.types.codec import Kind, Value, fit
from crdt.types.dots import Actor, ActorDot
from crdt.types.stores import Causal, DotFun


class Write(NamedTuple):
    """A value with the stamp that it was written under."""

    term: Natural
    hlc: Natural
    value: Value


@dataclass(frozen=True, slots=True)
class LWWRegister(Causal[DotFun[Write]]):
    """The last writer wins."""

    KIND = Kind.LWW_REGISTER

    store: DotFun[Write] = field(default_factory=DotFun)

    @property
    def newest(self) -> Write | None:
        """The winning write; None when nothing is written, or all that was has been reset."""
        found = max(self.store.values.items(), key=_order, default=None)
        return None if found is None else found[1]

    def write(self, actor: Actor, value: bytes, *, term: int, hlc: int) -> LWWRegister:
        """Delta: write `value` under (term, hlc). It shows when its stamp is the greatest."""
        write = Write(term, hlc, value)
        fit(write, Write)
        dot = self.context.next_dot(actor)
        swept = [other for other in self.store.values.items() if _order(other) < _order((dot, write))]
        return self._delta(DotFun({dot: write}), [dot, *(old for old, _ in swept)])

    def plain_store(self) -> list[Any]:
        return self.store.rows()

    @classmethod
    def parse_store(cls, plain: Any) -> DotFun[Write]:
        return DotFun.parse(plain, Write)


@dataclass(frozen=True, slots=True)
class MVRegister(Causal[DotFun[bytes]]):
    """Concurrent writes stand side by side until someone who saw them writes."""

    KIND = Kind.MV_REGISTER

    store: DotFun[bytes] = field(default_factory=DotFun)

    @property
    def values(self) -> list[bytes]:
        """What stands there, ascending; more than one value after concurrent writes, none before the first."""
        return sorted(dict.fromkeys(self.store.values.values()))

    def write(self, actor: Actor, value: bytes) -> MVRegister:
        """Delta: `value` in place of everything that is seen here."""
        fit(value, Value)
        dot = self.context.next_dot(actor)
        return self._delta(DotFun({dot: value}), [dot, *self.store.dots()])

    def plain_store(self) -> list[Any]:
        return self.store.rows()

    @classmethod
    def parse_store(cls, plain: Any) -> DotFun[bytes]:
        return DotFun.parse(plain, Value)


def _order(item: tuple[ActorDot, Write]) -> tuple[int, int, ActorDot]:
    dot, write = item
    return write.term, write.hlc, dot
