"""When questions go out, how much one host may send, and whom we ask back."""

from __future__ import annotations

import itertools
import math

import pytest

from mesh.runtime.mdns import pace
from mesh.runtime.mdns.pace import QueryPace, SourceLimiter, Strangers
from wire.rng import Rng


def test_three_questions_at_once_then_ever_slower() -> None:
    asking = QueryPace(Rng(1), 100.0)
    assert 100.02 <= asking.next_at <= 100.12
    times = []
    for _ in range(9):
        times.append(asking.next_at)
        asking.asked(asking.next_at)
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == pytest.approx([1, 2, 10, 20, 40, 60, 60, 60], rel=0.1)
    asking.restart(1_000.0)
    assert asking.next_at <= 1_000.12


def test_a_sender_has_a_rate_and_a_burst() -> None:
    limiter = SourceLimiter(rate_per_s=10, burst=5, max_sources=8)
    assert [limiter.allow("a", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert limiter.allow("b", 0.0)
    assert [limiter.allow("a", 0.2) for _ in range(3)] == [True, True, False]


def test_only_so_many_senders_are_remembered() -> None:
    limiter = SourceLimiter(rate_per_s=0, burst=1, max_sources=2)
    assert [limiter.allow(source, 0.0) for source in "abab"] == [True, True, False, False]
    assert limiter.allow("c", 0.0)
    assert limiter.allow("a", 0.0)
    assert not limiter.allow("c", 0.0)


def test_a_stranger_is_asked_back_once_a_minute() -> None:
    strangers = Strangers()
    assert strangers.next_at() == math.inf
    strangers.asked_by("a", 0.0)
    assert strangers.due(0.5) == []
    assert strangers.next_at() == pace.ASK_BACK_S
    assert strangers.due(pace.ASK_BACK_S) == ["a"]
    strangers.asked_by("a", 10.0)
    assert strangers.due(20.0) == []
    strangers.asked_by("a", 60.0)
    assert strangers.due(61.0) == ["a"]


def test_strangers_are_bounded() -> None:
    strangers = Strangers()
    for number in range(1_000):
        strangers.asked_by(str(number), 0.0)
    assert len(strangers.due(10.0)) == pace.MAX_STRANGERS
