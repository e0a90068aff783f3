"""Commands about who takes over: `backup add`, `backup list`, `backup remove`, on the node of the queen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.certificates import RootOption, own_row, reissue
from bootstrap.cli.options import HomeOption, JsonOption, between

if TYPE_CHECKING:
    from consensus.certificates import Backup


def add(
    request: Annotated[
        Path, typer.Argument(metavar="REQUEST", resolve_path=True, help="The file `backup.request` of its home.")
    ],
    root_key: RootOption = None,
    rank: Annotated[
        int | None, typer.Option("--rank", min=0, metavar="N", help="0 goes first; by default behind all others.")
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="DURATION", help="How long it may take over, 365d at most.")
    ] = "365d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name a backup of this swarm's queen. Returns once the federation has ordered it."""
    from bootstrap.backup_request import read_request
    from bootstrap.backups import named
    from mesh.runtime import clock

    asked = read_request(request)
    until_ms = clock.wall_ms() + int(between("--expires", expires, "1m", "365d") * 1000)
    _change(home, root_key, as_json, lambda row, fed: named(row, fed, asked, rank, until_ms))


def remove(
    peer: Annotated[str, typer.Argument(metavar="PEER_ID", help="Its peer id, or how that begins or ends.")],
    root_key: RootOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a backup back. Returns once the federation has ordered it."""
    from bootstrap.backups import without

    _change(home, root_key, as_json, lambda row, fed: without(row, peer))


def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show who takes over when the queen of this swarm has failed."""
    row, _ = own_row(home)
    result = {"swarm": row["swarm"], "term": row["term"], "queen": row["peer_id"], "backups": row["backups"]}
    hand_over(result, as_json, _show)


def _change(
    home: str | None, root_file: Path | None, as_json: bool, change: Callable[[Result, str], list[Backup]]
) -> None:
    """Have another certificate, with other backups, ordered."""
    row = reissue(home, root_file, change)
    result = {"swarm": row["swarm"], "term": row["term"], "queen": row["peer_id"], "backups": row["backups"]}
    hand_over(result, as_json, _show)


def _show(result: Result) -> None:
    from bootstrap.console import facts, say, table

    facts({"swarm": result["swarm"], "queen": f"{result['queen']}, in term {result['term']}"})
    say("")
    if not result["backups"]:
        say("No backup: when this queen fails, her swarm is silent until she is back.")
        return
    table(
        ["rank", "backup", "until"],
        [
            [one["rank"], one["peer_id"], time.strftime("%Y-%m-%d", time.gmtime(one["expires_ms"] / 1000))]
            for one in result["backups"]
        ],
    )
