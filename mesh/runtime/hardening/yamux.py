"""Yamux that cannot freeze and cannot be filled.

The read loop of py-libp2p's Yamux answers pings and opens by writing, and waits for that write. With both directions
saturated, both read loops wait for each other, for ever. Here a write from the read loop is handed to a task of its
own; a peer that lets more than `MAX_REPLIES` of them pile up does not read, and is disconnected. The receive window
is not enforced either, so a watch closes connections whose unread streams hold more than `MAX_UNREAD`.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.network.connection.exceptions import RawConnError
from libp2p.stream_muxer.yamux.yamux import Yamux

MAX_REPLIES = 1024  # control frames waiting to be written
MAX_UNREAD = 17 * 1024 * 1024  # bytes in the unread streams of one connection; an honest window is 16 MiB
WATCH_S = 0.05

_write_frame = Yamux._write_frame
_handle_incoming = Yamux.handle_incoming


async def _write_later(self: Any, data: bytes) -> None:
    try:
        await _write_frame(self, data)
    except Exception:
        pass  # the connection is going down, and its read loop says so
    finally:
        self._zenmesh_replies -= 1


async def _write_frame_without_waiting(self: Any, data: bytes) -> None:
    reader = getattr(self, "_zenmesh_reader", None)
    if trio.lowlevel.current_task() is not reader or self._nursery is None:
        await _write_frame(self, data)
        return
    if self._zenmesh_replies >= MAX_REPLIES:
        raise RawConnError("the peer does not read the replies to its control frames")
    self._zenmesh_replies += 1
    self._nursery.start_soon(_write_later, self, data)


async def _remember_reader(self: Any) -> None:
    self._zenmesh_reader, self._zenmesh_replies = trio.lowlevel.current_task(), 0
    await _handle_incoming(self)


def harden_yamux() -> None:
    """Replace the two methods, once per process."""
    Yamux._write_frame = _write_frame_without_waiting
    Yamux.handle_incoming = _remember_reader


async def watch_unread(network: Any) -> None:
    """Close, for ever, the connections that hold too much which nobody reads."""
    while True:
        await trio.sleep(WATCH_S)
        for connection in network.get_connections():
            buffers = getattr(connection.muxed_conn, "stream_buffers", {})
            if sum(map(len, buffers.values())) > MAX_UNREAD:
                await connection.close()
