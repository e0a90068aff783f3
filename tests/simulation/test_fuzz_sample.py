"""Random scenarios hold: a few seeds of each size always, many with the full counts."""

from __future__ import annotations

import pytest

from chaos.campaign import Plan, campaign, judge

SAMPLE = {3: range(1, 13), 5: range(101, 105), 7: range(201, 203)}
FULL = dict.fromkeys((3, 4, 5, 7, 10), range(1, 1_001))
GOVERNED_SAMPLE = {3: range(1, 5), 4: range(1, 5), 5: range(1, 3), 7: range(1, 2), 10: range(1, 2)}
GOVERNED = {3: range(1, 1_001), 4: range(1, 1_001), 5: range(1, 1_001), 7: range(1, 501), 10: range(1, 301)}


@pytest.mark.parametrize(
    ("swarms", "seed"), [(swarms, seed) for swarms, seeds in SAMPLE.items() for seed in seeds], ids=str
)
def test_a_seed_holds(swarms: int, seed: int) -> None:
    verdict = judge(Plan(swarms=swarms), seed)
    assert verdict.violation is None, f"zenmesh chaos run random --swarms {swarms} --seed {seed}"
    assert verdict.virtual >= 60_000_000


@pytest.mark.parametrize(
    ("swarms", "seed"), [(swarms, seed) for swarms, seeds in GOVERNED_SAMPLE.items() for seed in seeds], ids=str
)
def test_a_seed_in_which_the_queens_govern_holds(swarms: int, seed: int) -> None:
    verdict = judge(Plan(swarms=swarms, govern=True), seed)
    assert verdict.violation is None, f"zenmesh chaos fuzz --govern --swarms {swarms} --from {seed} --seeds 1"


@pytest.mark.soak
@pytest.mark.parametrize("swarms", FULL)
def test_every_seed_holds(swarms: int) -> None:
    all_hold(Plan(swarms=swarms), FULL[swarms])


@pytest.mark.soak
@pytest.mark.parametrize("swarms", GOVERNED)
def test_every_seed_in_which_the_queens_govern_holds(swarms: int) -> None:
    all_hold(Plan(swarms=swarms, govern=True), GOVERNED[swarms])


def all_hold(plan: Plan, seeds: range) -> None:
    verdicts = list(campaign(plan, seeds, jobs=2))
    assert [verdict for verdict in verdicts if verdict.violation is not None] == []
    assert len(verdicts) == len(seeds)
