"""Inbound streams: frames in, events out, and an end to whoever does not keep to the form.

A frame may take long to begin but not to complete. Strangers get small frames and a token bucket; members get large
ones and are slowed by the inbox alone. Whatever breaks the form (length, compression, CBOR, pace) becomes a
`StreamOffence` event and ends the stream.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import trio
from libp2p.network.stream.exceptions import StreamError

from mesh.protocol.events import MessageReceived, StreamOffence
from mesh.runtime.inbox import Inbox
from wire.errors import DecodeError, Offence
from wire.frame import LENGTH_SIZE, MAX_BODY, body_size, decode_frame
from wire.ids import PeerId
from wire.types import KIB, MIB, Channel

FRAME_S = 20.0  # from the first byte of a frame to its last
JOIN_S = 10.0  # for a whole join conversation of a stranger
STRANGER_FRAME = 3 * MIB
STRANGER_BYTES_S = 256 * KIB  # refill of a stranger's bucket
STRANGER_BURST = 8 * MIB
JOIN_FRAME = 64 * KIB
READ_CHUNK = 256 * KIB


@dataclass(slots=True)
class Bucket:
    """A token bucket in bytes."""

    level: float = STRANGER_BURST
    at: float = 0.0

    def take(self, size: int, now: float) -> bool:
        """False when the peer sends faster than a stranger may."""
        self.level = min(STRANGER_BURST, self.level + (now - self.at) * STRANGER_BYTES_S) - size
        self.at = now
        return self.level >= 0


class Reader:
    """Reads one stream to its end."""

    def __init__(
        self, peer: PeerId, channel: Channel, inbox: Inbox, stats: Counter[str], trusted: Callable[[], bool]
    ) -> None:
        self._peer = peer
        self._channel = channel
        self._inbox = inbox
        self._stats = stats
        self._trusted = trusted

    async def run(self, stream: Any, bucket: Bucket) -> None:
        """Read frames until the stream ends, well or badly."""
        try:
            with trio.fail_after(JOIN_S if self._channel is Channel.JOIN else math.inf):
                while True:
                    await self._frame(stream, bucket)
        except DecodeError as error:
            await self._offence(stream, error.offence, error.detail)
        except trio.TooSlowError:
            await self._offence(stream, Offence.SLOW, f"a frame on {self._channel} took too long")
        except (StreamError, EOFError, OSError):
            pass  # the peer closed it, or the connection is gone
        finally:
            await _reset(stream)

    async def _frame(self, stream: Any, bucket: Bucket) -> None:
        first = await stream.read(LENGTH_SIZE)
        if not first:
            raise EOFError
        with trio.fail_after(FRAME_S):
            prefix = first + await _exactly(stream, LENGTH_SIZE - len(first))
            size = body_size(prefix, self._limit())
            if not self._trusted() and not bucket.take(size, trio.current_time()):
                raise DecodeError("a stranger sends faster than it may", Offence.FLOOD)
            body = await _exactly(stream, size)
        self._stats["frames_received"] += 1
        self._stats["bytes_received"] += size
        for message in decode_frame(body, self._limit()):
            event = MessageReceived(peer=self._peer, channel=self._channel, message=message)
            await self._inbox.put(self._peer, event)

    def _limit(self) -> int:
        if self._channel is Channel.JOIN:
            return JOIN_FRAME
        return MAX_BODY if self._trusted() else STRANGER_FRAME

    async def _offence(self, stream: Any, offence: Offence, detail: str) -> None:
        self._stats[f"offence_{offence}"] += 1
        await self._inbox.put(self._peer, StreamOffence(peer=self._peer, offence=offence, detail=detail))


async def _exactly(stream: Any, size: int) -> bytes:
    """`size` bytes, in as many reads as it takes; raises EOFError when the stream ends before."""
    parts = bytearray()
    while len(parts) < size:
        part = await stream.read(min(size - len(parts), READ_CHUNK))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


async def _reset(stream: Any) -> None:
    with trio.CancelScope(deadline=trio.current_time() + 2, shield=True):
        try:
            await stream.reset()
        except Exception:
            return  # gone already
