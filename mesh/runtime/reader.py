"""Inbound streams: frames in, events out, and an end to whoever does not keep to the form.

A frame may take long to begin but not to complete. Strangers get small frames and a bucket of bytes; members get
large ones and a bucket of messages, far more than an honest node has to say, and wait when it is empty. Whatever
breaks the form (length, compression, CBOR, pace) becomes a `StreamOffence` event and ends the stream; a member's
flood becomes one for each second of messages that is too much, and the stream goes on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio
from libp2p.network.stream.exceptions import StreamError

from mesh.protocol.events import MessageReceived, StreamOffence
from mesh.runtime.inbox import Inbox
from mesh.runtime.tokens import Tokens
from wire.errors import DecodeError, Offence
from wire.frame import LENGTH_SIZE, MAX_BODY, body_size, decode_frame
from wire.ids import PeerId
from wire.types import KIB, MIB, Channel

FRAME_S = 20.0  # from the first byte of a frame to its last
JOIN_S = 10.0  # for a whole join conversation of a stranger
STRANGER_FRAME = 3 * MIB
STRANGER_BYTES_S = 256 * KIB  # refill of a stranger's bucket
STRANGER_BURST = 8 * MIB
MEMBER_MESSAGES_S = 500  # refill of a member's bucket
MEMBER_BURST = 1000
MESSAGE_UNIT = 64 * KIB  # a message counts once more for each of these that it fills
REST_S = 1.0  # a member is made to wait by the second, not by the message
JOIN_FRAME = 64 * KIB
READ_CHUNK = 256 * KIB


@dataclass(slots=True)
class Bucket:
    """What one link may send, over all its lanes: bytes of a stranger, messages of a member."""

    stranger: Tokens = field(default_factory=lambda: Tokens(burst=STRANGER_BURST, rate=STRANGER_BYTES_S))
    member: Tokens = field(default_factory=lambda: Tokens(burst=MEMBER_BURST, rate=MEMBER_MESSAGES_S))


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
        self._ahead = bytearray()  # what was read with the frame before
        self._within_frame = False

    async def run(self, stream: Any, bucket: Bucket) -> None:
        """Read frames until the stream ends, well or badly."""
        try:
            with trio.fail_after(JOIN_S if self._channel is Channel.JOIN else math.inf):
                while True:
                    await self._frame(stream, bucket)
        except DecodeError as error:
            await self._report(error.offence, error.detail)
        except trio.TooSlowError:
            await self._report(Offence.SLOW, f"a frame on {self._channel} took too long")
        except (StreamError, EOFError, OSError):
            self._stats["frames_cut_short"] += self._within_frame  # the peer closed it, or the connection is gone
        finally:
            await _reset(stream)

    async def _frame(self, stream: Any, bucket: Bucket) -> None:
        if not self._ahead:
            await self._more(stream)
        self._within_frame = True
        with trio.fail_after(FRAME_S):
            size = body_size(await self._exactly(LENGTH_SIZE, stream), self._limit())
            if not self._trusted() and bucket.stranger.take(size, trio.current_time()):
                raise DecodeError("a stranger sends faster than it may", Offence.FLOOD)
            body = await self._exactly(size, stream)
        self._within_frame = False
        self._stats["frames_received"] += 1
        self._stats["bytes_received"] += size
        for message in decode_frame(body, self._limit()):
            event = MessageReceived(peer=self._peer, channel=self._channel, message=message)
            await self._inbox.put(self._peer, event)
            if self._trusted() and self._channel is not Channel.SYNC:  # which has its own bounds: what was asked for
                await self._keep_pace(len(message), bucket.member)

    async def _more(self, stream: Any) -> None:
        """As much as has come: a frame is small, and each read costs. Raises EOFError at the end of the stream."""
        part = await stream.read(READ_CHUNK)
        if not part:
            raise EOFError
        self._ahead += part

    async def _exactly(self, size: int, stream: Any) -> bytes:
        """The next `size` bytes; raises EOFError when the stream ends before."""
        while len(self._ahead) < size:
            await self._more(stream)
        taken = bytes(memoryview(self._ahead)[:size])
        del self._ahead[:size]
        return taken

    async def _keep_pace(self, size: int, tokens: Tokens) -> None:
        debt = tokens.take(1 + size // MESSAGE_UNIT, trio.current_time())
        if debt >= REST_S:
            await self._report(Offence.FLOOD, f"a second of messages too much on {self._channel}")
            await trio.sleep(debt)

    def _limit(self) -> int:
        if self._channel is Channel.JOIN:
            return JOIN_FRAME
        return MAX_BODY if self._trusted() else STRANGER_FRAME

    async def _report(self, offence: Offence, detail: str) -> None:
        self._stats[f"offence_{offence}"] += 1
        await self._inbox.put(self._peer, StreamOffence(peer=self._peer, offence=offence, detail=detail))


async def _reset(stream: Any) -> None:
    with trio.CancelScope(deadline=trio.current_time() + 2, shield=True):
        try:
            await stream.reset()
        except Exception:
            return  # gone already
