"""How a benchmark says what it found: a figure, its ratio to a baseline of the same run, and its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured thing. `ratio` is to a baseline of the same run; `broken` names a hard limit that was passed."""

    name: str
    value: str
    ratio: float | None = None
    aim: str = ""
    broken: str = ""

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"   {self.ratio:.1f} × baseline"
        aim = f"   (aim: {self.aim})" if self.aim else ""
        return f"  {self.name:<44} {self.value:>22}{ratio}{aim}{'   ' + self.broken if self.broken else ''}"


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which `share` of the samples lie."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(seconds: float) -> str:
    """A duration as text."""
    return f"{seconds * 1000:.1f} ms"
