"""The rules of nftables that cut ways and make them worse, as text; that they work is tested on namespaces."""

from __future__ import annotations

import pytest

from bootstrap.live import rules
from bootstrap.live.ways import Way

HERE = 'iifname "p0" oifname "p2"'
BACK = 'iifname "p2" oifname "p0"'


def test_a_cut_drops_both_directions_between_groups_and_nothing_within() -> None:
    assert list(rules.cut([[0, 1], [2]], rules.ports)) == [
        f"{HERE} drop",
        'iifname "p1" oifname "p2" drop',
        f"{BACK} drop",
        'iifname "p2" oifname "p1" drop',
    ]


@pytest.mark.parametrize("groups", [[], [[0, 1, 2]], [[], [0, 1]]], ids=["none", "one", "an empty one"])
def test_what_is_not_divided_is_not_cut(groups: list[list[int]]) -> None:
    assert list(rules.cut(groups, rules.ports)) == []


@pytest.mark.parametrize(
    ("way", "verdict"),
    [
        (Way(loss=0.05), "numgen random mod 1000000 <= 49999 drop"),
        (Way(bytes_per_s=20_000), f"limit rate over 20000 bytes/second burst {rules.BURST} bytes drop"),
    ],
    ids=["lossy", "narrow"],
)
def test_a_way_is_worse_in_both_directions(way: Way, verdict: str) -> None:
    assert list(rules.worse([(0, 2)], way, rules.ports)) == [f"{HERE} {verdict}", f"{BACK} {verdict}"]


def test_a_clear_way_has_no_rules() -> None:
    assert list(rules.worse([(0, 2)], Way(), rules.ports)) == []


def test_a_table_replaces_the_one_before() -> None:
    script = rules.table("bridge", "cut", ["a drop", "b drop"])
    assert script.startswith(rules.no_table("bridge", "cut"))
    assert "policy accept;\na drop\nb drop\n}" in script
