"""The control API of a running node: HTTP/1.1 (h11) on a Unix socket, and metrics on TCP for scrapers that need it.

    async with trio.open_nursery() as nursery:
        await nursery.start(serve, control, home / "control.sock", "127.0.0.1:9464")

Every connection is its own task and every limit is a field of `Limits`. Whatever a client does (garbage, silence, a
slow body, vanishing midway) ends its own connection and nothing else. Only this user, or root, may speak to the
Unix socket. The TCP port answers `/metrics` and `/healthz` alone, so that no web page can reach an operation.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import h11
import msgspec
import trio

from mesh.api import metrics, process, routes, sockets
from mesh.api.metrics import Metrics
from mesh.protocol.commands import Failure, FailureKind, GetStatus, Operation, Outcome, Success
from wire.errors import ConfigError

READY = "OPERATIONAL"
_JSON = "application/json"
_HEADER_CHUNK = 4 * 1024  # h11 checks its bound between chunks
_BODY_CHUNK = 64 * 1024
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}


class TaskStatus(Protocol):
    """What `nursery.start` hands in; told the addresses of the metrics listeners."""

    def started(self, value: list[str]) -> None: ...


class Control(Protocol):
    """The node, as the API sees it."""

    async def execute(self, operation: Operation) -> Outcome: ...
    def metrics(self) -> Metrics: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all of them together, may take."""

    connections: int = 64  # at once, per listener; more are told to come back
    header_bytes: int = 16 * 1024
    body_bytes: int = 1024 * 1024
    idle_s: float = 30.0  # for a whole request to arrive, and for an answer to be taken
    answer_s: float = 60.0  # for the node to answer
    linger_s: float = 1.0  # for a refused client to stop talking


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    body: bytes
    content_type: str = _JSON


