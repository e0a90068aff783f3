"""How far a chaos run has come: a bar on a terminal, a plain line now and then elsewhere, nothing for programs.

with meter(total=200, as_json=False) as show:
    show(17, "17 of 200 seeds held")
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from bootstrap.console import clean, on_terminal, rich_console, say

Show = Callable[[float, str], None]

_LINES = 10  # plain lines in all, where the total is known


@contextlib.contextmanager
def meter(total: float | None, as_json: bool) -> Iterator[Show]:
    """What to call with how much is done, and a sentence; without a total every new sentence is shown."""
    if as_json:
        yield lambda done, text: None
    elif on_terminal():
        with _bar(total) as show:
            yield show
    else:
        yield _lines(total)


@contextlib.contextmanager
def _bar(total: float | None) -> Iterator[Show]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=rich_console(), transient=True) as progress:
        task = progress.add_task("", total=total)

        def show(done: float, text: str) -> None:
            progress.update(task, completed=done, description=clean(text))

        yield show


def _lines(total: float | None) -> Show:
    told: object = 0 if total else None

    def show(done: float, text: str) -> None:
        nonlocal told
        mark: object = int(_LINES * done / total) if total else text
        if mark != told:
            told = mark
            say(text)

    return show
