"""Minimizing: delta debugging by its law, and what it does to scenarios, on failures that are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.actions import AnyAction, Crash, Cut, Hangup, Silence, Start, Twin, Write
from chaos.checkers import Violation
from chaos.minimize import Minimizer, ddmin, without
from chaos.runner import Report
from chaos.scenario import Scenario
from chaos.trace import Trace

needles = st.sets(st.integers(0, 40))


# ddmin


@given(st.integers(0, 41), needles)
def test_what_all_of_a_set_is_needed_for_is_found_exactly(count: int, needed: set[int]) -> None:
    needed &= set(range(count))
    assert ddmin(range(count), lambda items: needed <= set(items)) == sorted(needed)


@given(st.lists(st.integers(0, 9), max_size=24), st.lists(st.sets(st.integers(0, 9), max_size=4), min_size=1))
def test_what_is_left_is_one_minimal(items: list[int], causes: list[set[int]]) -> None:
    """Several causes, also such as exclude each other: whatever is left, nothing of it can be spared."""

    def fails(part: Sequence[int]) -> bool:
        return list(part) == items or any(cause <= set(part) for cause in causes)

    left = ddmin(items, fails)
    assert fails(left)
    assert not any(fails(left[:place] + left[place + 1 :]) for place in range(len(left)))


def test_the_order_stays() -> None:
    assert ddmin("shrinking", lambda items: {"r", "g", "s"} <= set(items)) == ["s", "r", "g"]


def test_a_needle_costs_about_the_logarithm() -> None:
    asked: list[int] = []
    assert ddmin(range(1_024), lambda items: not asked.append(len(items)) and 700 in items) == [700]
    assert len(asked) < 60


# the search


def world_in_which(breaks: Callable[[Scenario], str]) -> Callable[[Scenario], Report]:
    """Runs a scenario by asking which checker it would fail, and when a core of all is healed."""

    def execute(scenario: Scenario) -> Report:
        checker = breaks(scenario)
        return Report(
            scenario=scenario,
            violation=Violation(checker, 9_000_000, "s1", "made up") if checker else None,
            virtual=0,
            events=0,
            digest=f"of {len(scenario.actions)}",
            trace=Trace(),
            settled=None,
            core=tuple(f"s{number}" for number in range(1, scenario.swarms + 1)),
        )

    return execute


NOISE = tuple(Write(at_ms=at, host=f"s{1 + at % 4}", key="k") for at in range(0, 50_000, 700))
CUT = Cut(at_ms=40_000, sources=("s2", "s4"), targets=("s1", "s3"), for_ms=100)
CRASH = Crash(at_ms=41_000, host="s4")
WHOLE = Scenario(seed=1, swarms=4, actions=tuple(sorted((*NOISE, CUT, CRASH), key=lambda action: action.at_ms)))


def minimized(scenario: Scenario, breaks: Callable[[Scenario], str]) -> Minimizer:
    search = Minimizer(scenario, execute=world_in_which(breaks))
    assert search.search()
    return search


def kinds(scenario: Scenario) -> list[type]:
    return [type(action) for action in scenario.actions]


def test_a_scenario_shrinks_to_what_it_takes() -> None:
    """A crash of somebody on the first side of a cut, a second after it."""

    def breaks(scenario: Scenario) -> str:
        cuts = [action for action in scenario.actions if isinstance(action, Cut)]
        crashes = [action for action in scenario.actions if isinstance(action, Crash)]
        return "split" if any(crash.host in cut.sources for cut in cuts for crash in crashes) else ""

    found = minimized(WHOLE, breaks)
    assert kinds(found.best) == [Cut, Crash]
    cut, crash = found.best.actions
    assert isinstance(cut, Cut)
    assert isinstance(crash, Crash)
    assert (found.best.swarms, cut.sources, cut.targets, crash.host) == (2, ("s2",), ("s1",), "s2")
    assert (cut.at_ms, crash.at_ms, found.best.faults_s) == (0, 1_000, 2)
    assert found.best.digest == "of 2"
    assert found.violation is not None


def test_another_failure_is_not_followed() -> None:
    """Without the noise something else breaks: that is none of ours."""
    found = minimized(WHOLE, lambda scenario: "wanted" if len(scenario.actions) > 30 else "other")
    assert len(found.best.actions) == 31


def test_the_core_of_the_failing_run_is_kept() -> None:
    found = minimized(WHOLE, lambda scenario: "wanted" if scenario.swarms == 4 else "")
    assert found.best.core == ("s1", "s2", "s3", "s4")
    assert found.best.actions == ()


def test_a_scenario_that_holds_is_left_alone() -> None:
    search = Minimizer(WHOLE, execute=world_in_which(lambda scenario: ""))
    assert not search.search()
    assert search.best is WHOLE


def test_no_scenario_is_run_twice() -> None:
    seen: list[Scenario] = []
    execute = world_in_which(lambda scenario: "wanted" if CRASH.host in str(scenario.actions) else "")
    search = Minimizer(WHOLE, execute=lambda scenario: seen.append(scenario) or execute(scenario))  # type: ignore[func-returns-value]
    assert search.search()
    assert search.runs == len(seen) == len(set(seen))


# taking a swarm away

MOVES: dict[str, tuple[AnyAction, AnyAction | None]] = {
    "who is gone does nothing": (Start(at_ms=1, host="s2"), None),
    "nor does its twin": (Start(at_ms=1, host="s2'"), None),
    "nor is it hung up on": (Hangup(at_ms=1, host="s1", other="s2"), None),
    "who stands before stays": (Twin(at_ms=1, host="s1"), Twin(at_ms=1, host="s1")),
    "who stands behind moves up": (Write(at_ms=1, host="s3", key="k"), Write(at_ms=1, host="s2", key="k")),
    "with its twin": (Start(at_ms=1, host="s11'"), Start(at_ms=1, host="s10'")),
    "a group goes on without it": (
        Cut(at_ms=1, sources=("s1", "s2"), targets=("s3",), for_ms=5),
        Cut(at_ms=1, sources=("s1",), targets=("s2",), for_ms=5),
    ),
    "an empty group is no action": (Silence(at_ms=1, host="s1", towards=("s2",), for_ms=5), None),
}


@pytest.mark.parametrize("name", MOVES)
def test_without_the_second_swarm(name: str) -> None:
    before, after = MOVES[name]
    changes = without(Scenario(seed=1, swarms=12, actions=(before,)), 2)
    assert changes["actions"] == (() if after is None else (after,))
    assert changes["swarms"] == 11


@pytest.mark.parametrize(
    ("core", "left"),
    [(None, None), (("s1", "s3", "s5"), ("s1", "s2", "s4")), (("s1", "s2", "s4"), None)],
    ids=["none", "a majority stays one", "who is no majority any more is drawn anew"],
)
def test_the_core_without_the_second_swarm(core: tuple[str, ...] | None, left: tuple[str, ...] | None) -> None:
    assert without(Scenario(seed=1, swarms=5, core=core), 2)["core"] == left
