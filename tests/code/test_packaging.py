"""What is installed is what is declared: dependencies, locks, and everything that belongs into the wheel."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath

import pytest

from tests.code.sources import PACKAGES, ROOT, all_sources, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s;\\]+)", re.IGNORECASE)


def normal(name: str) -> str:
    """A distribution's name in the one form that packaging compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    """Names of the direct dependencies."""
    ranges = PROJECT["dependencies"] + [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    return {normal(re.split(r"[<>=!~\[; ]", text, maxsplit=1)[0]) for text in ranges}


def on_demand() -> set[str]:
    """Names of what a make target installs into an environment of its own, pinned there."""
    return {
        normal(name) for name in re.findall(r" ([a-z][a-z0-9-]*)==[0-9.]+$", (ROOT / "Makefile").read_text(), re.M)
    }


def entries(lock: str) -> Iterator[str]:
    """Logical lines of a lock file: one distribution each, with its hashes."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    return (line for line in text.splitlines() if line.strip() and not line.startswith("#"))


def pins(lock: str) -> dict[str, str]:
    """Versions by name; a name may stand twice under different markers."""
    matches = [match for line in entries(lock) if (match := _PIN.match(line))]
    return {normal(match["name"]): match["version"] for match in matches}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_pinned_and_hashed(lock: str) -> None:
    lines = list(entries(lock))
    hashed = [line for line in lines if _PIN.match(line) and re.search(r" --hash=sha256:[0-9a-f]{64}", line)]
    assert len(lines) > 30
    assert lines == hashed


@pytest.mark.parametrize(("lock", "extras"), [(LOCKS[0], ()), (LOCKS[1], ("dev",))], ids=LOCKS)
def test_the_lock_covers_what_is_declared(lock: str, extras: tuple[str, ...]) -> None:
    assert declared(*extras) - pins(lock).keys() == set()


def test_the_locks_agree() -> None:
    assert pins(LOCKS[0]).items() <= pins(LOCKS[1]).items()


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_in_a_lock_needs_a_compiler(lock: str) -> None:
    assert "fastecdsa" not in pins(lock)


def test_every_declared_range_has_both_ends() -> None:
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        assert re.fullmatch(r"[\w.-]+>=[\w.]+,<[\w.]+", text), text


def imported(*folders: str) -> set[str]:
    """Top-level names that the modules below `folders` import."""
    names: set[str] = set()
    for source in modules(*folders):
        for node in ast.walk(source.tree):
            match node:
                case ast.Import(names=aliases):
                    names |= {alias.name.partition(".")[0] for alias in aliases}
                case ast.ImportFrom(module=str(module)):
                    names.add(module.partition(".")[0])
    return names


@pytest.mark.parametrize(
    ("folders", "extras"), [(PACKAGES, ()), (("tests", "benchmarks"), ("dev",))], ids=["the product", "its tests"]
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    distributions = packages_distributions()
    ours = {*PACKAGES, "tests", "benchmarks"}
    foreign = imported(*folders) - ours - sys.stdlib_module_names
    known = declared(*extras) | (on_demand() if extras else set())
    undeclared = {name for name in foreign if not {normal(one) for one in distributions.get(name, [name])} & known}
    assert undeclared == set()


def test_what_is_declared_is_imported() -> None:
    distributions = packages_distributions()
    used = {normal(one) for name in imported(*PACKAGES) for one in distributions.get(name, ())}
    assert declared() - used == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all that lies in a wheel built from this tree, without any network."""
    made = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (path,) = made.glob("zenmesh-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_file_of_the_packages(wheel: set[str]) -> None:
    ours = {source.path for source in all_sources() if source.within(*PACKAGES)}
    assert ours <= wheel
    assert {PurePosixPath(name).parts[0] for name in wheel if ".dist-info/" not in name} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_wheel_says_that_it_is_typed(wheel: set[str], package: str) -> None:
    assert f"{package}/py.typed" in wheel


def test_the_wheel_holds_the_schemas(wheel: set[str]) -> None:
    schemas = {path.relative_to(ROOT).as_posix() for path in Path(ROOT / "bootstrap").rglob("schemas/*.json")}
    assert schemas
    assert schemas <= wheel
