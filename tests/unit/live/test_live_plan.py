"""Plans of live runs: the sizes of the sides, what the seed decides, and wishes that cannot be."""

from __future__ import annotations

import pytest

from bootstrap.live import grounds
from bootstrap.live.grounds import LanGround, LoopbackGround, make_ground
from bootstrap.live.plans import WORSE, Plan, Trouble
from bootstrap.live.stories import STORIES, make_plan
from bootstrap.live.writers import Pace
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
    assert {fault.swarms for faults in plans for fault in faults} == {(0,), (1,), (2,)}
    assert all(30 <= sum(fault.quiet_s + fault.for_s for fault in faults) < 41 for faults in plans)


@pytest.mark.parametrize("seed", range(5))
def test_all_ways_are_bad_in_every_manner_for_the_time(seed: int) -> None:
    faults = make_plan("degraded", seed=seed, swarms=3, seconds=30.0).faults
    assert sorted(fault.trouble for fault in faults) == sorted(WORSE)
    assert {(fault.swarms, fault.for_s) for fault in faults} == {((0, 1, 2), 10.0)}


@pytest.mark.parametrize(("swarms", "sizes"), [(4, [2, 2]), (5, [2, 3]), (6, [2, 2, 2]), (16, [5, 5, 6])])
def test_swarms_are_spread_over_lans_and_one_of_them_is_cut_off(swarms: int, sizes: list[int]) -> None:
    made = [plan("lans", seed=seed, swarms=swarms) for seed in range(20)]
    for one in made:
        assert sorted(map(len, one.lans)) == sizes
        assert sorted(number for lan in one.lans for number in lan) == list(range(swarms))
        assert one.sides[1] in one.lans
        assert sorted(one.sides[0] + one.sides[1]) == list(range(swarms))
    assert {number for one in made for number in one.sides[1]} == set(range(swarms))


def test_other_stories_have_one_lan() -> None:
    assert [name for name in STORIES if plan(name).lans] == ["lans"]


def test_a_fault_in_words() -> None:
    faults = plan("degraded", swarms=3).faults + plan("random", swarms=3).faults
    told = [plan(swarms=3).told(fault) for fault in faults]
    assert told[0].startswith("everyone is ")
    assert told[-1].startswith("s")
    assert all(text.endswith(" s") for text in told)


def test_a_ground_says_what_it_cannot_do() -> None:
    lacking = {trouble for trouble, way in WORSE.items() if LanGround.lacks(LanGround.__new__(LanGround), way)}
    assert lacking == {Trouble.FAR}
    assert not any(LoopbackGround.lacks(LoopbackGround.__new__(LoopbackGround), way) for way in WORSE.values())


def test_several_lans_are_not_to_be_had_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--no-root"):
        make_ground(4, root=False, lans=((0, 1), (2, 3)))
    monkeypatch.setattr(grounds, "missing", lambda: "the command 'nft' is not installed")
    with pytest.raises(UsageError, match="nft"):
        make_ground(4, root=None, lans=((0, 1), (2, 3)))


def test_what_is_late_does_not_put_off_what_follows() -> None:
    pace = Pace(0.5, begin=10.0)
    assert [pace.next(now) for now in (10.0, 10.75, 11.75, 11.75, 12.0)] == [0.5, 0.25, 0.0, 0.25, 0.5]


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
        ("lans", 3, "4 to 16"),
    ],
)
def test_a_wish_that_cannot_be(name: str, swarms: int | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan(name, swarms=swarms)


@pytest.mark.parametrize("arguments", [("tsunami",), ("partition", "--swarms", "99"), ("partition", "--for", "soon")])
def test_a_wrong_command_line_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert command("chaos", "live", *arguments).code == 2
