"""Stand-ins: a home's real node with something changed in it, in a process of its own, in place of `zenmesh run`.

    home.launch = launching("tests.support.doomed", word)       # its node is that module's from the next start on

    if __name__ == "__main__":                                  # and there:
        stand_in(sys.argv[1:], change)

`change` gets the word and the home before the node is made. What it returns is put between the node and its network;
None leaves that as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bootstrap.home import Home
from bootstrap.options import RunOptions

if TYPE_CHECKING:
    from bootstrap.daemon import Between

Change = Callable[[str, Home], "Between | None"]


def launching(module: str, word: str) -> Callable[..., subprocess.Popen[bytes]]:
    """What starts a home's node as the stand-in of `module`."""

    def launch(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        arguments = command[command.index("run") + 1 :]
        return subprocess.Popen([sys.executable, "-m", module, word, *arguments], **options)

    return launch


def stand_in(arguments: list[str], change: Change) -> None:
    """Be the node of a home, changed, until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("word")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--listen", action="append", default=[])
    parser.add_argument("--mdns", action=argparse.BooleanOptionalAction)
    told = parser.parse_args(arguments)

    from mesh.runtime.stubs import import_libp2p_lean

    import_libp2p_lean()  # before anything that libp2p would share with us is there for real
    from bootstrap.daemon import run_daemon

    home = Home.open(told.home)
    options = RunOptions(listen=tuple(told.listen), mdns=told.mdns)
    run_daemon(home, options, between=change(told.word, home))
