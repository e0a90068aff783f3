"""Time as values: instants for durations and timers, the hybrid logical clock for ordering writes.

`Instant` is monotonic (CLOCK_BOOTTIME) and means nothing on another machine. An `Hlc` stamp packs 48 bits of wall
milliseconds and a 16-bit counter into one integer, so that stamps compare as integers (Kulkarni et al., "Logical
Physical Clocks", 2014). Wall time only ever arrives as an argument.
"""

from __future__ import annotations

from typing import NewType

Instant = int  # microseconds since an arbitrary start, never going back
Hlc = NewType("Hlc", int)  # wall milliseconds << 16 | counter

MILLISECOND = 1_000
SECOND = 1_000_000

_COUNTER_BITS = 16
_COUNTER_MAX = (1 << _COUNTER_BITS) - 1
HLC_MAX = (1 << 64) - 1


def seconds(value: float) -> int:
    """`value` seconds as a whole number of microseconds."""
    return round(value * SECOND)


def hlc_of(wall_ms: int, counter: int = 0) -> Hlc:
    """The stamp of `wall_ms` with `counter`."""
    assert 0 <= counter <= _COUNTER_MAX, "HLC counter is 16 bits"
    return Hlc(wall_ms << _COUNTER_BITS | counter)


def hlc_wall_ms(stamp: int) -> int:
    """The wall-clock part of a stamp, in milliseconds since 1970."""
    return stamp >> _COUNTER_BITS


class HlcClock:
    """One author's clock: stamps strictly increase, whatever the wall clock does."""

    __slots__ = ("_last",)

    def __init__(self, last: int = 0) -> None:
        self._last = last

    @property
    def last(self) -> Hlc:
        return Hlc(self._last)

    def now(self, wall_ms: int) -> Hlc:
        """A new stamp, larger than every earlier one and not before `wall_ms`."""
        self._last = max(self._last + 1, hlc_of(wall_ms))
        return Hlc(self._last)

    def observe(self, stamp: int) -> None:
        """Later stamps follow `stamp`. The caller has refused stamps from the future."""
        self._last = max(self._last, stamp)
