"""One swarm as its operator has it: a home, commands on it, and its node in a process of its own.

Nothing is known of the node but what it answers on its control socket. It has a session of its own, so that Ctrl-C
in the terminal reaches only whoever plays with it, who then ends it in order.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.home import Home
from bootstrap.socket_place import find_socket
from consensus.genesis import Params
from mesh.api.client import CallFailed, Client
from wire.errors import NotRunning, Unavailable

ZENMESH = (sys.executable, "-m", "bootstrap.cli")
LIAR = (sys.executable, "-m", "bootstrap.live.liar")
INVITES = Params().max_unvouched_per_inviter  # members that one brings in without a vote
ANSWER_S = 10.0
STOP_S = 10.0

Launch = Callable[..., "subprocess.Popen[bytes]"]


@dataclass(slots=True)
class Swarm:
    """One home and its process. `arguments` are those of `command`, a node's; `launch` replaces Popen."""

    name: str
    path: Path
    arguments: tuple[str, ...] = ()
    command: tuple[str, ...] = (*ZENMESH, "run")
    launch: Launch = subprocess.Popen
    process: subprocess.Popen[bytes] | None = None

    def zenmesh(self, *arguments: str) -> str:
        """One command on this home; its output. Raises Unavailable when it fails."""
        command = [*ZENMESH, *arguments, "--home", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"`zenmesh {' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def start(self) -> None:
        """Start the node in the background; its log lies beside the home."""
        command = [*self.command, "--home", str(self.path), *self.arguments]
        with self.path.with_suffix(".log").open("ab") as log:
            self.process = self.launch(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def discover(self) -> set[str]:
        """The swarms that `zenmesh discover` shows where this one's node is."""
        command = [*ZENMESH, "discover", "--json"]
        out, _ = self.launch(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).communicate()
        return {row["swarm"] for row in json.loads(out or b'{"found": []}')["found"] if row["swarm"]}

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal, if there is one."""
        if self.process is not None:
            self.process.send_signal(number)

    def call(self, operation: str, **fields: object) -> dict[str, Any]:
        """What the node answers. Raises NotRunning or CallFailed."""
        return Client(find_socket(Home(self.path).path), timeout_s=ANSWER_S).call(operation, fields)

    def ask(self, operation: str, **fields: object) -> dict[str, Any]:
        """What the node answers; {} while it does not."""
        with contextlib.suppress(NotRunning, CallFailed):
            return self.call(operation, **fields)
        return {}

    def end(self, how: signal.Signals) -> None:
        """Stop the process, or kill it; one that does not stop is killed."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
