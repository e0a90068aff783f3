"""One scenario, one history: the same digest in any process, under any PYTHONHASHSEED, by the command line as a user
has it, and from the file that a run left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chaos.named import named
from chaos.runner import run
from chaos.scenario import Scenario, dump
from tests.support.processes import zenmesh

HASH_SEEDS = ("0", "4242")


def digests(*arguments: str) -> set[str]:
    """What `--json` says in interpreters with different hash seeds."""
    ran = [
        zenmesh("chaos", *arguments, "--json", env={"PYTHONHASHSEED": hash_seed}, check=False)
        for hash_seed in HASH_SEEDS
    ]
    results: list[Any] = [json.loads(one.out) for one in ran]
    return {result["trace_digest"] for result in results}


@pytest.mark.processes
@pytest.mark.parametrize(("name", "seed"), [("random", 16), ("random", 21), ("byzantine", 3)])
def test_a_run_is_the_same_everywhere(name: str, seed: int) -> None:
    found = digests("run", name, "--swarms", "4", "--seed", str(seed), "--for", "30s")
    assert found == {run(named(name, seed=seed, swarms=4, faults_s=30)).digest}


@pytest.mark.processes
def test_a_file_brings_back_the_run_that_wrote_it(tmp_path: Path) -> None:
    scenario = named("recovery", seed=5, swarms=3, faults_s=20)
    first = run(scenario)
    file = tmp_path / "kept.json"
    file.write_bytes(dump(replace(scenario, digest=first.digest, note="kept")))
    assert digests("replay", str(file)) == {first.digest}


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(named("random", seed=9, swarms=3, faults_s=20), id="a creator governs"),
        pytest.param(named("random", seed=155, swarms=4, faults_s=15, govern=True), id="who is late is let in"),
    ],
)
def test_nobody_who_looks_on_changes_what_happens(scenario: Scenario) -> None:
    assert run(scenario).digest == run(scenario, checkers=(), keep=True, progress=lambda now: None).digest


def test_another_seed_is_another_history() -> None:
    assert len({run(named("random", seed=seed, swarms=3, faults_s=10)).digest for seed in range(4)}) == 4
