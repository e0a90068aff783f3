"""The control API's client for programs that just want to ask: synchronous, standard library only, quick to import.

    Client(home / "control.sock").call("memory/put", {"key": "plan", "value": {"step": 1}})

One connection per call: on a Unix socket that costs nothing that anyone could notice.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mesh.api import sockets
from mesh.protocol.commands import FailureKind
from wire.errors import NotRunning, ZenmeshError

TIMEOUT_S = 75.0  # longer than the server's own patience with the node
MAX_ANSWER = 256 * 1024 * 1024


class CallFailed(ZenmeshError):
    """The node said no; `kind` is why, the message what to do."""

    def __init__(self, kind: FailureKind, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_s = retry_after_s


class Client:
    """Speaks to the node whose control socket is at `path`."""

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def call(self, operation: str, fields: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The result of `operation` (a name of `mesh.api.routes.OPERATIONS`).

        Raises:
            NotRunning: no node serves this socket, or it vanished before it answered.
            CallFailed: the node refused or failed.
        """
        status, body = self.request("POST", f"/v1/{operation}", json.dumps(fields or {}).encode())
        try:
            answer = json.loads(body)
            if answer["ok"]:
                result: dict[str, Any] = answer["result"]
                return result
            error = answer["error"]
            kind, message, retry = FailureKind(error["code"]), str(error["message"]), error["retry_after_s"]
        except (ValueError, KeyError, TypeError) as error:
            raise CallFailed(
                FailureKind.FAILED, f"the node answered HTTP {status} and no JSON that we know"
            ) from error
        raise CallFailed(kind, message, retry)

    def request(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """One HTTP exchange: the status and the body of the answer. Raises NotRunning."""
        try:
            sock = sockets.connect(self._path, self._timeout_s)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f"no node serves {self._path.parent}: start it with `zenmesh run`") from error
        except OSError as error:
            raise NotRunning(f"{self._path} cannot be reached: {error}") from error
        with sock:
            try:
                head = f"{method} {target} HTTP/1.1\r\nHost: zenmesh\r\nConnection: close\r\n"
                head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                _send(sock, head.encode() + body)
                return _parse(_read_to_end(sock))
            except TimeoutError as error:
                raise NotRunning(f"the node did not answer within {self._timeout_s:.0f} s", 5.0) from error
            except (OSError, ValueError) as error:
                raise NotRunning(f"the node ended the conversation without an answer ({error})") from error


def _send(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return  # refused before it was read to the end: the answer says why


def _read_to_end(sock: socket.socket) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size <= MAX_ANSWER:
        part = sock.recv(1 << 18)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    raise ValueError(f"an answer of over {MAX_ANSWER} bytes")


def _parse(raw: bytes) -> tuple[int, bytes]:
    """Status and body; raises ValueError when the answer is not whole."""
    head, found, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not found or not version.startswith("HTTP/1."):
        raise ValueError("not an HTTP answer")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length" and int(value) != len(body):
            raise ValueError("the answer was cut off")
    return int(rest.split(" ", 1)[0]), body
