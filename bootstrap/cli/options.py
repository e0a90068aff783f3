"""Options that many commands share, and the words that they take: where the home is, JSON, durations."""

from __future__ import annotations

import re
from typing import Annotated

import typer

HomeOption = Annotated[
    str | None,
    typer.Option(
        "--home", metavar="DIR", help="The home of the node: $ZENMESH_HOME, else ~/.zenmesh.", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, failures included.")]

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds in a duration as people write it: 90s, 24h, 7d.

    Raises:
        typer.BadParameter: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(
            f"{text!r} is no duration: a number with its unit (ms, s, m, h, d), such as 90s or 24h"
        )
    return float(found[1]) * _SECONDS[found[2]]


def between(text: str, low: str, high: str) -> float:
    """Seconds in the duration `text`, which lies between two others.

    Raises:
        typer.BadParameter: it is no duration, or lies outside.
    """
    seconds = duration(text)
    if not duration(low) <= seconds <= duration(high):
        raise typer.BadParameter(f"{text} is out of bounds: from {low} to {high}")
    return seconds
