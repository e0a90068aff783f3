"""Stamps of the hybrid logical clock: how they are packed, and how one author's advance."""

from __future__ import annotations

import pytest

from wire.time import HLC_MAX, SECOND, HlcClock, hlc_of, hlc_wall_ms, seconds

WALL = 1_800_000_000_000  # ms since 1970


@pytest.mark.parametrize(
    ("value", "microseconds"),
    [(0, 0), (1, SECOND), (0.1, 100_000), (0.3, 300_000), (1e-6, 1), (-2.5, -2_500_000)],
)
def test_seconds_are_whole_microseconds(value: float, microseconds: int) -> None:
    assert seconds(value) == microseconds


@pytest.mark.parametrize(
    ("wall_ms", "counter", "stamp"),
    [
        pytest.param(0, 0, 0, id="the first"),
        pytest.param(0, 0xFFFF, 0xFFFF, id="the last of a millisecond"),
        pytest.param(1, 0, 0x10000, id="the next millisecond"),
        pytest.param(WALL, 7, WALL << 16 | 7, id="now"),
        pytest.param((1 << 48) - 1, 0xFFFF, HLC_MAX, id="the last of all"),
    ],
)
def test_a_stamp_is_wall_time_and_counter(wall_ms: int, counter: int, stamp: int) -> None:
    assert hlc_of(wall_ms, counter) == stamp
    assert hlc_wall_ms(stamp) == wall_ms


@pytest.mark.parametrize("counter", [-1, 0x10000])
def test_a_counter_has_16_bits(counter: int) -> None:
    with pytest.raises(AssertionError):
        hlc_of(WALL, counter)


CLOCKS = {
    "at rest: the wall clock": ([], WALL, hlc_of(WALL)),
    "a second stamp in one millisecond": ([hlc_of(WALL)], WALL, hlc_of(WALL, 1)),
    "after a full counter: the next millisecond": ([hlc_of(WALL, 0xFFFF)], WALL, hlc_of(WALL + 1)),
    "a wall clock set back": ([hlc_of(WALL + 5, 3)], WALL, hlc_of(WALL + 5, 4)),
    "a wall clock ahead": ([hlc_of(WALL, 9)], WALL + 1, hlc_of(WALL + 1)),
    "an older stamp was seen": ([hlc_of(WALL, 9), hlc_of(WALL, 2)], WALL, hlc_of(WALL, 10)),
}


@pytest.mark.parametrize(("seen", "wall_ms", "stamp"), CLOCKS.values(), ids=CLOCKS)
def test_the_next_stamp(seen: list[int], wall_ms: int, stamp: int) -> None:
    clock = HlcClock()
    for one in seen:
        clock.observe(one)
    assert clock.last == max(seen, default=0)
    assert clock.now(wall_ms) == stamp == clock.last


def test_a_clock_goes_on_where_it_was() -> None:
    assert HlcClock(hlc_of(WALL, 4)).now(0) == hlc_of(WALL, 5)
