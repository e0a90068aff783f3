"""Virtual time: one heap, ordered by time and then by number; randomness that is split by name, not by turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.scenario import Scenario
from chaos.world import World
from wire.rng import Rng


def world() -> World:
    return World(Scenario(seed=1, swarms=1))


@given(st.lists(st.integers(0, 20), max_size=30))
def test_what_is_due_at_one_time_happens_in_the_order_in_which_it_was_asked_for(times: list[int]) -> None:
    quiet, done = world(), []
    for number, time in enumerate(times):
        quiet.at(time, lambda time=time, number=number: done.append((quiet.now, time, number)))
    quiet.run(20)
    assert done == [(time, time, number) for time, number in sorted((t, n) for n, t in enumerate(times))]
    assert (quiet.now, quiet.events) == (20, len(times))


def test_what_happens_may_ask_for_more() -> None:
    quiet, done = world(), []

    def tick() -> None:
        done.append(quiet.now)
        quiet.later(30, tick)

    quiet.at(10, tick)
    quiet.run(100)
    assert done == [10, 40, 70, 100]
    assert quiet.now == 100


def test_the_past_is_now() -> None:
    quiet, done = world(), []
    quiet.run(50)
    quiet.at(50, lambda: done.append("first"))
    quiet.at(10, lambda: done.append("asked for the past"))
    quiet.run(50)
    assert done == ["first", "asked for the past"]
    assert quiet.now == 50


def test_nothing_happens_after_the_end() -> None:
    quiet, done = world(), []
    quiet.at(101, lambda: done.append(quiet.now))
    quiet.run(100)
    assert done == []
    quiet.run(101)
    assert done == [101]


@pytest.mark.parametrize(
    ("condition", "limit", "found", "end", "done"),
    [
        (lambda done: len(done) >= 2, 100, True, 20, [10, 20]),
        (lambda done: len(done) >= 9, 100, False, 100, [10, 20, 30]),
        (lambda done: len(done) >= 9, 25, False, 25, [10, 20]),
        (lambda done: True, 100, True, 0, []),
        (lambda done: len(done) >= 2, 20, True, 20, [10, 20]),
    ],
    ids=["it comes true", "nothing is left to happen", "it takes too long", "it holds already", "at the last moment"],
)
def test_time_goes_on_until_a_condition_holds(
    condition: Callable[[list[int]], bool], limit: int, found: bool, end: int, done: list[int]
) -> None:
    quiet, happened = world(), []
    for time in (10, 20, 30):
        quiet.at(time, lambda: happened.append(quiet.now))
    assert quiet.run_until(lambda: condition(happened), limit) is found
    assert (quiet.now, happened) == (end, done)


def test_a_number_is_given_once() -> None:
    quiet = world()
    numbers = []
    for _ in range(3):
        numbers.append(quiet.number())
        quiet.later(1, lambda: None)
    assert len(set(numbers)) == 3


def draws(rng: Rng) -> list[float]:
    return [rng.random() for _ in range(5)]


@given(st.integers(0, 20), st.text(max_size=5))
def test_one_consumer_more_disturbs_no_other(drawn: int, newcomer: str) -> None:
    """A stream depends on the seed and its name alone: on nobody who drew before, from the parent or beside."""
    calm, busy = Rng(7), Rng(7)
    beside = busy.split("x" + newcomer)
    for _ in range(drawn):
        busy.random()
        beside.random()
    assert draws(calm.split("links")) == draws(busy.split("links"))
    assert draws(calm.split("links").split("s1")) == draws(busy.split("links").split("s1"))


def test_streams_of_other_names_paths_or_seeds_are_others() -> None:
    streams = [
        Rng(7),
        Rng(8),
        Rng(7).split("a"),
        Rng(8).split("a"),
        Rng(7).split("b"),
        Rng(7).split("a").split("b"),
        Rng(7).split("ab"),
        Rng(7).split("b").split("a"),
    ]
    assert len({tuple(draws(stream)) for stream in streams}) == len(streams)
