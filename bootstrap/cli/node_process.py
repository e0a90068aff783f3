"""The process that is the node: what `zenmesh run` turns into once it has understood what it was told.

Reading a command line takes modules (10 MB of them) that a node would carry for life and never use. So `run` replaces
itself by a fresh interpreter that imports what a node needs and nothing else. For everybody around it (shell, service
manager, `kill`) that is one process: the same id, the same streams, the same exit code.
"""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import msgspec

from bootstrap.cli import failures
from bootstrap.cli.start_screen import StartScreen
from bootstrap.options import LogFormat, RunOptions
from mesh.protocol.commands import FailureKind
from wire.errors import ZenmeshError

INTERRUPTED = 130  # as shells count it: 128 + SIGINT
CRASH = "crash.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run, and how to show it; `log_format` None leaves standard output to the start screen."""

    home: str
    options: RunOptions
    log_format: LogFormat | None
    as_json: bool


def become_node(order: Order) -> NoReturn:
    """Replace this process by the node."""
    started_from_here = sys.path[0] in ("", os.getcwd())  # python -m: modules may lie in the working directory
    flags = [] if started_from_here else ["-P"]
    order_text = msgspec.json.encode(order, enc_hook=str).decode()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *flags, "-m", __name__, order_text])


def main(order_text: str) -> int:
    """Be the node; the exit code."""
    order = msgspec.json.decode(order_text, type=Order, dec_hook=lambda kind, text: kind(text))
    try:
        _run(order)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        complaint = failures.complaint_of(error) if failures.is_foreseen(error) else _crashed(error, Path(order.home))
        return failures.tell(complaint, order.as_json)
    return 0


def _crashed(error: Exception, home: Path) -> failures.Complaint:
    """A mistake of ours may not come again: keep where it happened, so that it can be mended."""
    file = home / CRASH
    happened = "".join(traceback.format_exception(error))
    try:
        file.write_text(happened, errors="backslashreplace")
        where = f"where it happened is in {file}: keep that file"
    except OSError as refused:  # a full disk may be what it all began with
        sys.stderr.write(happened)
        where = f"where it happened stands above ({file} cannot be written: {refused.strerror}): keep it"
    return failures.Complaint(kind=FailureKind.FAILED, message=failures.unforeseen(error, where))


def _run(order: Order) -> None:
    from mesh.runtime.stubs import import_libp2p_lean

    import_libp2p_lean()  # before anything that libp2p would share with us is there for real
    from bootstrap.daemon import run_daemon
    from bootstrap.home import Home
    from mesh.runtime.loop import Halted

    home = Home.open(Path(order.home))
    with StartScreen.fitting(home, as_json=order.as_json, log_format=order.log_format) as screen:
        try:
            run_daemon(home, replace(order.options, quiet=screen.replaces_log))
        except Halted as error:
            raise ZenmeshError(f"the node stopped itself: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
