"""TCP that gives its slots back, notices dead peers, and knows IPv6 addresses.

py-libp2p keeps one task and one inbound slot per accepted connection until the process ends; here both end with the
connection. Connections whose handshake is not done are bounded, so that nobody uses up the file descriptors that
the store needs; and one place on the network gets at most three quarters of the room. Keep-alive and a user timeout
end connections to hosts that vanished without a word. Ports are taken exclusively: the library's SO_REUSEPORT would
let two nodes share one.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from libp2p.io.trio import TrioTCPStream
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.tcp.tcp import TCP

from wire.types import KIB

KEEPALIVE_IDLE_S = 15
KEEPALIVE_INTERVAL_S = 5
USER_TIMEOUT_MS = 30_000
MAX_HANDSHAKES = 64  # accepted connections beyond those that may become links
READ_AHEAD = 64 * KIB
LINGER_S = 1.0  # for the library to finish with a closed connection


class _Stream(TrioTCPStream):
    """A TCP stream that says when it is closed, and reads ahead: those above it take two bytes, then some hundred."""

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.gone = trio.Event()
        self._ahead = memoryview(b"")
        with contextlib.suppress(OSError, AttributeError):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        with contextlib.suppress(OSError):
            self._cached_remote_address = stream.socket.getpeername()[:2]

    async def read(self, n: int | None = None) -> bytes:
        if n != 0 and not self._ahead:
            self._ahead = memoryview(await super().read(READ_AHEAD))
        taken, self._ahead = bytes(self._ahead[:n]), self._ahead[n:]
        return taken

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self.gone.set()


class MeshTCP(TCP):
    """The only transport that is offered."""

    def __init__(self, max_links: int, offences: Counter[str]) -> None:
        super().__init__()
        self._room = max_links + MAX_HANDSHAKES
        self._room_of_one_place = self._room * 3 // 4
        self._places: Counter[str] = Counter()
        self._offences = offences

    def create_listener(self, handler_function: Callable[[Any], Awaitable[None]]) -> Any:
        async def accept(accepted: Any) -> None:
            stream = _Stream(accepted.stream)
            place = _place(stream.get_remote_address())
            if self._room == 0 or self._places[place] >= self._room_of_one_place:
                self._offences["connections_refused"] += 1
                await trio.aclose_forcefully(accepted.stream)
                return
            self._room -= 1
            self._places[place] += 1
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_end_with, stream, nursery.cancel_scope)
                    await handler_function(stream)
                    nursery.cancel_scope.cancel()
            finally:
                self._room += 1
                self._places[place] -= 1
                self._places += Counter()  # forgets places without connections

        return super().create_listener(accept)

    async def _dial_resolved(self, maddr: Any, source: tuple[str, int] | None = None) -> RawConnection:
        raw: Any = await super()._dial_resolved(maddr, source)
        return RawConnection(_Stream(raw.stream.stream), True)


def _place(address: tuple[str, int] | None) -> str:
    """Where a connection comes from: an IPv4 address, or an IPv6 network of 64 bits, all of which one machine has."""
    host = "" if address is None else address[0].partition("%")[0]
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).version == 6:
            return str(ipaddress.ip_network((host, 64), strict=False))
    return host


async def _end_with(stream: _Stream, scope: trio.CancelScope) -> None:
    await stream.gone.wait()
    await trio.sleep(LINGER_S)
    scope.cancel()
