"""The gate of `make check` on coverage: its own commands, on samples, with the tests spread over two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.code.sources import ROOT

SAMPLE = """
def absolute(number):
    if number < 0:
        number = -number
    return number
"""
TESTS = """
import importlib
import pytest

@pytest.mark.parametrize(("package", "number"), {calls})
def test_absolute(package, number):
    assert importlib.import_module(package + ".sample").absolute(number) == 1
"""
PACKAGES = ("wire", "crdt", "consensus")


def commands() -> list[str]:
    """What `make check` runs of tests and coverage, with the tests of a sample for those of the cores."""
    told = subprocess.run(
        ["make", "--no-print-directory", "-n", "check", f"BIN={Path(sys.executable).parent}", "CORE=test_sample.py"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [line for line in told.stdout.splitlines() if "/coverage " in line]


def check(directory: Path, calls: list[tuple[str, int]]) -> subprocess.CompletedProcess[str]:
    """The gate, in a project whose tests make these calls of each package's function."""
    settings = (ROOT / "pyproject.toml").read_text()
    (directory / "pyproject.toml").write_text(settings[settings.index("[tool.coverage.run]") :])
    for package in PACKAGES:
        (directory / package).mkdir()
        (directory / package / "__init__.py").touch()
        (directory / package / "sample.py").write_text(SAMPLE)
    (directory / "test_sample.py").write_text(TESTS.format(calls=calls))
    # Under the gate itself the environment asks every process to be measured for the run outside.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(
        ["bash", "-ec", "\n".join(commands())],
        cwd=directory,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "xdist.plugin"},
        capture_output=True,
        text=True,
    )
    assert f"{len(calls)} passed" in ran.stdout, ran.stdout + ran.stderr
    return ran


def holes(told: str) -> dict[str, str]:
    """The file and what is missing there, of each row of the reports."""
    rows = [line.split() for line in told.splitlines() if "/sample.py " in line]
    return {row[0]: row[-1] for row in rows}


def test_the_gate_is_there() -> None:
    assert [line.split()[1] for line in commands()] == ["erase", "run", "combine", "report"]


def test_a_branch_or_line_that_no_test_takes_is_named_and_fails(tmp_path: Path) -> None:
    ran = check(tmp_path, [("wire", -1), ("wire", 1), ("crdt", 1), ("consensus", -1)])
    assert ran.returncode != 0
    assert holes(ran.stdout) == {"crdt/sample.py": "4", "consensus/sample.py": "3->5"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_hole_in_one_package_fails(tmp_path: Path, package: str) -> None:
    ran = check(
        tmp_path, [(name, number) for name in PACKAGES for number in (-1, 1) if (name, number) != (package, 1)]
    )
    assert ran.returncode != 0
    assert holes(ran.stdout) == {f"{package}/sample.py": "3->5"}


def test_what_two_processes_cover_together_passes(tmp_path: Path) -> None:
    ran = check(tmp_path, [(name, number) for name in PACKAGES for number in (-1, 1)])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert holes(ran.stdout) == {}