async def serve(
    control: Control,
    socket_path: Path,
    metrics_tcp: str | None = None,
    limits: Limits | None = None,
    task_status: TaskStatus = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Started with the TCP addresses (`host:port`) that metrics listen on.

    Raises:
        ConfigError: the socket is in use, or the metrics address cannot be bound.
    """
    limits = limits or Limits()
    listeners = await _tcp_listeners(metrics_tcp) if metrics_tcp else []
    local = trio.SocketListener(_listening(sockets.listen(socket_path)))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_accept, local, _Door(Api(control, limits, operations=True), limits))
            for listener in listeners:
                nursery.start_soon(_accept, listener, _Door(Api(control, limits, operations=False), limits))
            task_status.started([_host_port(listener) for listener in listeners])
    finally:
        local.socket.close()
        sockets.remove(socket_path)
        for listener in listeners:
            listener.socket.close()


class Api:
    """Answers one request at a time; knows paths and operations, nothing of connections."""

    def __init__(self, control: Control, limits: Limits, *, operations: bool) -> None:
        self._control = control
        self._limits = limits
        self._operations = operations

    async def answer(self, method: str, target: str, body: bytes) -> Answer:
        """The response to `method target`."""
        path = target.partition("?")[0]
        if path == "/metrics" and method in ("GET", "HEAD"):
            return Answer(200, metrics.render(self._control.metrics()).encode(), metrics.CONTENT_TYPE)
        if path == "/healthz" and method in ("GET", "HEAD"):
            return await self._health()
        if self._operations and path.startswith(routes.PREFIX):
            return await self._operation(method, path.removeprefix(routes.PREFIX), body)
        return refusal(404, f"nothing is served at {path}: see /v1/status, /metrics, /healthz")

    async def _operation(self, method: str, name: str, body: bytes) -> Answer:
        if name not in routes.OPERATIONS:
            return refusal(404, f"no operation {name!r}; there are: {', '.join(routes.OPERATIONS)}")
        if method != "POST" and (method != "GET" or not routes.by_get(name)):
            return refusal(405, f"{name} is asked for by POST with a JSON object")
        try:
            operation = routes.parse(name, body)
        except routes.BadRequest as error:
            return refusal(400, str(error))
        return _encoded(*routes.answer(await self._execute(operation)))

    async def _execute(self, operation: Operation) -> Outcome:
        patience_s = self._limits.answer_s + routes.patience_s(operation)
        outcome: Outcome = Failure(
            kind=FailureKind.FAILED, message=f"the node did not answer within {patience_s:.0f} s"
        )
        with trio.move_on_after(patience_s):
            outcome = await self._control.execute(operation)
        if isinstance(operation, GetStatus) and isinstance(outcome, Success):
            return Success(result={**outcome.result, "rss_bytes": process.resident_bytes()})
        return outcome

    async def _health(self) -> Answer:
        match await self._execute(GetStatus()):
            case Success(result=result):
                state = result.get("lifecycle")
                return _encoded(200 if state == READY else 503, {"ok": state == READY, "lifecycle": state})
            case Failure() as failure:
                return _encoded(*routes.answer(failure))


def refusal(status: int, message: str) -> Answer:
    """The answer to a request that never became an operation."""
    return _encoded(status, routes.answer(Failure(kind=FailureKind.USAGE, message=message))[1])


def _encoded(status: int, body: dict[str, object]) -> Answer:
    return Answer(status, msgspec.json.encode(body) + b"\n")


class _Door:
    """Lets a bounded number of clients in and holds each conversation."""

    def __init__(self, api: Api, limits: Limits) -> None:
        self._api = api
        self._limits = limits
        self._inside = 0

    async def admit(self, stream: trio.SocketStream) -> None:
        """Talk with one client until either side has had enough. Raises nothing of the client's making."""
        self._inside += 1
        try:
            async with stream:
                if self._inside > self._limits.connections:
                    await self._send(stream, h11.Connection(h11.SERVER), refusal(503, "too many connections"))
                elif self._welcome(stream):
                    await self._converse(stream)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            return  # the client is gone, or broke the protocol beyond an answer
        finally:
            self._inside -= 1

    def _welcome(self, stream: trio.SocketStream) -> bool:
        if stream.socket.family != trio.socket.AF_UNIX:
            return True
        return sockets.peer_uid(stream.socket) in (os.geteuid(), 0)  # type: ignore[arg-type]

    async def _converse(self, stream: trio.SocketStream) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.header_bytes)
        while True:
            answer = await self._next_answer(stream, connection)
            if answer is None:
                return
            await self._send(stream, connection, answer)
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                await self._linger(stream)
                return
            connection.start_next_cycle()

    async def _next_answer(self, stream: trio.SocketStream, connection: h11.Connection) -> Answer | None:
        """Read one request and answer it; None when the client leaves or falls silent between requests."""
        request: h11.Request | None = None
        body = bytearray()
        with trio.move_on_after(self._limits.idle_s) as patience:
            try:
                while True:
                    event = await self._next_event(stream, connection)
                    match event:
                        case h11.Request():
                            request = event
                        case h11.Data(data=data):
                            body += data
                            if len(body) > self._limits.body_bytes:
                                return refusal(413, f"a request has at most {self._limits.body_bytes} bytes")
                        case h11.EndOfMessage():
                            break
                        case _:
                            return None
            except h11.RemoteProtocolError as error:
                return refusal(error.error_status_hint, f"not HTTP as we know it: {error}")
        if patience.cancelled_caught:
            return None if request is None else refusal(408, f"the request took over {self._limits.idle_s:.0f} s")
        assert request is not None, "h11 gives the request before its end"
        return await self._api.answer(request.method.decode("ascii"), request.target.decode("ascii"), bytes(body))

    async def _next_event(self, stream: trio.SocketStream, connection: h11.Connection) -> h11.Event | type:
        while True:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(connection.send(go_on) or b"")
            event = connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            size = _BODY_CHUNK if connection.their_state is h11.SEND_BODY else _HEADER_CHUNK
            connection.receive_data(await stream.receive_some(size))

    async def _send(self, stream: trio.SocketStream, connection: h11.Connection, answer: Answer) -> None:
        if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if connection.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        parts = [h11.Response(status_code=answer.status, headers=headers), h11.Data(data=answer.body)]
        raw = b"".join(connection.send(part) or b"" for part in (*parts, h11.EndOfMessage()))
        with trio.move_on_after(self._limits.idle_s):
            await stream.send_all(raw)

    async def _linger(self, stream: trio.SocketStream) -> None:
        """Read on for a moment: closing with input unread would reset the answer away (RFC 9112 §9.6)."""
        with trio.move_on_after(self._limits.linger_s):
            await stream.send_eof()
            while await stream.receive_some(_BODY_CHUNK):
                pass


async def _accept(listener: trio.SocketListener, door: _Door) -> None:
    """Admit clients for ever; a process short of descriptors waits instead of dying."""
    async with trio.open_nursery() as nursery:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                await trio.sleep(0.1)
                continue
            nursery.start_soon(door.admit, stream)


def _listening(sock: object) -> trio.socket.SocketType:
    return trio.socket.from_stdlib_socket(sock)  # type: ignore[arg-type]


async def _tcp_listeners(host_port: str) -> list[trio.SocketListener]:
    host, _, port = host_port.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError("metrics", host_port, "is not HOST:PORT, for example 127.0.0.1:9464")
    try:
        return list(await trio.open_tcp_listeners(int(port), host=host.strip("[]"), backlog=sockets.BACKLOG))
    except OSError as error:
        raise ConfigError("metrics", host_port, f"cannot be bound: {error}") from error


def _host_port(listener: trio.SocketListener) -> str:
    host, port = listener.socket.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
