"""`zenmesh demo`: the whole story on this machine, with real nodes in real processes."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    swarms: Annotated[int, typer.Option("--swarms", min=2, max=16, help="How many swarms.")] = 3,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the homes there and the nodes running.")] = False,
) -> None:
    """Found a federation, join swarms, share memory, crash one, watch it come back."""
    from bootstrap.demo import run_demo

    run_demo(swarms, keep)
