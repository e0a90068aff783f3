"""Ways as arithmetic: when each segment comes out of one that is far, narrow or lossy; no time passes."""

from __future__ import annotations

from random import Random

import pytest

from bootstrap.live.ways import CLEAR, CUT, RETRANSMIT_S, SEGMENT, Line, Network, Way, segments

BAD = Way(loss=0.1)


class Dice(Random):
    """Falls as told: below the loss for each segment that is lost; jitter is none."""

    def __init__(self, *falls: float) -> None:
        super().__init__()
        self._falls = list(falls)

    def random(self) -> float:
        return self._falls.pop(0) if self._falls else 1.0


def test_a_clear_way_takes_no_time() -> None:
    assert Line(Dice()).due(10_000, 5.0, CLEAR) == 5.0


def test_a_far_way_delays_all_alike_however_close_they_come() -> None:
    line = Line(Dice())
    assert [line.due(1, at, Way(delay_ms=300)) for at in (1.0, 1.0, 1.25)] == [1.3, 1.3, 1.55]


def test_a_narrow_way_takes_one_after_another() -> None:
    line = Line(Dice())
    assert [line.due(500, at, Way(bytes_per_s=1_000)) for at in (0.0, 0.0, 5.0)] == [0.5, 1.0, 5.5]


@pytest.mark.parametrize(("lost", "stall"), [(1, RETRANSMIT_S), (2, 3 * RETRANSMIT_S), (3, 7 * RETRANSMIT_S)])
def test_what_is_lost_comes_later_and_what_is_behind_it_waits(lost: int, stall: float) -> None:
    line = Line(Dice(*[0.0] * lost))
    assert line.due(1, 1.0, BAD) == pytest.approx(1.0 + stall)
    assert line.due(1, 1.1, BAD) == pytest.approx(1.0 + stall)
    assert line.due(1, 9.0, BAD) == 9.0


def test_what_is_lost_too_often_is_the_end() -> None:
    assert Line(Dice()).due(1, 1.0, Way(loss=1.1)) is None


def test_order_is_kept_whatever_the_conditions_are() -> None:
    line, random = Line(Random(1)), Random(2)
    ways = [Way(delay_ms=50, jitter_ms=200, bytes_per_s=20_000, loss=0.2), Way(jitter_ms=100), CLEAR]
    dues = [line.due(random.randrange(SEGMENT), at / 100, random.choice(ways)) for at in range(300)]
    came = [due for due in dues if due is not None]
    assert came == sorted(came)
    assert all(due is None or due >= at / 100 for at, due in enumerate(dues))


def test_bytes_are_cut_into_segments_where_the_way_is_not_clear() -> None:
    data = bytes(range(256)) * 20
    assert segments(data, CLEAR) == [data]
    parts = segments(data, BAD)
    assert b"".join(parts) == data
    assert max(map(len, parts)) == SEGMENT
    assert segments(b"", BAD) == [b""], "the end goes over the way too"


def test_a_network_says_what_each_way_is_like() -> None:
    network = Network(sides=(frozenset({0, 1}), frozenset({2})), worse=frozenset({1}), way=BAD)
    assert network.between(0, 2) == network.between(2, 1) == CUT
    assert network.between(0, 1) == network.between(1, 3) == BAD
    assert network.between(0, 3) == network.between(3, 2) == CLEAR
