"""etcd beside us: a group of real members on this machine, and how long a put takes that is on their disks."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import free_port, patiently

START_S = 30.0


def missing() -> str:
    """Why it cannot be measured here; empty when it can."""
    return "" if shutil.which("etcd") else "etcd is not installed (Debian: etcd-server)"


def puts(members: int, count: int, warm_up: int) -> list[float]:
    """Seconds of each put, one after the other over one connection to one member."""
    with tempfile.TemporaryDirectory() as directory, _group(Path(directory), members) as ports:
        connection = http.client.HTTPConnection("127.0.0.1", ports[-1], timeout=START_S)
        took = []
        for number in range(warm_up + count):
            start = time.perf_counter()
            _put(connection, number)
            took.append(time.perf_counter() - start)
        return took[warm_up:]


@contextlib.contextmanager
def _group(directory: Path, members: int) -> Iterator[list[int]]:
    """Running members that take puts; the ports for clients."""
    clients, peers = ([free_port() for _ in range(members)] for _ in range(2))
    everyone = ",".join(f"e{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("wb"))
        for number, (client, peer) in enumerate(zip(clients, peers, strict=True)):
            options = {
                "name": f"e{number}",
                "data-dir": str(directory / f"e{number}"),
                "listen-client-urls": f"http://127.0.0.1:{client}",
                "advertise-client-urls": f"http://127.0.0.1:{client}",
                "listen-peer-urls": f"http://127.0.0.1:{peer}",
                "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
                "-".join(("initial", "cluster")): everyone,
            }
            command = ["etcd", *(word for name, value in options.items() for word in (f"--{name}", value))]
            stack.callback(_end, subprocess.Popen(command, stdout=log, stderr=log))
        for port in clients:
            _wait(port)
        yield clients


def _wait(port: int) -> None:
    for _ in patiently(START_S):
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            _put(http.client.HTTPConnection("127.0.0.1", port, timeout=5.0), 0)
            return
    raise AssertionError(f"the member of etcd on port {port} did not take a put within {START_S:g} s")


def _put(connection: http.client.HTTPConnection, number: int) -> None:
    key, value = (base64.b64encode(text).decode() for text in (b"t%d" % (number % 50), b"%0*d" % (200, number)))
    connection.request("POST", "/v3/kv/put", json.dumps({"key": key, "value": value}))
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
