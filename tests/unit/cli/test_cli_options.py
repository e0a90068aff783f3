"""Durations as people write them, and how long something ran as they read it."""

from __future__ import annotations

import pytest

from bootstrap.cli.health_text import duration_text
from bootstrap.cli.options import between, duration
from wire.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("24h", 86_400), ("7d", 604_800), ("1.5m", 90), ("250ms", 0.25), (" 3s ", 3), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "90", "-1s", "1 h", "1h30m", "1e3s", "٣s", "1w", "9999999999s", "1S"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="number with its unit"):
        duration(text)


@pytest.mark.parametrize("text", ["1s", "1h", "24h"])
def test_bounds_belong(text: str) -> None:
    assert between("--expires", text, "1s", "24h") == duration(text)


@pytest.mark.parametrize("text", ["999ms", "25h"])
def test_what_is_out_of_bounds_is_told_with_the_bounds(text: str) -> None:
    with pytest.raises(UsageError, match=f"--expires {text}: out of bounds, from 1s to 24h"):
        between("--expires", text, "1s", "24h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_725, "1 h 2 min"), (86_400, "1 d"), (90_061, "1 d 1 h")],
)
def test_time_for_people(seconds: int, text: str) -> None:
    assert duration_text(seconds) == text
