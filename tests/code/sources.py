"""The project's own files as values for the tests of the code itself: everything that git tracks or would track."""

from __future__ import annotations

import ast
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
PACKAGES = ("wire", "crdt", "consensus", "mesh", "bootstrap", "chaos")
PURE = ("wire", "crdt", "consensus", "mesh/protocol")

# Made by tools, or someone else's interface: nothing of style to judge there.
_FOREIGN = ("packaging/fastecdsa-shim/",)
_MADE_BY_TOOLS = ("package-lock.json", "requirements.lock", "requirements-dev.lock", ".tar.gz")


@dataclass(frozen=True)
class Source:
    """One file, by its path below the root."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Whether it is a module."""
        return self.path.endswith(".py")

    @property
    def module(self) -> str:
        """The name that it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The module's syntax."""
        return ast.parse(self.text, self.path)

    def within(self, *folders: str) -> bool:
        """Whether it lies below one of `folders`."""
        return any(PurePosixPath(self.path).is_relative_to(folder) for folder in folders)


@functools.cache
def all_sources() -> tuple[Source, ...]:
    """Every text file of ours, in order of paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    assert listed.returncode == 0, f"these tests need a git clone: {listed.stderr.decode()}"
    paths = sorted(filter(None, listed.stdout.decode().split("\0")))
    return tuple(
        Source(path, (ROOT / path).read_text())
        for path in paths
        if not path.startswith(_FOREIGN) and not path.endswith(_MADE_BY_TOOLS) and (ROOT / path).is_file()
    )


def modules(*folders: str) -> tuple[Source, ...]:
    """All Python files below `folders`, or all there are."""
    return tuple(source for source in all_sources() if source.is_python and (not folders or source.within(*folders)))
