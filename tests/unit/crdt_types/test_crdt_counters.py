"""Counters: sums, their bounds, and what a reset takes away."""

from __future__ import annotations

from typing import Any

import pytest

from crdt.types.counters import GCounter, ORCounter, PNCounter
from crdt.types.dots import MAX_COUNTER, Actor
from tests.support.crdt_pair import ALICE, BOB, outcome, told
from wire.errors import UsageError

VERBS = {
    "+": lambda value, actor, amount: value.add(actor, int(amount)),
    "-": lambda value, actor, amount: value.add(actor, -int(amount)),
    "!": lambda value, actor, _: value.reset(),
}

STORIES = [
    pytest.param(GCounter, "", 0, id="grow-only: starts at zero"),
    pytest.param(GCounter, "a+2 a+3", 5, id="grow-only: an actor's additions add up"),
    pytest.param(GCounter, "a+2 b+3", 5, id="grow-only: concurrent additions add up"),
    pytest.param(GCounter, "a+2 = a+1 b+1 =", 4, id="grow-only: meeting twice counts once"),
    pytest.param(PNCounter, "a+2 b-5", -3, id="up and down: goes below zero"),
    pytest.param(PNCounter, "a+2 = a-2 b-2", -2, id="up and down: both take what is there once"),
    pytest.param(ORCounter, "a+2 b-5", -3, id="resettable: goes up and down"),
    pytest.param(ORCounter, "a+2 b+3 = a!", 0, id="resettable: a reset takes what it observed, of everyone"),
    pytest.param(ORCounter, "a+2 = a+3 b!", 3, id="resettable: a concurrent addition survives, alone"),
    pytest.param(ORCounter, "a+2 = a! b!", 0, id="resettable: two resets take it once"),
    pytest.param(ORCounter, "a+2 = b! = a+1", 1, id="resettable: it counts on from zero"),
    pytest.param(ORCounter, "a+2 b!", 2, id="resettable: what was not observed is not reset"),
]


@pytest.mark.parametrize(("type_", "story", "value"), STORIES)
def test_what_a_counter_shows(type_: type[Any], story: str, value: int) -> None:
    assert outcome(type_(), told(story, VERBS)).value == value


REFUSED = [
    pytest.param(lambda: GCounter().add(ALICE, 0), id="grow-only: nothing"),
    pytest.param(lambda: GCounter().add(ALICE, 5).add(ALICE, 0), id="grow-only: nothing more"),
    pytest.param(lambda: GCounter().add(ALICE, 5).add(ALICE, -1), id="grow-only: less"),
    pytest.param(lambda: GCounter().add(ALICE, MAX_COUNTER).add(ALICE, 1), id="grow-only: a total over 63 bits"),
    pytest.param(lambda: GCounter().add(Actor(b""), 1), id="grow-only: an actor without a name"),
    pytest.param(lambda: PNCounter().add(ALICE, 0), id="up and down: nothing"),
    pytest.param(lambda: PNCounter().add(ALICE, -MAX_COUNTER).add(ALICE, -1), id="up and down: a total over 63 bits"),
    pytest.param(lambda: ORCounter().add(ALICE, 1 << 63), id="resettable: over 64 bits"),
    pytest.param(lambda: ORCounter().add(Actor(b"a" * 65), 1), id="resettable: an actor with too long a name"),
]


@pytest.mark.parametrize("act", REFUSED)
def test_what_a_counter_refuses(act: Any) -> None:
    with pytest.raises(UsageError):
        act()


def test_the_delta_of_a_sum_carries_the_actors_total_alone() -> None:
    shared = GCounter().add(BOB, 7).join(GCounter().add(ALICE, 2))
    assert shared.add(ALICE, 3) == GCounter().add(ALICE, 5)
