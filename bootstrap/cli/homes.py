"""Commands about the home itself: `init`, `recover`, `home export`, `home restore`, `version`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bootstrap.cli.asking import Result, hand_over, home_of
from bootstrap.cli.certificates import RootOption
from bootstrap.cli.options import HomeOption, JsonOption
from wire.errors import UsageError


def init(
    swarm: Annotated[str, typer.Option("--swarm", metavar="NAME", help="The name of this swarm.")],
    project: Annotated[str, typer.Option("--project", metavar="NAME", help="The project that its agents work on.")],
    home: HomeOption = None,
    profile: Annotated[
        Literal["lan", "wan", "spec"], typer.Option("--profile", help="Timing: one building, the internet, or slow.")
    ] = "lan",
    listen: Annotated[
        list[str] | None, typer.Option("--listen", metavar="MULTIADDR", help="Where to listen; may be repeated.")
    ] = None,
    backup_of: Annotated[
        str | None,
        typer.Option("--backup-of", metavar="TICKET", help="Be a backup of the swarm that made this ticket."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a home, with the keys and the state of one swarm. With --backup-of, of a backup of its queen."""
    from bootstrap.backups import found_backup
    from bootstrap.founding import found_home
    from bootstrap.home import Home
    from bootstrap.keyfiles import NODE, ROOT, read_key
    from wire.ids import peer_id_of, swarm_id_of

    if backup_of is not None:
        spare, request = found_backup(Home.locate(home), swarm, project, profile, listen or [], backup_of)
        backup = {
            "home": str(spare.path),
            "swarm": swarm,
            "swarm_id": request.swarm.hex(),
            "project": project,
            "profile": profile,
            "peer_id": request.peer,
            "request": str(spare.backup_file),
        }
        hand_over(backup, as_json, _show_backup)
        return
    made = found_home(Home.locate(home), swarm, project, profile, listen or [])
    result = {
        "home": str(made.path),
        "swarm": swarm,
        "swarm_id": swarm_id_of(read_key(made.keys, ROOT).public).hex(),
        "project": project,
        "profile": profile,
        "peer_id": peer_id_of(read_key(made.keys, NODE).public),
        "root_key": str(made.keys / ROOT.file),
    }
    hand_over(result, as_json, _show_init)


def _show_backup(result: Result) -> None:
    from bootstrap.console import facts, say

    facts({"home": result["home"], "backup of": result["swarm"], "node": result["peer_id"]})
    say("")
    say("Next: `zenmesh run` here; and on the node of the queen, with the root key:")
    say(f"`zenmesh backup add {result['request']}`.")
    say("The request holds nothing secret: copy it there in any way.")


def _show_init(result: Result) -> None:
    from bootstrap.console import facts, say

    facts({"home": result["home"], "swarm": result["swarm"], "node": result["peer_id"]})
    say("")
    say(f"The root key is {result['root_key']}: whoever holds it owns the swarm.")
    say("Once this swarm belongs to a federation, move it offline. Running does not need it: only what is rare does,")
    say("such as `zenmesh renew`, `zenmesh backup` and `zenmesh recover`.")
    say("Next: `zenmesh federation create --name NAME`, or `zenmesh join TICKET`; then `zenmesh run`.")


def recover(
    new_term: Annotated[
        bool, typer.Option("--new-term", help="Begin a new term: a fresh queen key, and an end for the old one.")
    ] = False,
    root_key: RootOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the swarm speak again, in a new term. After a lost or restored disk, or a stolen queen key."""
    if not new_term:
        raise UsageError(
            "recovering takes --new-term: the swarm gets a new queen key, the old one is shut out for ever"
        )
    from bootstrap.founding import begin_new_term
    from mesh.runtime import clock

    found = home_of(home)
    term = begin_new_term(found, root_key, clock.wall_ms())
    result = {"home": str(found.path), "swarm": term.swarm, "term": term.term, "waiting": term.waiting}
    hand_over(result, as_json, _show_recover)


def _show_recover(result: Result) -> None:
    from bootstrap.console import say

    what = "is prepared already and waits for the federation" if result["waiting"] else "begins at the next start"
    say(f"term {result['term']} of {result['swarm']} {what}.")
    say("Next: `zenmesh run`. Writing begins when the federation has ordered the term: see `zenmesh status`.")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write; never overwritten.")],
    with_root_key: Annotated[bool, typer.Option("--with-root-key", help="Put the root key into it too.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole home into one file. It holds keys: keep it like one."""
    from bootstrap.archive import export_home

    found = home_of(home)
    names = export_home(found, file, with_root_key=with_root_key)
    result = {"home": str(found.path), "file": str(file), "files": len(names), "with_root_key": with_root_key}
    hand_over(result, as_json, _show_export)


def _show_export(result: Result) -> None:
    from bootstrap.console import say

    say(f"{result['files']} files of {result['home']} are in {result['file']}. It holds keys: keep it like one.")
    if not result["with_root_key"]:
        say("The root key is not in it.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a home from an archive. It starts in a new term, for an archive is the past."""
    from bootstrap.archive import restore_home
    from bootstrap.home import Home

    result = {"home": str(restore_home(file, Home.locate(home)).path), "file": str(file), "restored": True}
    hand_over(result, as_json, _show_restore)


def _show_restore(result: Result) -> None:
    from bootstrap.console import say

    say(f"{result['home']} is restored from {result['file']}.")
    say("Make sure that the node it was taken from never runs again. Next: `zenmesh recover --new-term`.")


def version(as_json: JsonOption = False) -> None:
    """Which zenmesh this is."""
    from importlib.metadata import version as version_of
    from platform import python_version

    from bootstrap.home import FORMAT
    from wire.types import Channel

    result = {
        "version": version_of("zenmesh"),
        "python": python_version(),
        "home_format": FORMAT,
        "protocols": [channel.value for channel in Channel if channel.value.startswith("/")],
    }
    hand_over(result, as_json, lambda result: print(f"zenmesh {result['version']} (Python {result['python']})"))
