"""Do the tests notice when replicated state is coded wrongly? `make mutants` breaks the code a little, many times.

cosmic-ray lists every small change (another operator or number, a decorator or a loop's body gone) of `crdt/` and of
the machines that replicate it. Those that a seed draws are made in a copy, one at a time. A mutant is killed when the
tests that cover its module fail or do not end, or when a checker of the chaos world finds something. One that
survives wants a test, or a reason why nobody could tell. Annotations of signatures stay: nothing reads them.

This runs in the mutation tester's own environment, without zenmesh; `--python` is the one that the tests run in.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).parents[2]
MACHINES = ("syncing", "writer", "commits", "startup", "compaction", "doubts")
MEMORY_BYTES = 4 << 30  # a mutant may well fill a list for ever

PYTEST = "-m pytest -q -x -p no:cacheprovider"
CHAOS = "-m bootstrap.cli chaos fuzz --seeds 5 --swarms 3"
LAWS = [f"tests/laws/test_{about}_*.py" for about in ("crdt", "owner_log", "replica", "trie")]
# What a mutant of a package has to live through, as arguments of python: the quickest to tell comes first.
ROUNDS: list[dict[str, str]] = [
    {
        "crdt": f"{PYTEST} tests/unit/crdt tests/unit/crdt_types tests/unit/sync",
        "mesh": f"{PYTEST} tests/unit/protocol tests/unit/node tests/simulation/test_regressions.py",
    },
    {"crdt": f"{PYTEST} tests/unit/protocol tests/unit/node tests/golden"},
    {"crdt": CHAOS, "mesh": CHAOS},
    {"crdt": f"{PYTEST} {' '.join(LAWS)}"},
]

Span = tuple[tuple[int, int], tuple[int, int]]


def unread(source: str) -> Iterator[Span]:
    """Where the annotations of signatures stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for place in (node.returns, *(arg.annotation for arg in ast.walk(node.args) if isinstance(arg, ast.arg))):
                if place is not None and place.end_lineno is not None and place.end_col_offset is not None:
                    yield (place.lineno, place.col_offset), (place.end_lineno, place.end_col_offset)


def population(copy: Path) -> list[MutationSpec]:
    """Every mutant that there is, in an order of its own."""
    paths = [*sorted((copy / "crdt").rglob("*.py")), *(copy / f"mesh/protocol/{name}.py" for name in MACHINES)]
    spans = {path: list(unread(path.read_text())) for path in paths}
    with use_db(copy / "mutants.sqlite") as db:
        init(paths, db, {})
        specs = [spec for item in db.work_items for spec in item.mutations]
    specs.sort(key=lambda spec: (str(spec.module_path), spec.operator_name, spec.occurrence))
    return [
        spec
        for spec in specs
        if spec.operator_name != "core/NoOp"
        and not any(start <= spec.start_pos and spec.end_pos <= end for start, end in spans[Path(spec.module_path)])
    ]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module's text, changed in one place."""

    number: int
    path: str
    line: int
    operator: str
    text: str

    def __str__(self) -> str:
        return f"{self.number:4} {self.operator} {self.path}:{self.line}"

    def difference(self) -> str:
        """From the code as it is."""
        lines = (ROOT / self.path).read_text().splitlines(), self.text.splitlines()
        return "\n".join(difflib.unified_diff(*lines, self.path, self.path, lineterm="", n=1))


def drawn(copy: Path, everything: list[MutationSpec], seed: int, count: int) -> Iterator[Mutant]:
    """A sample of all mutants."""
    for number, spec in enumerate(random.Random(seed).sample(everything, min(count, len(everything))), 1):
        path = Path(spec.module_path)
        text = mutate_code(path.read_text(), get_operator(spec.operator_name)(), spec.occurrence)
        yield Mutant(number, str(path.relative_to(copy)), spec.start_pos[0], spec.operator_name, text)


class Copy:
    """The project in a folder of its own, whose files may be broken."""

    def __init__(self, root: Path, python: str) -> None:
        self.root = root
        self._python = python
        self._limits: dict[str, float] = {}
        self._writes = 0
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, check=True, text=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)

    def killer(self, mutant: Mutant, command: str) -> str | None:
        """What the command finds wrong with a mutant."""
        limit_s = self._limits.get(command) or self._measured(command)
        file = self.root / mutant.path
        text, stat = file.read_text(), file.stat()
        self._writes += 1
        file.write_text(mutant.text)
        os.utime(file, (self._writes, self._writes))  # so that no compiled form of another text is taken for its own
        try:
            return self._run(command, limit_s)
        finally:
            file.write_text(text)
            os.utime(file, (stat.st_atime, stat.st_mtime))

    def _measured(self, command: str) -> float:
        """It must succeed with the code as it is; a mutant gets some times that long."""
        begun = time.monotonic()
        if (wrong := self._run(command, 3_600)) is not None:
            sys.exit(f"fails without a mutant: python {command}: {wrong}")
        self._limits[command] = limit_s = 30 + 4 * (time.monotonic() - begun)
        return limit_s

    def _run(self, command: str, limit_s: float) -> str | None:
        """The last line of output where it fails; None where it succeeds."""
        words = [name for word in command.split() for name in self._names(word)]
        with tempfile.TemporaryDirectory() as scratch:
            process = subprocess.Popen(
                [self._python, *words, *(["--out", scratch] if command == CHAOS else [])],
                cwd=self.root, env={**os.environ, "PYTHONPATH": str(self.root)}, text=True, start_new_session=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                output, _ = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                output = "it does not end"
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()
        return None if process.returncode == 0 else (output.strip().splitlines() or ["no output"])[-1]

    def _names(self, word: str) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(word)) if "*" in word else [word]


def main() -> None:
    """Try a sample round by round, tell of each that dies, then the survivors and the score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the python that the tests run in")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=150, help="how many mutants are drawn")
    parser.add_argument("--minutes", type=float, default=45, help="nothing is begun after that")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder).resolve(), options.python)
        everything = population(copy.root)
        alive = list(drawn(copy.root, everything, options.seed, options.count))
        say(f"{len(alive)} of {len(everything)} mutants, by seed {options.seed}")
        tried = 0
        for number, commands in enumerate(ROUNDS, 1):
            left, alive = alive, []
            for index, mutant in enumerate(left):
                if time.monotonic() - begun > 60 * options.minutes:
                    say(f"no time for {len(left) - index} in round {number}")
                    alive += left[index:] if number > 1 else []
                    break
                command = commands.get(mutant.path.split("/")[0])
                killer = command and copy.killer(mutant, command)
                tried += number == 1
                if killer:
                    say(f"{mutant}: {killer}")
                else:
                    alive.append(mutant)
            say(f"round {number}: {len(alive)} survived")
    for mutant in alive:
        say(f"\n{mutant}\n{mutant.difference()}")
    minutes = (time.monotonic() - begun) / 60
    say(f"\nkilled {tried - len(alive)} of {tried}, drawn by seed {options.seed}, in {minutes:.0f} minutes")


def say(line: str) -> None:
    """At once: a run is long."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
