"""What the command line may override for one run; None leaves the configuration alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Options of `zenmesh run`. `bootstrap` adds to the configured addresses, the others replace."""

    listen: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    mdns: bool | None = None
    metrics: str | None = None
    log_format: LogFormat = LogFormat.TEXT
    trace: Path | None = None
    quiet: bool = False  # log only what needs attention: a live view shows the rest
