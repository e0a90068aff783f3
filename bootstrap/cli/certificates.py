"""The certificate of this swarm: `renew`, and whatever else has its root key sign another one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bootstrap.cli.asking import Result, ask, hand_over, home_of
from bootstrap.cli.options import HomeOption, JsonOption, between
from wire.errors import UsageError

if TYPE_CHECKING:
    from consensus.certificates import Backup

RootOption = Annotated[
    Path | None,
    typer.Option("--root-key", metavar="FILE", resolve_path=True, help="The root key, where it is not in the home."),
]


def renew(
    root_key: RootOption = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="DURATION", help="How long it is to hold, 365d at most.")
    ] = "365d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace this swarm's certificate by one that ends later. Before or after its end; its backups stay."""
    from bootstrap.backups import backups_of
    from mesh.runtime import clock

    until_ms = clock.wall_ms() + int(between("--expires", expires, "1m", "365d") * 1000)
    row = reissue(home, root_key, lambda row, _: backups_of(row), until_ms)
    result = {name: row[name] for name in ("swarm", "term", "state", "expires_ms", "height")}
    hand_over(result, as_json, lambda result: _show(result, until_ms))


def reissue(
    home: str | None,
    root_file: Path | None,
    backups: Callable[[Result, str], list[Backup]],
    until_ms: int | None = None,
) -> Result:
    """Sign a certificate with these backups and have it ordered: the row of this swarm afterwards. Without `until_ms`
    it holds for a year, and it never ends earlier than the one that it replaces."""
    from bootstrap.backups import certified, root_key
    from mesh.runtime import clock

    row, federation = own_row(home)
    named = backups(row, federation)
    root = root_key(home_of(home), root_file)
    certificate = certified(row, federation, root, named, clock.wall_ms(), until_ms)
    ordered = ask(home, "renew", {"certificate": certificate.hex()})
    return {**row, **ordered}


def own_row(home: str | None) -> tuple[Result, str]:
    """(the row of this node's swarm, the federation's id)."""
    status, federation = ask(home, "status"), ask(home, "members")
    for row in federation["members"]:
        if row["swarm_id"] == status["swarm_id"]:
            return row, str(federation["federation_id"])
    raise UsageError(f"{status['swarm']} is no member of the federation yet: see `zenmesh status`")


def _show(result: Result, until_ms: int) -> None:
    from bootstrap.console import say

    until = time.strftime("%Y-%m-%d", time.gmtime(result["expires_ms"] / 1000))
    say(f"The certificate of {result['swarm']} in term {result['term']} holds until {until}.")
    if result["expires_ms"] > until_ms:
        say("That is later than --expires asks: no certificate ends before the one that it replaces.")
