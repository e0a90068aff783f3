"""Quorums, by brute force over every way to weigh up to seven members and every pair of coalitions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import pytest

from consensus.quorum import (
    QuorumName,
    QuorumRule,
    QuorumSetting,
    clamped,
    reaches_majority,
    reaches_quorum,
    reaches_weak_quorum,
)
from wire.ids import SwarmId


def weighings(members: int, largest: int = 3) -> Iterator[tuple[int, ...]]:
    return combinations_with_replacement(range(1, largest + 1), members)


def coalitions(weights: tuple[int, ...]) -> list[int]:
    """The weight of every coalition, by its bitmap."""
    return [sum(w for at, w in enumerate(weights) if who >> at & 1) for who in range(1 << len(weights))]


@pytest.mark.parametrize("members", range(1, 8))
def test_two_quorums_share_a_third_and_two_majorities_a_member(members: int) -> None:
    for weights in weighings(members):
        total, weight_of = sum(weights), coalitions(weights)
        quorums = [who for who, weight in enumerate(weight_of) if reaches_quorum(weight, total)]
        majorities = [who for who, weight in enumerate(weight_of) if reaches_majority(weight, total)]
        assert all(3 * weight_of[one & other] > total for one in quorums for other in quorums), weights
        assert all(one & other for one in majorities for other in majorities), weights


@pytest.mark.parametrize("members", range(1, 8))
def test_a_weak_quorum_is_what_can_stop_a_quorum(members: int) -> None:
    for weights in weighings(members):
        total, weight_of = sum(weights), coalitions(weights)
        for weight in weight_of:
            assert reaches_weak_quorum(weight, total) == (not reaches_quorum(total - weight, total)), weights


@pytest.mark.parametrize("members", range(4, 8))
def test_clamped_weights_let_no_single_member_block(members: int) -> None:
    for weights in weighings(members, largest=6):
        before = {SwarmId(bytes([at] * 16)): weight for at, weight in enumerate(weights)}
        after = clamped(before)
        total = sum(after.values())
        assert all(reaches_quorum(total - weight, total) for weight in after.values()), (weights, after)
        assert all(1 <= after[swarm] <= before[swarm] for swarm in before)
        assert clamped(after) == after
        order = sorted(before, key=lambda swarm: before[swarm])
        assert [after[swarm] for swarm in order] == sorted(after.values())


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        pytest.param((9, 9, 9), (1, 1, 1), id="up to three members weigh one each"),
        pytest.param((2, 2, 2, 2), (2, 2, 2, 2), id="equal weights of four are within the cap"),
        pytest.param((1, 1, 1, 9), (1, 1, 1, 1), id="where no cap can hold, one each"),
        pytest.param((2, 2, 2, 9), (2, 2, 2, 2), id="the largest is cut to a third"),
        pytest.param((5, 5, 1, 1, 1), (2, 2, 1, 1, 1), id="two giants are cut together"),
        pytest.param((10**6, 10**6, 1, 1), (1, 1, 1, 1), id="claims of a million are cut at once"),
        pytest.param((10**6, 10**6, 10**6, 1), (10**6, 10**6, 10**6, 1), id="and stand where they are a third each"),
        pytest.param((3, 3, 3, 3, 100), (3, 3, 3, 3, 5), id="cut to the cap of what remains"),
    ],
)
def test_weights_are_clamped(weights: tuple[int, ...], expected: tuple[int, ...]) -> None:
    after = clamped({SwarmId(bytes([at] * 16)): weight for at, weight in enumerate(weights)})
    assert tuple(after.values()) == expected


@pytest.mark.parametrize(
    ("setting", "members", "name"),
    [
        pytest.param("auto", 0, "majority", id="nobody"),
        pytest.param("auto", 3, "majority", id="three"),
        pytest.param("auto", 4, "two-thirds", id="four"),
        pytest.param("byzantine", 3, "two-thirds", id="three, insisting"),
        pytest.param("byzantine", 4, "two-thirds", id="four, insisting"),
    ],
)
def test_the_rule_of_an_epoch(setting: str, members: int, name: str) -> None:
    rule = QuorumRule(QuorumSetting(setting), members)
    assert rule.name is QuorumName(name)
    for total in range(1, 40):
        assert rule.reached(rule.needed(total), total)
        assert not rule.reached(rule.needed(total) - 1, total)
