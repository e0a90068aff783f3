"""`memory put | get | ls | rm`: what swarms tell each other, as JSON under keys.

A swarm writes its own namespace and reads everyone's. What `get` prints is JSON either way; `--json` only changes how
failures are told.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, NoReturn

import typer

from bootstrap.cli.asking import Result, ask, hand_over, print_json
from bootstrap.cli.options import HomeOption, JsonOption
from wire.errors import UsageError

STDIN = "-"

Key = Annotated[str, typer.Argument(metavar="KEY", help="The key.")]
SwarmOption = Annotated[
    str | None, typer.Option("--swarm", metavar="SWARM", help="Of this swarm only (its name or its id).")
]
ReplicatedOption = Annotated[bool, typer.Option("--replicated", help="Return once enough other members hold it too.")]


def put(
    key: Key,
    value: Annotated[str, typer.Argument(metavar="JSON", help="The value, as JSON text; - reads it from stdin.")],
    replicated: ReplicatedOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a value into this swarm's memory. Returns once it is durable here."""
    text = sys.stdin.read() if value == STDIN else value
    result = ask(home, "memory/put", {"key": key, "value": _parsed(text), "replicated": replicated})
    hand_over(result, as_json, _show_written)


def get(key: Key, swarm: SwarmOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the values of a key, as {swarm: value}. With --swarm the value alone."""
    if swarm is None:
        print_json(_by_name(ask(home, "memory/get", {"key": key})["values"]))
    else:
        print_json(ask(home, "memory/get", {"key": key, "swarm": swarm})["value"])


def ls(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Only keys that begin with it.")] = "",
    swarm: SwarmOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the keys of every swarm."""
    fields = {"prefix": prefix} if swarm is None else {"prefix": prefix, "swarm": swarm}
    result = ask(home, "memory/list", fields)
    hand_over({**result, "keys": _by_name(result["keys"])}, as_json, _show_keys)


def rm(key: Key, replicated: ReplicatedOption = False, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Remove a key of this swarm's own memory."""
    hand_over(ask(home, "memory/remove", {"key": key, "replicated": replicated}), as_json, _show_removed)


def _by_name(rows: dict[str, Any]) -> dict[str, Any]:
    """Swarms in the order that people look for them; the node has them by their ids."""
    return dict(sorted(rows.items()))


def _parsed(text: str) -> object:
    """The value in `text`. Raises UsageError."""
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        hint = "quote a text twice, once for the shell and once for JSON: '\"hello\"'"
        raise UsageError(f"the value is not JSON ({error}); {hint}") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _show_written(result: Result) -> None:
    held = "held by enough other members" if result["replicated"] else "durable here"
    print(f"{result['key']}: {held} (record {result['seq']} of {result['swarm']}, term {result['term']})")


def _show_removed(result: Result) -> None:
    print("removed ", end="")
    _show_written(result)


def _show_keys(result: Result) -> None:
    from bootstrap.console import table

    table(["swarm", "key"], [[swarm, key] for swarm, keys in result["keys"].items() for key in keys])
