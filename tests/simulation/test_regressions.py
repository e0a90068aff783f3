"""Scenarios that once broke an invariant, each with the reason why it is kept: what was mended stays mended.

A file with a canary is the other way round: the fault that it plants must be seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.runner import run
from chaos.scenario import Scenario, dump, load

FILES = sorted((Path(__file__).parent / "regressions").glob("*.json"))


def scenario_of(file: Path) -> Scenario:
    return load(file.read_bytes())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_regression(file: Path) -> None:
    scenario = scenario_of(file)
    report = run(scenario)
    assert (report.violation is not None) == (scenario.canary is not None), report.violation


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_why_it_is_kept_and_is_as_written(file: Path) -> None:
    scenario = scenario_of(file)
    assert len(scenario.note) > 40
    assert scenario.name == file.stem
    assert scenario.digest is None, "the next change of the code would make it wrong"
    assert file.read_bytes() == dump(scenario)


def test_there_are_some() -> None:
    assert len(FILES) >= 2
