"""How commands reach a home and its node, and how they hand over what they found.

Reading a home takes no node. Asking the node goes over its control socket; heavy modules are imported only when a
command needs them, so that the command line answers at once.
"""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mesh.api.client import Client

if TYPE_CHECKING:
    from bootstrap.home import Home

Result = Mapping[str, Any]


def home_of(option: str | None) -> Home:
    """The home that the command line means, checked to be one. Raises ConfigError."""
    from bootstrap.home import Home

    return Home.open(Home.locate(option))


def client_of(home: Home) -> Client:
    """A client of the node of `home`. Raises NotRunning when none has ever listened."""
    from bootstrap.socket_place import find_socket

    return Client(find_socket(home.path))


def client_to(option: str | None) -> Client:
    """A client of the node of the home that the command line means, which may be older than this command.

    Raises:
        ConfigError: this is no home.
        NotRunning: no node has ever listened there.
    """
    from bootstrap.home import Home

    return client_of(Home.find(Home.locate(option)))


def ask(option: str | None, operation: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
    """What the running node answers.

    Raises:
        NotRunning: no node serves this home.
        CallFailed: it said no.
        ConfigError: this is no home.
    """
    return client_to(option).call(operation, fields)


def hand_over(result: Result, as_json: bool, show: Callable[[Result], None]) -> None:
    """The end of a command: one JSON object for programs, or `show` for people."""
    if as_json:
        print_json(result)
    else:
        show(result)


def print_json(value: object) -> None:
    """One line of JSON on standard output, escaped where the terminal speaks less than UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(json.dumps(value, ensure_ascii=codecs.lookup(encoding).name != "utf-8"))
