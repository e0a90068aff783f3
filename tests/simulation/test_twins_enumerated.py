"""Twins enumerated: four queens, one of them doubled, and all that may happen to them; no mutant hides there.

How much there is to see is in `tests.support.explored`, which the documents show, too.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from chaos.canaries import CANARIES
from chaos.twins import QUEENS, Found, Grain, Plan, explore
from chaos.twins.council import PROCESSES, Council
from chaos.twins.minds import Minds, Submit, Tick
from chaos.twins.ways import CUTS, OPEN, WAYS, Way, spelled
from tests.support.explored import FULL, SAMPLE

_ALL = (1 << PROCESSES) - 1
ALONE: Way = tuple(_ALL if process == 2 else 0 for process in range(PROCESSES))  # queen 2 alone hears anyone
APART: Way = tuple(1 << 2 if process == 2 else _ALL - (1 << 2) for process in range(PROCESSES))


def all_of(views: int, grain: Grain, late: bool) -> list[tuple[int, int]]:
    """Nothing breaks; how much that was, queen by queen."""
    found = [explore(Plan(views=views, grain=grain, late=late, doubled=queen)) for queen in range(QUEENS)]
    assert [(one.violation, one.path) for one in found] == [(None, ())] * QUEENS
    return [(one.schedules, one.states) for one in found]


@pytest.mark.parametrize(("views", "grain", "late"), SAMPLE)
def test_nothing_breaks_in_a_view(views: int, grain: Grain, late: bool) -> None:
    assert all_of(views, grain, late) == SAMPLE[views, grain, late]


@pytest.mark.soak
@pytest.mark.parametrize(("views", "grain", "late"), FULL)
def test_nothing_breaks_in_all_that_can_happen(views: int, grain: Grain, late: bool) -> None:
    assert all_of(views, grain, late) == FULL[views, grain, late]


def test_there_is_no_other_way() -> None:
    """Sixteen cuts in two, and thirty-two kinds of deafness, of which one is neither."""
    assert (len(CUTS), len(WAYS), len(set(WAYS))) == (16, 47, 47)
    assert all(way[process] >> process & 1 for way in CUTS for process in range(PROCESSES))
    assert spelled(APART) == "0<0134 1<0134 2<2 3<0134 4<0134"


def hunted(name: str, **plan: object) -> Found:
    whole = Plan(**{"views": 1, "grain": Grain.VIEW, "doubled": 0, **plan})  # type: ignore[arg-type]
    return explore(whole, CANARIES[name].rules)


def test_a_quorum_of_two_is_found_at_once() -> None:
    found = hunted("quorum-less-one")
    assert str(found.violation) == "certified: queen 1 believes PREPARE at height 8 on 2 of 4, and 3 decide"


def test_a_vote_that_is_bound_by_no_lock_splits_the_council() -> None:
    """Queen 2 alone sees the decision of the first view; the next leader proposes another block, and none objects."""
    plan = {"views": 2, "grain": Grain.PHASE, "among": (OPEN, APART, ALONE)}
    found = hunted("new-view-ignores-prepared", **plan)
    assert str(found.violation) == "agreement: two honest queens decide two blocks at one height"
    assert found.path == tuple(map(spelled, (OPEN, ALONE, APART, OPEN)))
    assert explore(Plan(doubled=0, **plan)).violation is None  # type: ignore[arg-type]


def test_equal_states_are_one_and_others_are_not() -> None:
    minds = Minds(Council(0))
    begun = minds.begin(1)
    assert begun == minds.begin(1) != minds.begin(2)
    wish, tick = minds.content(Submit(minds.council.wish(1))), minds.content(Tick())
    assert (wish, tick) == (minds.content(Submit(minds.council.wish(1))), minds.content(Tick()))
    asked, _ = minds.react(begun, ((1, wish),), 0)
    assert asked != begun
    ticked, _ = minds.react(begun, ((1, tick),), 0)
    assert minds.react(ticked, ((1, tick),), 0) == (ticked, ())
    assert minds.react(begun, ((1, wish),), 0)[0] == asked
    assert minds.reactions == 3


def test_it_is_the_same_whatever_hashes_are() -> None:
    code = (
        "from chaos.twins import *; f = explore(Plan(views=1, grain=Grain.VIEW, doubled=2)); print(f.states, f.minds)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True
    )
    mine = explore(Plan(views=1, grain=Grain.VIEW, doubled=2))
    assert ran.stdout.split() == [str(mine.states), str(mine.minds)], ran.stderr
