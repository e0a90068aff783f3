"""Yamux that cannot freeze and cannot be filled.

The read loop of py-libp2p's Yamux answers pings and opens by writing, and waits for that write. With both directions
saturated, both read loops wait for each other, for ever. Here a write from the read loop is handed to a task of its
own; a peer that lets more than `MAX_REPLIES` of them pile up does not read, and is disconnected. The receive window
is not enforced either, so a data frame that would bring a connection's unread streams over `MAX_UNREAD` ends it. The
window that a stream may grow to is smaller here, so that peers which keep to it stay far below. Frames are no larger
than a Noise message: the library's are, by 17 bytes, and each takes two. Where the library tells the other side after
each read, however small, how much more it may send, here it does so once half of the window was read, as Go's does:
a consensus message is some hundred bytes, and a reply to each of its reads cost more than the message.
"""

from __future__ import annotations

from typing import Any

import trio
from libp2p.network.connection.exceptions import RawConnError
from libp2p.security.noise.io import MAX_PLAINTEXT_LENGTH
from libp2p.stream_muxer.yamux import yamux
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream

from wire.types import MIB

MAX_REPLIES = 1024  # control frames waiting to be written
MAX_WINDOW = MIB  # bytes that a peer may send ahead on one stream
MAX_UNREAD = 16 * MIB  # bytes in the unread streams of one connection

_write_frame = Yamux._write_frame
_handle_incoming = Yamux.handle_incoming
_read_data_body = Yamux._read_data_body
_release = YamuxStream._auto_tune_and_send_window_update


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


async def _read_data_body_if_room(self: Any, length: int) -> Any:
    if sum(map(len, self.stream_buffers.values())) + length > MAX_UNREAD:
        raise trio.TooSlowError  # the one error here that ends the connection and not just the stream
    return await _read_data_body(self, length)


async def _release_by_halves(self: Any, *, bytes_read: int = 0) -> None:
    self._zenmesh_read = getattr(self, "_zenmesh_read", 0) + bytes_read
    if self._zenmesh_read >= self._grow_threshold():
        read, self._zenmesh_read = self._zenmesh_read, 0
        await _release(self, bytes_read=read)


def harden_yamux() -> None:
    """Replace the methods, once per process."""
    YamuxStream._auto_tune_and_send_window_update = _release_by_halves
    Yamux._write_frame = _write_frame_without_waiting
    Yamux.handle_incoming = _remember_reader
    Yamux._read_data_body = _read_data_body_if_room
    yamux.MAX_WINDOW_SIZE = MAX_WINDOW
    yamux.MAX_MESSAGE_SIZE = MAX_PLAINTEXT_LENGTH
