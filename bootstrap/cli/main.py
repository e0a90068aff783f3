"""The command `zenmesh`: the table of commands, and the one place where a failure becomes an exit code.

A command is a function; adding one is a row of `COMMANDS`. Modules of commands import next to nothing: what a command
needs it imports when it runs, and only the node itself imports libp2p, so that the command line answers at once.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable, Sequence

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from bootstrap.cli import (
    backups,
    certificates,
    chaos,
    chaos_hunts,
    chaos_live,
    chaos_twins,
    demo,
    doctor,
    failures,
    federations,
    governing,
    homes,
    members,
    memories,
    nodes,
    takeovers,
)
from bootstrap.cli.helping import Command
from bootstrap.cli.misuse import misuse_of

NAME = "zenmesh"
INTERRUPTED = 130  # as shells count it: 128 + SIGINT

COMMANDS: dict[str, Callable[..., int | None]] = {
    "init": homes.init,
    "run": nodes.run,
    "status": nodes.status,
    "peers": nodes.peers,
    "invite": federations.invite,
    "join": federations.join,
    "discover": federations.discover,
    "federation create": federations.create,
    "federation admit": federations.admit,
    "federation genesis": federations.genesis,
    "memory put": memories.put,
    "memory get": memories.get,
    "memory ls": memories.ls,
    "memory rm": memories.rm,
    "members": members.members,
    "propose": governing.propose,
    "proposals": governing.proposals,
    "vote": governing.vote,
    "decisions": governing.decisions,
    "verify": governing.verify,
    "expel": members.expel,
    "reinstate": members.reinstate,
    "leave": members.leave,
    "renew": certificates.renew,
    "backup add": backups.add,
    "backup list": backups.list_,
    "backup remove": backups.remove,
    "takeover request": takeovers.request,
    "takeover sign": takeovers.sign,
    "takeover submit": takeovers.submit,
    "home export": homes.export,
    "home restore": homes.restore,
    "recover": homes.recover,
    "doctor": doctor.doctor,
    "chaos list": chaos.list_,
    "chaos run": chaos.run,
    "chaos fuzz": chaos_hunts.fuzz,
    "chaos replay": chaos.replay,
    "chaos minimize": chaos.minimize,
    "chaos canaries": chaos_hunts.canaries,
    "chaos twins": chaos_twins.twins,
    "chaos live": chaos_live.live,
    "demo": demo.demo,
    "version": homes.version,
}

GROUPS = {
    "federation": "Found a federation, admit swarms, hand out its genesis.",
    "backup": "Who takes over when the queen of this swarm has failed.",
    "takeover": "Govern without a creator that is lost before it handed over.",
    "memory": "Federated memory: write your own namespace, read everyone's.",
    "home": "Take a home away in one file, and bring it back.",
    "chaos": "Torture a federation, and reproduce what breaks. In a simulated world, or live.",
}

_HELP = "A federation of AI-agent swarms with no central coordinator."
_NEGATIVE_NUMBERS = {"ignore_unknown_options": True}  # `memory put KEY -5` is no option


def build() -> typer.Typer:
    """The whole command line."""
    root = _typer(_HELP, add_completion=True)
    groups = {name: _typer(text) for name, text in GROUPS.items()}
    for name, typer_group in groups.items():
        root.add_typer(typer_group, name=name)
    for path, function in COMMANDS.items():
        group, _, name = path.rpartition(" ")
        settings = _NEGATIVE_NUMBERS if path == "memory put" else None
        (groups[group] if group else root).command(name, cls=Command, context_settings=settings)(function)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Says whatever went wrong, and never raises."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path or a name that this terminal cannot show is no error
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = _parser()(given or ["--help"], prog_name=NAME, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as ended:  # completion has answered, or nobody reads what is printed
        return ended.code if isinstance(ended.code, int) else 1
    except TyperException as error:
        return failures.tell(misuse_of(error), as_json="--json" in given)
    except Exception as error:
        return failures.tell(failures.complaint_of(error), as_json="--json" in given)
    return code if isinstance(code, int) else 0


@functools.cache
def _parser() -> Callable[..., object]:
    return get_command(build()).main


def _typer(text: str, add_completion: bool = False) -> typer.Typer:
    return typer.Typer(
        help=text, add_completion=add_completion, pretty_exceptions_enable=False, rich_markup_mode=None
    )
