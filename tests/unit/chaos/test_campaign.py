"""Fuzzing side by side: the same verdicts as one after another, nothing begun after a violation or an end in time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from chaos.campaign import Plan, Verdict, campaign, judge
from chaos.checkers import Violation

PLAN = Plan(swarms=2, faults_s=3)


def test_processes_come_to_the_same_verdicts() -> None:
    alone = list(campaign(PLAN, range(5), jobs=1))
    together = sorted(campaign(PLAN, range(5), jobs=2), key=lambda verdict: verdict.seed)
    assert [verdict.seed for verdict in alone] == [0, 1, 2, 3, 4]
    assert together == alone


@pytest.mark.parametrize("jobs", [1, 2])
def test_seeds_without_end_end_in_time(jobs: int) -> None:
    verdicts = list(campaign(PLAN, itertools.count(), jobs=jobs, enough=lambda: True))
    assert 1 <= len(verdicts) <= 4 * jobs
    assert sorted(verdict.seed for verdict in verdicts) == list(range(len(verdicts)))


def failing(plan: Plan, seed: int) -> Verdict:
    violation = Violation("made-up", 1, "", "seed 3 fails") if seed == 3 else None
    return Verdict(seed=seed, violation=violation, virtual=0, events=0, digest="")


def test_the_first_violation_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.campaign.judge", failing)

    def seeds() -> Iterator[int]:
        yield from range(4)
        raise AssertionError("a seed was begun after the violation")

    assert [verdict.seed for verdict in campaign(PLAN, seeds(), jobs=1)] == [0, 1, 2, 3]


def test_the_first_violation_lets_those_under_way_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.campaign.judge", failing)  # spawned processes find it in this module
    told = sorted(verdict.seed for verdict in campaign(PLAN, range(100), jobs=2))
    assert told == list(range(len(told)))
    assert 4 <= len(told) < 100


def test_a_verdict_is_that_of_the_seed() -> None:
    assert judge(PLAN, 7).seed == 7
    assert judge(PLAN, 7) == judge(PLAN, 7) != judge(PLAN, 8)
