"""The checks of `zenmesh doctor`: each is one function that looks at one thing and never changes it.

A check that cannot even be made is a finding, too. Where the node runs, its own status is asked for what only it
knows (clock offsets to peers, read-only, addresses); where it does not, ports are tried instead.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bootstrap.home import Home
from bootstrap.hooks import find_program
from bootstrap.identity import Outsider, load_standing
from bootstrap.keyfiles import ROOT, has_key
from bootstrap.socket_place import find_socket
from mesh.api.client import CallFailed, Client
from mesh.runtime.interfaces import Scope, interface_addresses
from wire.errors import ConfigError, NotRunning, ZenmeshError

FREE_BYTES = 256 * 1024 * 1024
CLOCK_MS = 1_000


class State(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding: what was looked at, what was found, what to do."""

    name: str
    state: State
    found: str
    advice: str = ""

    def as_dict(self) -> dict[str, str]:
        """As shown with --json."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class _Patient:
    home: Home
    status: dict[str, Any] | None  # of the running node


def examine(path: Path) -> list[Check]:
    """All checks on the home at `path`."""
    home = Home(path)
    try:
        home.check_format()
    except ConfigError as error:
        return [Check(name="home", state=State.FAILED, found=str(error), advice="make one with `zenmesh init`")]
    patient = _Patient(home, _status(home))
    return [check for examination in EXAMINATIONS for check in _carefully(examination, patient)]


def _carefully(examination: Callable[[_Patient], Iterator[Check]], patient: _Patient) -> Iterator[Check]:
    name = examination.__name__.removeprefix("_")
    try:
        yield from examination(patient)
    except ZenmeshError as error:
        yield Check(name=name, state=State.FAILED, found=str(error))
    except OSError as error:
        yield Check(name=name, state=State.FAILED, found=error.strerror or str(error))


def _status(home: Home) -> dict[str, Any] | None:
    with contextlib.suppress(NotRunning, CallFailed, ConfigError):
        return Client(find_socket(home.path), timeout_s=5.0).call("status")
    return None


def _config(patient: _Patient) -> Iterator[Check]:
    config = patient.home.config()
    yield Check(name="config", state=State.OK, found=f"swarm {config.swarm}, profile {config.profile}")
    if config.hook.program:
        yield Check(name="hook", state=State.OK, found=f"{find_program(config)} is asked how to vote")


def _keys(patient: _Patient) -> Iterator[Check]:
    standing = load_standing(patient.home, lambda: 0)
    if isinstance(standing, Outsider):
        yield Check(
            name="federation",
            state=State.WARNING,
            found="this home belongs to no federation yet",
            advice="`zenmesh federation create --name NAME`, or `zenmesh join TICKET`",
        )
        return
    identity = standing.identity
    yield Check(name="keys", state=State.OK, found=f"term {identity.term}, federation {standing.genesis.name}")
    if has_key(patient.home.keys, ROOT):
        yield Check(
            name="root key",
            state=State.WARNING,
            found=f"{patient.home.keys / ROOT.file} is still here",
            advice="move it to a safe place offline: whoever has it owns the swarm, and running does not need it",
        )


def _disk(patient: _Patient) -> Iterator[Check]:
    free = shutil.disk_usage(patient.home.path).free
    enough = free >= FREE_BYTES
    yield Check(
        name="disk",
        state=State.OK if enough else State.FAILED,
        found=f"{free // (1024 * 1024)} MiB are free",
        advice="" if enough else "make room: a node stops when it cannot write",
    )


def _node(patient: _Patient) -> Iterator[Check]:
    status = patient.status
    if status is None:
        yield Check(name="node", state=State.WARNING, found="it does not run", advice="start it with `zenmesh run`")
        return
    state = State.OK if status["lifecycle"] == "OPERATIONAL" else State.WARNING
    yield Check(name="node", state=state, found=f"{status['lifecycle']}: {status['lifecycle_reason']}")
    if status["read_only"]:
        yield Check(name="signing", state=State.WARNING, found=str(status["read_only"]))


def _clock(patient: _Patient) -> Iterator[Check]:
    peers = patient.status["peers"] if patient.status else []
    offsets = {peer["swarm"]: peer["clock_offset_ms"] for peer in peers if peer["clock_offset_ms"] is not None}
    if not offsets:
        yield Check(name="clock", state=State.WARNING, found="no linked peer to compare it with")
        return
    swarm, worst = max(offsets.items(), key=lambda item: abs(item[1]))
    fine = abs(worst) <= CLOCK_MS
    yield Check(
        name="clock",
        state=State.OK if fine else State.FAILED,
        found=f"differs from {swarm}'s by {abs(worst)} ms at most",
        advice="" if fine else "set up NTP here and there: writes of a clock that is ahead are held back by others",
    )


def _ports(patient: _Patient) -> Iterator[Check]:
    if patient.status is not None:
        addresses = ", ".join(patient.status["addresses"]) or "nowhere that others could dial"
        state = State.OK if patient.status["addresses"] else State.FAILED
        yield Check(name="ports", state=state, found=f"listening at {addresses}")
        return
    for address in patient.home.config().listen:
        _, family, host, _, port = address.split("/")[:5]
        kind = socket.AF_INET6 if family == "ip6" else socket.AF_INET
        try:
            with socket.socket(kind, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, int(port)))
            yield Check(name="ports", state=State.OK, found=f"{address} is free")
        except OSError as error:
            advice = "stop what uses it, or name another address in config.toml or with --listen"
            yield Check(name="ports", state=State.FAILED, found=f"{address}: {error.strerror}", advice=advice)


def _mdns(patient: _Patient) -> Iterator[Check]:
    if not patient.home.config().mdns:
        yield Check(name="mdns", state=State.OK, found="switched off in config.toml")
        return
    problems = patient.status.get("mdns_problems", []) if patient.status else []
    usable = [entry for entry in interface_addresses() if entry.scope is not Scope.LOOPBACK]
    if problems:
        yield Check(name="mdns", state=State.WARNING, found="; ".join(map(str, problems)))
    elif not usable:
        advice = "connect this machine to a LAN, or name members with --bootstrap"
        yield Check(name="mdns", state=State.WARNING, found="no network interface but loopback", advice=advice)
    else:
        yield Check(name="mdns", state=State.OK, found=f"on {', '.join(sorted({e.interface for e in usable}))}")


EXAMINATIONS: tuple[Callable[[_Patient], Iterator[Check]], ...] = (
    _config,
    _keys,
    _disk,
    _node,
    _clock,
    _ports,
    _mdns,
)
