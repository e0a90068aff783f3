"""Scenario files of the command line: read with an error that says what is wrong, written without overwriting."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from wire.errors import UsageError

if TYPE_CHECKING:
    from chaos.scenario import Scenario


def read(file: Path) -> Scenario:
    """The scenario in a file. Raises UsageError."""
    from chaos.scenario import load

    try:
        return load(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


def write_new(wanted: Path, scenario: Scenario) -> Path:
    """Write a scenario under a name that no other has; the name."""
    from chaos.scenario import dump

    for path in _names(wanted):
        try:
            with path.open("xb") as file:
                file.write(dump(scenario))
        except FileExistsError:
            continue
        return path
    raise AssertionError("names are endless")


def command(name: str, file: Path) -> str:
    """What to type for a file."""
    return f"zenmesh chaos {name} {shlex.quote(str(file))}"


def _names(wanted: Path) -> Iterator[Path]:
    yield wanted
    yield from (wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}") for number in count(2))
