"""The commit before this one, as its users have it: its wheel in a folder of its own, on the dependencies of here.

    earlier = build(directory)
    earlier.zenmesh("init", "--swarm", "alpha", …)
    home = Home(directory, "alpha", earlier.launch)      # its node is of that version

It comes out of git's history; a test that wants it carries the marker `history`, and is skipped, visibly, where a
clone has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMIT = "HEAD~1"
_PIP = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-index",
    "--no-deps",
    "--no-build-isolation",
]


def missing() -> str | None:
    """Why there is no earlier commit; None when there is one."""
    known = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{COMMIT}^{{commit}}"], cwd=ROOT, capture_output=True
    )
    return None if known.returncode == 0 else f"git knows no {COMMIT}"


@dataclass(frozen=True, slots=True)
class Earlier:
    """An installed version: its `packages`, and a `place` to work in where no other is found."""

    packages: Path
    place: Path

    @property
    def _surroundings(self) -> dict[str, Any]:
        return {"cwd": self.place, "env": {**os.environ, "PYTHONPATH": str(self.packages)}}

    def launch(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """As `Popen`, with a command of today's tests."""
        return subprocess.Popen(command, **options, **self._surroundings)

    def zenmesh(self, *arguments: str) -> None:
        """One command of that version, which has to succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "bootstrap.cli", *arguments], capture_output=True, text=True, **self._surroundings
        )
        assert done.returncode == 0, f"zenmesh {' '.join(arguments)}: {done.stdout}\n{done.stderr}"

    def origin(self) -> str:
        """Where its code is loaded from."""
        told = "import bootstrap; print(bootstrap.__path__[0])"
        return subprocess.run(
            [sys.executable, "-c", told], capture_output=True, text=True, check=True, **self._surroundings
        ).stdout.strip()


def build(directory: Path) -> Earlier:
    """Build the wheel and install it, without a network."""
    source, packages, place = (directory / name for name in ("source", "packages", "place"))
    place.mkdir(parents=True)
    archive = directory / "source.tar"
    subprocess.run(["git", "archive", "--output", str(archive), COMMIT], cwd=ROOT, check=True)
    with tarfile.open(archive) as files:
        files.extractall(source, filter="data")
    done = subprocess.run(
        [sys.executable, *_PIP, "--target", str(packages), str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, f"no wheel of {COMMIT}:\n{done.stdout}\n{done.stderr}"
    earlier = Earlier(packages, place)
    assert earlier.origin().startswith(str(packages)), earlier.origin()
    return earlier
