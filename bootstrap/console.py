"""What people see: facts, tables and lines. Coloured and fitted to the window on a terminal, plain lines elsewhere.

Plain output has no wrapping, no cutting and no colour, so that a pipe gets whole addresses; for programs there is
`--json`. Nothing that comes from outside is read as markup, and control characters of foreign names do not reach
the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_GAP = "  "


def on_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def rich_console() -> Console:
    """The terminal, for what is drawn on it. Imported late: most commands print a line and are done."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)


def clean(text: object) -> str:
    """One line of printable text; what else it held becomes `?`."""
    return "".join(character if character.isprintable() else "?" for character in str(text))


def say(text: object) -> None:
    """One line."""
    _line(clean(text))


def facts(pairs: Mapping[str, object]) -> None:
    """Names and values; a list has one line for each of its values, None is left out."""
    shown = {name: value for name, value in pairs.items() if value is not None}
    width = max(map(len, shown), default=0)
    console = rich_console() if on_terminal() else None
    for name, value in shown.items():
        lines = [clean(line) for line in (value if isinstance(value, list | tuple) else [value])] or ["-"]
        for index, line in enumerate(lines):
            label = f"{name if index == 0 else '':{width}}{_GAP}"
            if console is None:
                _line(f"{label}{line}".rstrip())
            else:
                from rich.text import Text

                console.print(Text.assemble((label, "bold"), line), soft_wrap=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows below their columns; None is shown as a dash. On a terminal columns move together before they fold."""
    cells = [["-" if cell is None else clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if not on_terminal():
        for row in [list(columns), *cells]:
            _line(_GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.table import Table

    console = rich_console()
    fits = sum(widths) + len(_GAP) * (len(widths) - 1) <= console.width
    drawn = Table(box=None, pad_edge=False, padding=(0, 1) if fits else (0, 1, 0, 0), header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in cells:
        drawn.add_row(*row)
    console.print(drawn)


def _line(text: str) -> None:
    sys.stdout.write(text + "\n")
