"""Plans of live runs: the sizes of the sides, what the seed decides, and wishes that cannot be."""

from __future__ import annotations

import pytest

from bootstrap.live.stories import STORIES, Plan, Trouble, make_plan
from tests.support.commands import command
from wire.errors import UsageError


def plan(name: str = "partition", seed: int = 1, swarms: int | None = None) -> Plan:
    return make_plan(name, seed=seed, swarms=swarms, seconds=1.0)


@pytest.mark.parametrize(("swarms", "sizes"), [(2, (1, 1)), (3, (2, 1)), (4, (3, 1)), (5, (3, 2)), (7, (5, 2))])
def test_everyone_is_on_one_side_and_the_minority_is_small(swarms: int, sizes: tuple[int, int]) -> None:
    sides = plan(swarms=swarms).sides
    assert tuple(map(len, sides)) == sizes
    assert sorted(sides[0] + sides[1]) == list(range(swarms))


def test_the_seed_decides_who_is_cut_off() -> None:
    assert plan(seed=5) == plan(seed=5)
    assert {number for seed in range(50) for number in plan(seed=seed).sides[1]} == set(range(7))


def test_the_seed_decides_who_lies() -> None:
    assert {plan("byzantine", seed=seed).liar for seed in range(50)} == set(range(4))


def test_the_seed_decides_all_faults_and_they_fill_the_time() -> None:
    plans = [make_plan("random", seed=seed, swarms=3, seconds=30.0).faults for seed in range(20)]
    assert plans == [make_plan("random", seed=seed, swarms=3, seconds=30.0).faults for seed in range(20)]
    assert len(set(plans)) == len(plans)
    assert {fault.trouble for faults in plans for fault in faults} == set(Trouble)
    assert {fault.swarm for faults in plans for fault in faults} == set(range(3))
    assert all(30 <= sum(fault.quiet_s + fault.for_s for fault in faults) < 41 for faults in plans)


def test_a_story_has_a_number_of_swarms_of_its_own() -> None:
    assert {name: len(plan(name).names) for name in STORIES} == {
        name: story.swarms for name, story in STORIES.items()
    }


@pytest.mark.parametrize(
    ("name", "swarms", "told"),
    [
        ("tsunami", None, ", ".join(STORIES)),
        ("partition", 1, "2 to 16"),
        ("partition", 17, "2 to 16"),
        ("byzantine", 2, "3 to 16"),
    ],
)
def test_a_wish_that_cannot_be(name: str, swarms: int | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan(name, swarms=swarms)


@pytest.mark.parametrize("arguments", [("tsunami",), ("partition", "--swarms", "99"), ("partition", "--for", "soon")])
def test_a_wrong_command_line_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert command("chaos", "live", *arguments).code == 2
