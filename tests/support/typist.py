"""Whoever follows a document: types its commands, on as many machines as it speaks of, and looks at what comes out.

A machine is a directory of its own, which is also the user's home directory, and, for documents that start nodes, a
network namespace on a LAN: nodes then listen on the ports and find each other in the ways that the document says. A
node runs until the end of the document and is then stopped as a service manager would. While nodes run, a command
that does not (yet) do what the document shows is typed again: nodes meet at their own pace.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from bootstrap.live.netns import Lan
from bootstrap.socket_place import find_socket
from mesh.api.client import CallFailed, Client
from tests.support.documents import Command
from wire.errors import NotRunning

ELLIPSIS = "…"
_HEX = re.compile(r"[0-9a-f]{8,}…")

_COMMAND_S = 300  # a command that hangs; none takes so long
_PATIENCE_S = 60.0
_STOP_S = 20.0
_POLL_S = 0.1
_BINARIES = Path(sys.executable).parent  # where `make` puts the command


class Machine:
    """One user on one computer."""

    def __init__(self, directory: Path, prefix: Sequence[str]) -> None:
        directory.mkdir()
        self.directory = directory
        self.prefix = prefix
        self.environment = {
            "PATH": f"{_BINARIES}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
        }

    def type(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.prefix, "sh", "-c", text],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
        )

    def start(self, text: str) -> Node:
        """Start a node."""
        words = shlex.split(text)
        home = self.directory / (words[words.index("--home") + 1] if "--home" in words else ".zenmesh")
        log = self.directory / f"node-{home.name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*self.prefix, "sh", "-c", f"exec {text}"],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        return Node(process, home, log)


class Node:
    """A running node."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path, log: Path) -> None:
        self._process = process
        self._home = home
        self._log = log

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._log.read_text(errors="replace")

    def serves(self) -> bool:
        """Whether it answers questions."""
        assert self._process.poll() is None, f"the node ended:\n{self.said}"
        with contextlib.suppress(NotRunning, CallFailed):
            return bool(Client(find_socket(self._home)).call("status"))
        return False

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(_STOP_S)
        finally:
            self._process.kill()
            self._process.wait()


class Typist:
    """Follows one document. Leaving the block stops the nodes and wants them to end in order."""

    def __init__(self, directory: Path, machines: Iterable[str], lan: Lan | None = None) -> None:
        self._machines = {
            name: Machine(directory / (name or "here"), lan.argv(number, ()) if lan else ())
            for number, name in enumerate(machines)
        }
        self._nodes: list[Node] = []
        self._meant: dict[str, str] = {}  # what stood where the document has `…`

    def __enter__(self) -> Typist:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        codes = [node.stop() for node in self._nodes]
        assert error is not None or codes == [0] * len(codes), f"nodes ended with {codes}"

    def follow(self, command: Command) -> None:
        """Type one command; an AssertionError when it fails, or prints something else than is shown."""
        machine = self._machines[command.machine]
        text = command.text
        for word, meant in self._meant.items():
            text = text.replace(word, meant)
        if command.is_node:
            node = machine.start(text)
            self._nodes.append(node)
            self._patiently(lambda: node.serves() and self._shown(command, node.said), lambda: node.said, command)
            return
        seen = ""

        def works() -> bool:
            nonlocal seen
            done = machine.type(text)
            seen = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
            return done.returncode == 0 and self._shown(command, done.stdout)

        self._patiently(works, lambda: seen, command)

    def _patiently(self, holds: Callable[[], bool], seen: Callable[[], str], command: Command) -> None:
        deadline = time.monotonic() + (_PATIENCE_S if self._nodes else 0.0)
        while not holds():
            logs = "\n".join(node.said for node in self._nodes)
            assert time.monotonic() < deadline, (
                f"{command.machine}$ {command.text}\n--- is to print ---\n" + "\n".join(command.output)
                + f"\n--- it says ---\n{seen()}\n--- nodes ---\n{logs}"
            )  # fmt: skip
            time.sleep(_POLL_S)

    def _shown(self, command: Command, printed: str) -> bool:
        """Whether the lines that the document shows were printed in that order; others may stand between them."""
        lines = iter(printed.splitlines())
        shown = [line for line in command.output if line.strip() != ELLIPSIS]
        return all(any(self._fits(one, line) for line in lines) for one in shown)

    def _fits(self, shown: str, line: str) -> bool:
        """Whether a printed line is as shown; if so, notes what stood where words have `…`."""
        words = shown.split()
        there = line.split()
        pattern = r"\s+".join(_rule(word, ".*") for word in words)
        if re.fullmatch(rf"\s*{pattern}\s*", line) is None:
            return False
        for word in words:
            if ELLIPSIS in word and word != ELLIPSIS:
                rule = _rule(word, r"\S*")
                self._meant[word] = next((found for found in there if re.fullmatch(rule, found)), word)
        return True


def _rule(word: str, anything: str) -> str:
    """What a word of a document stands for; hexadecimal digits before an ellipsis, any other ones."""
    if _HEX.fullmatch(word):
        return "[0-9a-f]{8,}"
    return re.escape(word).replace(ELLIPSIS, anything)
