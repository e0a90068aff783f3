"""The map of the architecture guide has every folder, and each module that it names is there."""

from __future__ import annotations

import re

import pytest

from tests.support.documents import ROOT

GUIDE = (ROOT / "docs" / "architecture.md").read_text()
EMPTY = {"mesh/agents"}  # a package that holds nothing but its docstring yet


def section(title: str) -> str:
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_package_is_on_the_map() -> None:
    tops = ("wire", "crdt", "consensus", "mesh", "chaos", "bootstrap")
    packages = {path.parent.relative_to(ROOT).as_posix() for top in tops for path in ROOT.glob(f"{top}/__init__.py")}
    packages |= {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("mesh/*/__init__.py")}
    on_map = {folder.rstrip("/") for folder in re.findall(r"^\| (.*?) \|", section("The map"), re.MULTILINE)}
    named = {folder for cell in on_map for folder in re.findall(r"`([\w/]+?)/?`", cell)}
    assert packages - named - EMPTY == {"mesh"}
    assert [folder for folder in named if not (ROOT / folder).is_dir()] == []


def test_every_kind_of_test_is_on_the_map() -> None:
    row = re.search(r"^\| `tests/` \| (.*) \|$", GUIDE, re.MULTILINE)
    assert row
    kinds = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert kinds - {"support"} == set(re.findall(r"`(\w+)`", row[1]))


@pytest.mark.parametrize(
    "module", re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section("The machines of a node"), re.M)))
)
def test_a_machine_that_is_named_is_there(module: str) -> None:
    assert (ROOT / "mesh" / "protocol" / f"{module}.py").exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.(?:py|md|toml))`", GUIDE))))
def test_a_file_that_is_named_is_there(path: str) -> None:
    assert (ROOT / path).exists()
