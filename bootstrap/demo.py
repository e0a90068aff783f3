"""The demo: what a user would do by hand in several terminals, done here step by step with the same commands.

Nothing is faked: every node is a `zenmesh run` process with its own home, and everything the demo knows it asked
through the control sockets.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from bootstrap.home import Home
from bootstrap.socket_place import find_socket
from mesh.api.client import CallFailed, Client
from wire.errors import NotRunning, Unavailable

NAMES = ("atlas", "boreas", "ceres", "daphne", "eos", "faunus", "gaia", "helios")
STEP_S = 30.0
POLL_S = 0.05
LISTEN = "/ip4/127.0.0.1/tcp/0"


@dataclass(slots=True)
class _Swarm:
    """One home and its process."""

    name: str
    path: Path
    process: subprocess.Popen[bytes] | None = None

    def zenmesh(self, *arguments: str) -> str:
        """One command on this home; its output."""
        command = [sys.executable, "-m", "bootstrap.cli", *arguments, "--home", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"`zenmesh {' '.join(arguments)}` failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def start(self) -> None:
        """Start the node in the background; its log lies beside the home."""
        command = [sys.executable, "-m", "bootstrap.cli", "run", "--home", str(self.path), "--listen", LISTEN]
        with self.path.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, operation: str, **fields: object) -> dict[str, Any]:
        """Ask the node; {} while it does not answer."""
        with contextlib.suppress(NotRunning, CallFailed):
            return Client(find_socket(Home(self.path).path)).call(operation, fields)
        return {}

    def end(self, how: signal.Signals) -> None:
        """Stop the process, or kill it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None


def run_demo(count: int, keep: bool) -> None:
    """Tell the story. Raises Unavailable when a step does not come true."""
    directory = Path(tempfile.mkdtemp(prefix="zenmesh-demo-"))
    names = [NAMES[i % len(NAMES)] + (str(i // len(NAMES)) if i >= len(NAMES) else "") for i in range(count)]
    swarms = [_Swarm(name, directory / name) for name in names]
    try:
        _tell(swarms)
        if keep:
            typer.echo(f"\nThe nodes run on; their homes are in {directory}. Try:")
            typer.echo(f"  zenmesh status --home {swarms[0].path}")
    finally:
        if not keep:
            for swarm in swarms:
                swarm.end(signal.SIGTERM)
            shutil.rmtree(directory, ignore_errors=True)


def _tell(swarms: list[_Swarm]) -> None:
    first, last = swarms[0], swarms[-1]
    with _step(f"{len(swarms)} swarms make their homes; {first.name} founds the federation `demo`"):
        for swarm in swarms:
            swarm.zenmesh("init", "--swarm", swarm.name, "--project", "demo")
        first.zenmesh("federation", "create", "--name", "demo")
    with _step(f"{first.name} runs, and invites the others by one-line tickets"):
        first.start()
        _until(lambda: _operational([first], 1), f"{first.name} is operational")
        for swarm in swarms[1:]:
            swarm.zenmesh("join", first.zenmesh("invite"))
            swarm.start()
    with _step("everyone is a member and holds the same state"):
        _until(lambda: _operational(swarms, len(swarms)), "all members are operational")
        _until(lambda: _agree(swarms), "all members agree")
    _show(swarms)
    with _step(f"{last.name} writes, {first.name} reads"):
        last.zenmesh("memory", "put", "plan", '{"step": 1, "goal": "ship"}')
        _until(lambda: _reads(first, "plan"), "the write arrives")
    typer.echo(f"    {first.zenmesh('memory', 'get', 'plan', '--json')}")
    with _step(f"{last.name} is killed (kill -9); the others write on"):
        last.end(signal.SIGKILL)
        first.zenmesh("memory", "put", "while-away", '"you were gone"')
    with _step(f"{last.name} comes back from its disk, finds the others, and has what it missed"):
        last.start()
        _until(lambda: _reads(last, "while-away") and _reads(last, "plan"), f"{last.name} catches up")
        _until(lambda: _agree(swarms), "all members agree")
    _show(swarms)


def _operational(swarms: list[_Swarm], members: int) -> bool:
    states = [swarm.ask("status") for swarm in swarms]
    return all(s.get("lifecycle") == "OPERATIONAL" and len(s.get("members", ())) == members for s in states)


def _agree(swarms: list[_Swarm]) -> bool:
    roots = [(s.get("state_root"), s.get("height")) for s in (swarm.ask("status") for swarm in swarms)]
    return len(set(roots)) == 1 and roots[0][0] is not None


def _reads(swarm: _Swarm, key: str) -> bool:
    return bool(swarm.ask("memory/get", key=key).get("values"))


def _show(swarms: list[_Swarm]) -> None:
    for swarm in swarms:
        status = swarm.ask("status")
        root, links = str(status.get("state_root"))[:12], len(status.get("peers", ()))
        memory = int(status.get("rss_bytes", 0)) // 1_000_000
        typer.echo(f"    {swarm.name:<10} {status.get('lifecycle'):<12} state {root}  links {links}  {memory} MB")


@contextlib.contextmanager
def _step(text: str) -> Iterator[None]:
    typer.echo(f"\n• {text}")
    began = time.monotonic()
    yield
    typer.secho(f"    done in {time.monotonic() - began:.1f} s", fg=typer.colors.GREEN)


def _until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + STEP_S
    while not holds():
        if time.monotonic() > end:
            raise Unavailable(f"not within {STEP_S:.0f} s: {what} (pid {os.getpid()})")
        time.sleep(POLL_S)
