"""One seed, one history: the same digest of every effect, whatever process, whatever PYTHONHASHSEED."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.code.scenario import CODE, digest_of_a_life
from tests.code.sources import ROOT

HASH_SEEDS = ("0", "1", "4242")


def in_a_process(hash_seed: str, *arguments: str) -> tuple[int, str]:
    """What the scenario prints in an interpreter of its own."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.code.scenario", *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    effects, digest, code = ran.stdout.split()
    assert code == CODE, "the sources were edited while the tests ran: nothing can be said about one history"
    return int(effects), digest


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_seed_has_one_history(seed: str) -> None:
    histories = [in_a_process(hash_seed, seed) for hash_seed in HASH_SEEDS]
    assert len(set(histories)) == 1
    assert histories[0] == digest_of_a_life(int(seed))
    assert histories[0][0] > 500


def test_another_seed_has_another_history() -> None:
    assert digest_of_a_life(1) != digest_of_a_life(2)


def test_hash_order_that_reaches_a_node_is_seen() -> None:
    assert len({in_a_process(hash_seed, "1", "--planted") for hash_seed in HASH_SEEDS}) > 1
