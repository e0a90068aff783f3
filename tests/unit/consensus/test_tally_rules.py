"""The tally: what ballots decide, and that it is final."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.governance.proposals import Choice, Subject, choice_named
from consensus.governance.tally import Status, Tally, count, judge
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.validators import Validator, ValidatorSet
from tests.support.realm import queen, swarm
from wire.errors import UsageError
from wire.ids import SwarmId

YES, NO, ABSTAIN = Choice.APPROVE, Choice.REJECT, Choice.ABSTAIN
NAMES = sorted(("a", "b", "c", "d", "e", "f", "g"), key=swarm)
POLICY, LENDING, PRIORITY = Subject.FEDERATION_POLICY, Subject.RESOURCE_ALLOCATION, Subject.PRIORITY_CHANGE


def voters(*weights: int, silent: int = 0) -> ValidatorSet:
    validators = tuple(
        Validator(swarm=swarm(name), term=1, key=queen(name).public, weight=weight)
        for name, weight in zip(NAMES, weights, strict=False)
    )
    rule = QuorumRule(QuorumSetting.AUTO, len(weights))
    return ValidatorSet(epoch=1, validators=validators, rule=rule, silent=silent)


def ballots(*choices: Choice | None) -> dict[SwarmId, Choice]:
    return {swarm(name): choice for name, choice in zip(NAMES, choices, strict=False) if choice is not None}


@pytest.mark.parametrize(("text", "choice"), [("approve", YES), ("Reject", NO), ("ABSTAIN", ABSTAIN)])
def test_a_choice_has_a_name_however_it_is_written(text: str, choice: Choice) -> None:
    assert choice_named(text) is choice


def test_what_is_no_choice_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="'maybe' is no choice: approve, reject or abstain"):
        choice_named("maybe")


EQUAL = voters(1, 1, 1, 1)
SIX = voters(1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("who", "choices", "half", "quorum"),
    [
        pytest.param(EQUAL, (), "OPEN", "OPEN", id="nobody has voted"),
        pytest.param(EQUAL, (YES, YES), "OPEN", "OPEN", id="half is not more than half"),
        pytest.param(EQUAL, (YES, YES, YES), "APPROVED", "APPROVED", id="three of four"),
        pytest.param(EQUAL, (NO,), "OPEN", "OPEN", id="three are left"),
        pytest.param(EQUAL, (NO, NO), "REJECTED", "REJECTED", id="two are left"),
        pytest.param(EQUAL, (ABSTAIN, ABSTAIN), "REJECTED", "REJECTED", id="who abstains uses its weight up"),
        pytest.param(SIX, (YES,) * 4, "APPROVED", "OPEN", id="two thirds are not more than two thirds"),
        pytest.param(SIX, (YES,) * 5, "APPROVED", "APPROVED", id="five of six"),
        pytest.param(SIX, (NO, NO), "OPEN", "REJECTED", id="four are left of six"),
        pytest.param(SIX, (NO, NO, ABSTAIN), "REJECTED", "REJECTED", id="three are left of six"),
        pytest.param(SIX, (YES, YES, YES, YES, NO, NO), "APPROVED", "REJECTED", id="four against two"),
        pytest.param(voters(1, 1, 1), (YES, YES), "APPROVED", "APPROVED", id="two of three"),
        pytest.param(voters(1, 1), (YES,), "OPEN", "OPEN", id="one of two"),
        pytest.param(voters(1, 1), (NO,), "REJECTED", "REJECTED", id="one of two says no"),
        pytest.param(voters(4, 1, 1, 1), (YES,), "APPROVED", "OPEN", id="weight counts, not heads"),
        pytest.param(voters(1, 1, 1, silent=1), (YES, YES), "OPEN", "OPEN", id="who is suspended counts"),
        pytest.param(voters(1, 1, 1, silent=1), (YES, YES, NO), "OPEN", "OPEN", id="and may come back to vote"),
    ],
)
def test_what_ballots_decide(who: ValidatorSet, choices: tuple[Choice, ...], half: str, quorum: str) -> None:
    tally = count(ballots(*choices), who)
    assert judge(tally, LENDING, who) is judge(tally, PRIORITY, who) is Status(half)
    assert judge(tally, POLICY, who) is Status(quorum)


def test_weights_are_counted_by_choice() -> None:
    who = voters(5, 3, 2, 1, silent=4)
    tally = count({**ballots(YES, NO, ABSTAIN), swarm("a stranger"): YES}, who)
    assert tally == Tally(approve=5, reject=3, abstain=2, total=15)
    assert tally.outstanding == 5


@pytest.mark.parametrize("place", range(4))
def test_who_is_to_be_expelled_neither_votes_nor_counts(place: int) -> None:
    who = voters(4, 3, 2, 1)
    target = who.validators[place]
    tally = count(ballots(YES, YES, YES, YES), who, target.swarm)
    assert tally.approve == tally.total == 10 - target.weight
    assert count(ballots(NO), who, who.validators[0].swarm) == Tally(approve=0, reject=0, abstain=0, total=6)


weightings = st.lists(st.integers(1, 9), min_size=1, max_size=7)


@given(weightings, st.data(), st.sampled_from(Subject))
def test_what_is_decided_is_final_whoever_votes_after(
    weights: list[int], data: st.DataObject, subject: Subject
) -> None:
    who = voters(*weights)
    some = data.draw(st.lists(st.sampled_from([None, *Choice]), min_size=len(weights), max_size=len(weights)))
    before = judge(count(ballots(*some), who), subject, who)
    rest = [name for name, choice in zip(NAMES, some, strict=False) if choice is None]
    for later in product(Choice, repeat=min(len(rest), 3)):
        votes = ballots(*some) | {swarm(name): choice for name, choice in zip(rest, later, strict=False)}
        assert before in (Status.OPEN, judge(count(votes, who), subject, who))


@given(weightings, st.data(), st.sampled_from(Subject))
def test_when_all_have_voted_it_is_decided(weights: list[int], data: st.DataObject, subject: Subject) -> None:
    who = voters(*weights)
    choices = data.draw(st.lists(st.sampled_from(Choice), min_size=len(weights), max_size=len(weights)))
    assert judge(count(ballots(*choices), who), subject, who) in (Status.APPROVED, Status.REJECTED)


@given(weightings, st.data())
def test_what_the_queens_decide_on_their_policy_more_than_half_want(weights: list[int], data: st.DataObject) -> None:
    who = voters(*weights)
    choices = data.draw(st.lists(st.sampled_from([None, *Choice]), min_size=len(weights), max_size=len(weights)))
    tally = count(ballots(*choices), who)
    if judge(tally, POLICY, who) is Status.APPROVED:
        assert judge(tally, LENDING, who) is Status.APPROVED
        assert 2 * tally.approve > tally.total
