"""Run every benchmark; exit 1 when a hard limit was passed. `python -m benchmarks [MODULE…]` runs some."""

from __future__ import annotations

import importlib
import sys

MODULES = (
    "full_sync",
    "federations",
    "meeting",
    "healing",
    "under_attack",
    "consensus",
    "council",
    "detection",
    "false_alarms",
    "world",
)


def main(names: list[str]) -> int:
    """Print the figures as they come."""
    broken = 0
    for name in names or MODULES:
        print(name)
        for figure in importlib.import_module(f"benchmarks.{name}").run():
            print(figure, flush=True)
            broken += bool(figure.broken)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
