"""The import contract holds, names every package, and each of its clauses bites."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.code.sources import PACKAGES, PURE, ROOT, modules

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
INTERPRETERS = ("mesh.runtime", "mesh.agents", "mesh.api", "bootstrap")

# A new import in a file, and the contract that it breaks, by the first word of its name.
TRESPASSES = {
    "wire knows no crdt": ("wire/ids.py", "import crdt.trie", "floors"),
    "crdt knows no consensus": ("crdt/trie.py", "import consensus.quorum", "floors"),
    "consensus knows no crdt": ("consensus/quorum.py", "import crdt.trie", "floors"),
    "protocol knows no runtime": ("mesh/protocol/node.py", "import mesh.runtime.clock", "floors"),
    "api and runtime are strangers": ("mesh/api/routes.py", "import mesh.runtime.clock", "floors"),
    "chaos never runs the runtime": ("chaos/__init__.py", "import mesh.runtime.clock", "floors"),
    "storage knows no protocol": ("mesh/storage/store.py", "import mesh.protocol.effects", "floors"),
    "no trio in storage": ("mesh/storage/store.py", "import trio", "trio"),
    "runtime knows no bootstrap": ("mesh/runtime/clock.py", "import bootstrap.home", "floors"),
    "no clock below": ("crdt/trie.py", "import time", "pure"),
    "no disk below": ("mesh/protocol/node.py", "import os", "pure"),
    "no logs below": ("consensus/quorum.py", "import logging", "pure"),
    "no randomness but the seeded": ("wire/ids.py", "import random", "pure"),
    "no libp2p in bootstrap": ("bootstrap/home.py", "import libp2p.host.basic_host", "libp2p"),
    "no libp2p in the api": ("mesh/api/server.py", "from libp2p import new_host", "libp2p"),
    "no trio in chaos": ("chaos/__init__.py", "import trio", "trio"),
}


def broken_contracts(root: Path) -> list[str]:
    """First words of the names of the contracts that the tree below `root` breaks."""
    command = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([command, "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True)
    told = " ".join(ran.stdout.split())
    broken = [contract["name"] for contract in CONTRACTS if f"{contract['name']} BROKEN" in told]
    assert (ran.returncode == 0) == (not broken), ran.stdout + ran.stderr
    return [name.split()[0].rstrip(":") for name in broken]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", root)
    for source in modules(*PACKAGES):
        target = root / source.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.text)
    return root


def test_the_contract_holds(copy: Path) -> None:
    assert broken_contracts(copy) == []


@pytest.mark.parametrize("name", TRESPASSES)
def test_a_clause_bites(copy: Path, name: str) -> None:
    path, line, contract = TRESPASSES[name]
    module = copy / path
    before = module.read_text()
    module.write_text(f"{before}\n{line}\n")
    try:
        assert contract in broken_contracts(copy)
    finally:
        module.write_text(before)


def test_every_package_has_its_floor() -> None:
    floors = {part.strip() for layer in CONTRACTS[0]["layers"] for part in layer.split("|")}
    folders = {Path(source.path).parts[: 2 if source.within("mesh") else 1] for source in modules(*PACKAGES)}
    assert {".".join(parts) for parts in folders if parts != ("mesh", "__init__.py")} == floors


def test_every_package_but_the_interpreters_is_kept_from_trio() -> None:
    trio = next(contract for contract in CONTRACTS if contract["name"].startswith("trio"))
    everyone = {part.strip() for layer in CONTRACTS[0]["layers"] for part in layer.split("|")}
    assert set(trio["source_modules"]) == everyone - set(INTERPRETERS)


def loaded_by(module: str) -> set[str]:
    """The top-level names of everything that a fresh interpreter holds after importing `module`."""
    code = f"import sys, {module}; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("folder", PURE)
def test_a_pure_package_drags_in_neither_trio_nor_libp2p(folder: str) -> None:
    inside = [source.module for source in modules(folder)]
    assert len(inside) > 3
    assert not loaded_by(", ".join(inside)) & {"trio", "libp2p", "asyncio"}


def test_the_command_line_answers_without_libp2p() -> None:
    assert "libp2p" not in loaded_by("bootstrap.cli.main")
