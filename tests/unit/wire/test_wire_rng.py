"""Seeded randomness: the same in every process, and no stream moves another one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.code.sources import ROOT
from wire.rng import Rng

DRAW = """
from wire.rng import Rng
rng = Rng(7)
print(rng.random(), rng.uniform(2, 3), rng.randbelow(1000), rng.bytes(4).hex(), rng.choice("abc"))
print(rng.sample(range(50), 5), rng.shuffled("abcdef"), rng.split("x").split("y").bytes(8).hex())
"""


def drawn(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    return subprocess.check_output([sys.executable, "-c", DRAW], env=environment, text=True)


def test_another_process_draws_the_same() -> None:
    assert drawn("1") == drawn("2")


def test_a_seed_draws_for_ever_the_same() -> None:
    """Failing runs are kept by their seeds."""
    assert Rng(7).bytes(8).hex() == Rng(b"7").bytes(8).hex() == "dee1454940ce250e"
    assert Rng(7).split("probe").bytes(8).hex() == "e92779b379afbfd6"


def test_a_split_does_not_depend_on_what_was_drawn() -> None:
    fresh, used = Rng(7), Rng(7)
    used.bytes(100)
    used.split("other").bytes(100)
    assert fresh.split("probe").bytes(8) == used.split("probe").bytes(8)


def test_splitting_draws_nothing() -> None:
    split, unsplit = Rng(7), Rng(7)
    split.split("probe")
    assert split.bytes(8) == unsplit.bytes(8)


def test_streams_of_other_names_places_and_seeds_are_others() -> None:
    root = Rng(7)
    streams = [root, root.split("a"), root.split("b"), root.split("a").split("b"), root.split("a/b"), Rng(8)]
    assert len({stream.bytes(16) for stream in streams}) == len(streams)


def test_what_is_drawn_lies_within_its_bounds() -> None:
    rng = Rng(7)
    assert all(0 <= rng.random() < 1 for _ in range(200))
    assert all(2 <= rng.uniform(2, 3) <= 3 for _ in range(200))
    assert {rng.randbelow(3) for _ in range(200)} == {0, 1, 2}
    assert {rng.choice("abc") for _ in range(200)} == set("abc")
    assert [len(rng.bytes(count)) for count in (0, 1, 33)] == [0, 1, 33]


@pytest.mark.parametrize("count", [0, 1, 3, 6, 9])
def test_a_sample_has_each_place_once(count: int) -> None:
    drawn = Rng(7).sample("abcdef", count)
    assert len(drawn) == len(set(drawn)) == min(count, 6)


def test_shuffling_loses_nothing_and_changes_the_order() -> None:
    items = list(range(20))
    shuffled = Rng(7).shuffled(items)
    assert sorted(shuffled) == items == list(range(20))
    assert shuffled != items
