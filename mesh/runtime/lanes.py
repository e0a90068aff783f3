"""Outbound lanes: one ordered, bounded queue and one persistent stream per peer and channel.

The sender opens the stream on first use and keeps it, except on JOIN, where the other side has few to give; it is
one-way. What gathers while a write is under way leaves
as one frame (up to 50 messages), so an idle lane adds no delay and a busy one shares frames and compression. A full
queue drops the oldest on MESH (anti-entropy repairs that) and on PRIORITY (a probe is worth nothing late); on SYNC
and JOIN, where nothing may be missing, the lane breaks and the link with it.

A write is never cancelled while the connection is kept: that would leave half a frame on it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

from wire.frame import encode_frame
from wire.ids import PeerId
from wire.types import KIB, MIB, Channel

OPEN_S = 10.0
MESSAGES_PER_FRAME = 50
BYTES_PER_FRAME = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePolicy:
    """Bounds of one lane's queue, and what happens at the bound."""

    messages: int
    size: int  # bytes
    lossy: bool
    compress: bool = True
    keep: bool = True  # the stream, when there is nothing more to write


POLICIES: dict[Channel, LanePolicy] = {
    Channel.PRIORITY: LanePolicy(messages=1024, size=MIB, lossy=True, compress=False),
    Channel.MESH: LanePolicy(messages=8192, size=16 * MIB, lossy=True),
    Channel.SYNC: LanePolicy(messages=8192, size=32 * MIB, lossy=False),
    Channel.JOIN: LanePolicy(messages=16, size=256 * KIB, lossy=False, keep=False),
}


class Lane:
    """Messages of one channel on their way to one peer."""

    def __init__(self, peer: PeerId, channel: Channel, stats: Counter[str]) -> None:
        self._peer = peer
        self._channel = channel
        self._policy = POLICIES[channel]
        self._stats = stats
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._writing = False
        self._news = trio.Event()
        self._calm = trio.Event()

    def put(self, message: bytes) -> bool:
        """Queue a message; False when the lane may lose nothing and is full."""
        self._queue.append(message)
        self._size += len(message)
        while len(self._queue) > self._policy.messages or self._size > self._policy.size:
            if not self._policy.lossy:
                return False
            self._size -= len(self._queue.popleft())
            self._stats[f"dropped_{self._channel.name.lower()}"] += 1
        self._news.set()
        return True

    async def drained(self) -> None:
        """Wait until everything queued so far was written."""
        while self._queue or self._writing:
            self._calm = trio.Event()
            await self._calm.wait()

    async def run(self, open_stream: Callable[[], Awaitable[Any]]) -> None:
        """Write until cancelled, which must go with closing the connection; raises what the stream raises."""
        stream: Any = None
        while True:
            while not self._queue:
                self._calm.set()
                self._news = trio.Event()
                await self._news.wait()
            if stream is None:
                with trio.fail_after(OPEN_S):
                    stream = await open_stream()
            frame = encode_frame(self._take(), compress=self._policy.compress)
            self._writing = True
            await stream.write(frame)
            if not self._policy.keep and not self._queue:
                await stream.close()
                stream = None
            self._writing = False
            self._stats["frames_sent"] += 1
            self._stats["bytes_sent"] += len(frame)

    def _take(self) -> list[bytes]:
        taken: list[bytes] = []
        size = 0
        while self._queue and len(taken) < MESSAGES_PER_FRAME:
            if taken and size + len(self._queue[0]) > BYTES_PER_FRAME:
                break
            message = self._queue.popleft()
            size += len(message)
            taken.append(message)
        self._size -= size
        return taken
