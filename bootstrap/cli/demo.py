"""`zenmesh demo`: the whole story on this machine, with real nodes in real processes."""

from __future__ import annotations

from typing import Annotated

import typer

from bootstrap.cli.asking import print_json
from bootstrap.cli.options import JsonOption


def demo(
    swarms: Annotated[int, typer.Option("--swarms", min=2, max=16, metavar="N", help="How many swarms.")] = 3,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the homes there and the nodes running.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play the whole story on this machine. Swarms found a federation and write; one crashes, and comes back."""
    from bootstrap.demo import run_demo

    ended = run_demo(swarms, keep, aloud=not as_json)
    if as_json:
        print_json(ended)
