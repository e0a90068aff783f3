"""Real nodes in real processes, started and asked through the command line as a user would.

    with Federation(tmp_path) as federation:
        alpha, beta = federation.form("alpha", "beta")
        alpha.put("plan", {"step": 1})
        beta.wait_until(lambda status: status["members"][0]["seq"] == 1, "alpha's write")
        beta.kill()

`Home` is a home directory and the commands that work on it; it holds the running process, if any. `wait_until` asks
the control socket until a condition holds and shows the log of the node when it does not. Whatever a `Federation`
started it kills at its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from bootstrap.config import render_config
from bootstrap.live.swarm import INVITES
from mesh.api.client import CallFailed, Client
from wire.errors import NotRunning

SOCKET_NAME = "control.sock"
ZENMESH = [sys.executable, "-m", "bootstrap.cli"]
LOOPBACK = "/ip4/127.0.0.1/tcp/0"

_COMMAND_S = 60.0
_STOP_S = 10.0
_POLL_S = 0.02
_LOG_TAIL = 4000

Status = dict[str, Any]
Launch = Callable[..., "subprocess.Popen[bytes]"]


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Ran:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


def zenmesh(
    *arguments: str, check: bool = True, env: Mapping[str, str] | None = None, patience_s: float = _COMMAND_S
) -> Ran:
    """Run one command; with `check` a failure is an AssertionError that shows what it said."""
    done = subprocess.run(
        [*ZENMESH, *arguments], capture_output=True, text=True, timeout=patience_s, env={**os.environ, **(env or {})}
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert not check or ran.code == 0, f"zenmesh {' '.join(arguments)}: exit {ran.code}\n{ran.out}\n{ran.err}"
    return ran


class Home:
    """One swarm's home directory and, while it runs, its node. `launch` replaces Popen (network namespaces)."""

    def __init__(self, directory: Path, name: str, launch: Launch = subprocess.Popen) -> None:
        self.directory = directory
        self.name = name
        self.log_path = directory.with_name(f"{directory.name}.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.launch = launch
        self._log: IO[bytes] | None = None

    # commands

    def cli(self, *arguments: str, check: bool = True) -> Ran:
        """`zenmesh ARGUMENTS --home THIS --json`."""
        return zenmesh(*arguments, "--home", str(self.directory), "--json", check=check)

    def cli_text(self, *arguments: str) -> str:
        """What a person reads."""
        return zenmesh(*arguments, "--home", str(self.directory)).out

    def init(self, project: str = "demo", profile: str = "lan") -> Home:
        """Make the home."""
        self.cli("init", "--swarm", self.name, "--project", project, "--profile", profile)
        return self

    def configure(self, **settings: object) -> Home:
        """Change fields of config.toml; those of a table as a dict. A node reads them when it starts."""
        file = self.directory / "config.toml"
        values = tomllib.loads(file.read_text())
        for name, value in settings.items():
            values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
        file.write_text(render_config(values))
        return self

    def create_federation(self, name: str = "test", admission: str = "ticket") -> str:
        """Found a federation; its id."""
        return str(self.cli("federation", "create", "--name", name, "--admission", admission).json["federation_id"])

    def invite(self) -> str:
        """A ticket of the running node."""
        return str(self.call("invite")["ticket"])

    def join(self, *arguments: str) -> Ran:
        """`zenmesh join`, with a ticket or options."""
        return self.cli("join", *arguments)

    # the process

    def run(self, *arguments: str, listen: Sequence[str] = (LOOPBACK,), mdns: bool = False) -> Home:
        """Start the node; returns at once (see `wait_ready`)."""
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        command = [*ZENMESH, "run", "--home", str(self.directory), "--mdns" if mdns else "--no-mdns"]
        for address in listen:
            command += ["--listen", address]
        self._log = self.log_path.open("ab")
        self.process = self.launch(
            [*command, *arguments], stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT
        )
        return self

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, as a power cut would."""
        return self._end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: a machine that hangs."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._running().send_signal(signal.SIGCONT)

    def _end(self, with_signal: signal.Signals) -> int:
        process = self._running()
        process.send_signal(with_signal)
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)
            raise AssertionError(f"{self.name} did not stop on {with_signal.name}\n{self.log()}") from None
        finally:
            self.process = None
            if self._log is not None:
                self._log.close()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, f"{self.name} was not started"
        return self.process

    # asking

    def call(self, operation: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Ask the node's control socket directly: a hundred times quicker than a command."""
        return Client(self.directory / SOCKET_NAME, timeout_s=30.0).call(operation, fields)

    def metrics(self) -> dict[str, float]:
        """What `/metrics` says, by name without the `zenmesh_` in front; numbers that have no labels."""
        _, body = Client(self.directory / SOCKET_NAME, timeout_s=30.0).request("GET", "/metrics")
        rows = (line.rsplit(" ", 1) for line in body.decode().splitlines() if line[:1] not in "#" and "{" not in line)
        return {name.removeprefix("zenmesh_"): float(number) for name, number in rows}

    def status(self) -> Status:
        """`zenmesh status`, by the socket."""
        return self.call("status")

    def put(self, key: str, value: object, *, replicated: bool = False) -> None:
        """Write to this swarm's memory; returns once durable."""
        self.call("memory/put", {"key": key, "value": value, "replicated": replicated})

    def get(self, key: str) -> dict[str, Any]:
        """`{swarm: value}`; empty when nobody has the key."""
        try:
            values: dict[str, Any] = self.call("memory/get", {"key": key})["values"]
            return values
        except CallFailed:
            return {}

    def addresses(self) -> list[str]:
        """Dialable multiaddrs with their /p2p/ part."""
        return list(self.status()["addresses"])

    def wait_until(self, holds: Callable[[Status], object], what: str, timeout_s: float = 20.0) -> Status:
        """The first status for which `holds`; an AssertionError with the last one and the log after `timeout_s`."""
        last: Status = {}
        for _ in patiently(timeout_s):
            process = self._running()
            assert process.poll() is None, f"{self.name} ended with {process.returncode}\n{self.log()}"
            with contextlib.suppress(NotRunning):
                last = self.status()
                if holds(last):
                    return last
        shown = json.dumps(last, indent=1)[:_LOG_TAIL]
        raise AssertionError(f"{self.name}: not within {timeout_s} s: {what}\n{shown}\n{self.log()}")

    def wait_ready(self, timeout_s: float = 20.0) -> Status:
        """Wait for OPERATIONAL."""
        return self.wait_until(lambda status: status["lifecycle"] == "OPERATIONAL", "OPERATIONAL", timeout_s)

    def wait_for(self, key: str, values: Mapping[str, object], timeout_s: float = 20.0) -> None:
        """Wait until the memory shows exactly `values` under `key`."""
        for _ in patiently(timeout_s):
            if self.get(key) == values:
                return
        raise AssertionError(f"{self.name}: {key!r} is {self.get(key)}, not {dict(values)}\n{self.log()}")

    def log(self) -> str:
        """The end of what the node said."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return f"--- log of {self.name} ---\n{text[-_LOG_TAIL:]}"


class Federation:
    """A group of homes below one directory; everything still running is killed at the end of the block."""

    def __init__(self, directory: Path, launch: Launch = subprocess.Popen) -> None:
        self.directory = directory
        self.launch = launch
        self.homes: list[Home] = []

    def __enter__(self) -> Federation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for home in self.homes:
            if home.process is not None:
                home.kill()

    def home(self, name: str, launch: Launch | None = None) -> Home:
        """A new home, not initialized yet."""
        home = Home(self.directory / name, name, launch or self.launch)
        self.homes.append(home)
        return home

    def form(self, *names: str, mdns: bool = False, **settings: object) -> list[Home]:
        """Nodes with these names, in one federation created by the first, all OPERATIONAL and agreeing."""
        homes = [self.home(name).init().configure(**settings) for name in names]
        homes[0].create_federation()
        homes[0].run(mdns=mdns).wait_ready()
        for number, home in enumerate(homes[1:]):
            inviter = homes[number // INVITES]
            inviter.wait_ready()
            home.join(inviter.invite())
            home.run(mdns=mdns)
        for home in homes:
            home.wait_until(
                lambda status: status["lifecycle"] == "OPERATIONAL" and len(status["members"]) == len(names),
                f"OPERATIONAL with {len(names)} members",
            )
        agree(homes)
        return homes

    def govern(self, *names: str, **voting: object) -> list[Home]:
        """The same, once each has its vote; `voting` is how they use it."""
        homes = self.form(*names, voting=voting)
        for home in homes:
            home.wait_until(all_vote, "all members with a vote")
        return homes


def all_vote(status: Status) -> bool:
    """The queens govern, and each has a vote."""
    queens = status["consensus"]["governed_by"] == "queens" and status["consensus"]["voting"]
    return queens and all(row["state"] == "ACTIVE" for row in status["members"])


def agree(homes: Sequence[Home], timeout_s: float = 20.0) -> str:
    """Wait until all show one state root and one height; the root."""
    seen: list[tuple[Any, Any]] = []
    for _ in patiently(timeout_s):
        statuses = [home.status() for home in homes]
        seen = [(status["state_root"], status["height"]) for status in statuses]
        if len(set(seen)) == 1:
            return str(seen[0][0])
    logs = "\n".join(home.log() for home in homes)
    raise AssertionError(f"no agreement within {timeout_s} s: {seen}\n{logs}")


def patiently(timeout_s: float) -> Iterator[None]:
    """Turns of a polling loop; at least two."""
    deadline = time.monotonic() + timeout_s
    yield
    while time.monotonic() < deadline:
        time.sleep(_POLL_S)
        yield
    yield
