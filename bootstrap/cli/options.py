"""Options that many commands share, and the words that they take: where the home is, JSON, durations."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from wire.errors import UsageError

HomeOption = Annotated[
    str | None,
    typer.Option(
        "--home", metavar="DIR", help="The home of the node: $ZENMESH_HOME, else ~/.zenmesh.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, failures included.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Return once it is decided: exit 0 if it was approved, 6 if it was not.")
]
DeadlineOption = Annotated[
    str, typer.Option("--deadline", metavar="DURATION", help="How long the others may take, 7d at most.")
]

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds in a duration as people write it: 90s, 24h, 7d.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("no duration: write a number with its unit (ms, s, m, h, d), such as 90s or 24h")
    return float(found[1]) * _SECONDS[found[2]]


def between(option: str, text: str, low: str, high: str) -> float:
    """Seconds in the duration `text`, given for `option`, which lies between two others.

    Raises:
        UsageError: it is no duration, or lies outside.
    """
    try:
        seconds = duration(text)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
    if not duration(low) <= seconds <= duration(high):
        raise UsageError(f"{option} {text}: out of bounds, from {low} to {high} is taken")
    return seconds
