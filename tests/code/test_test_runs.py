"""What a run of the tests says: what this machine lacks, how to repeat a failure; and that it can be repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.code.sources import ROOT

SAMPLE = """
import pytest
import trio
from hypothesis import given, settings, strategies as st

@pytest.mark.node
def test_of_a_foreign_tongue(): ...

@pytest.mark.node
def test_of_the_same(): ...

@pytest.mark.soak
def test_of_endurance(): ...

def test_that_fails(): assert False

@pytest.mark.usefixtures("autojump_clock")
async def test_that_sleeps_for_a_year():
    await trio.sleep(3600 * 24 * 365)

@given(st.integers())
def test_examples(x): print("drawn", x)

def test_profile(): print("examples:", settings.default.max_examples, "fixed:", settings.default.derandomize)
"""


def run(directory: Path, *options: str, **environment: str) -> str:
    """What pytest prints for the sample, on a machine with no tools at all."""
    sample = directory / "test_sample.py"
    sample.write_text(SAMPLE)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", "-s"]
    ran = subprocess.run(
        [*command, "--rootdir", str(directory), "-p", "no:cacheprovider", *options, str(sample)],
        env={**os.environ, "PATH": str(directory), "PYTHONPATH": str(ROOT), "ZENMESH_SOAK": "", **environment},
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert "1 failed" in ran.stdout, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "spread"])
def test_what_is_missing_is_named_and_counted(tmp_path: Path, options: list[str]) -> None:
    told = run(tmp_path, *options)
    summary = told.partition("not run on this machine")[2]
    assert "Node.js and npm: 2 tests (not installed: node, npm). To run: on Debian: apt install nodejs npm" in summary
    assert "full counts: 1 test (only with ZENMESH_SOAK=1). To run: make soak" in summary
    assert "3 skipped" in told


def test_a_failure_brings_the_command_that_repeats_it(tmp_path: Path) -> None:
    assert ".venv/bin/pytest 'test_sample.py::test_that_fails'" in run(tmp_path)
    assert "ZENMESH_SOAK=1 .venv/bin/pytest 'test_sample.py::test_that_fails'" in run(tmp_path, ZENMESH_SOAK="1")


@pytest.mark.parametrize("server", ["", "true"], ids=["a desk", "a CI server"])
def test_a_run_is_the_same_each_time_and_a_soak_is_long(tmp_path: Path, server: str) -> None:
    once, again, soak = (run(tmp_path, CI=server, ZENMESH_SOAK=full) for full in ("", "", "1"))
    drawn = [[line for line in told.splitlines() if "drawn" in line] for told in (once, again, soak)]
    assert drawn[0] == drawn[1]
    assert "examples: 100 fixed: True" in once
    assert "examples: 2000 fixed: False" in soak
    assert len(drawn[2]) > len(drawn[0]) > 50
    assert "2 skipped" in soak
