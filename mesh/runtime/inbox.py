"""The inbox between the network and the node: bounded, fair between sources, in order for each.

A source is a peer, the gossip that a peer hands on, or this node's own network. A reader waits while its source has
too much here, so a peer that floods slows itself down and nobody else; the node takes one event of each source in
turn. What may be lost is dropped instead of waited for (`offer`); link events, which are few, always go in (`post`).
"""

from __future__ import annotations

from collections import deque

import trio

from mesh.protocol.events import GossipReceived, MessageReceived, NetworkEvent
from wire.types import MIB

EVENTS_PER_SOURCE = 512
BYTES_PER_SOURCE = 8 * MIB
BYTES_IN_ALL = 64 * MIB  # beyond it, a source may have one event here


class _Box:
    __slots__ = ("events", "size")

    def __init__(self) -> None:
        self.events: deque[NetworkEvent] = deque()
        self.size = 0


class Inbox:
    """Events by source, taken in turns."""

    def __init__(self) -> None:
        self._boxes: dict[str, _Box] = {}  # of sources that have events
        self._turns: deque[str] = deque()  # the same sources
        self._size = 0
        self._news = trio.Event()
        self._room = trio.Event()  # replaced whenever an event was taken

    @property
    def events(self) -> int:
        """How many events wait."""
        return sum(len(box.events) for box in self._boxes.values())

    @property
    def size(self) -> int:
        """Bytes of the messages that wait."""
        return self._size

    def full(self, source: str) -> bool:
        """The source has as much here as it may."""
        box = self._boxes.get(source)
        if box is None:
            return False
        return len(box.events) >= EVENTS_PER_SOURCE or box.size >= BYTES_PER_SOURCE or self._size >= BYTES_IN_ALL

    def post(self, source: str, event: NetworkEvent) -> None:
        """Queue an event at once."""
        box = self._boxes.get(source)
        if box is None:
            box = self._boxes[source] = _Box()
            self._turns.append(source)
        box.events.append(event)
        box.size += _size(event)
        self._size += _size(event)
        self._news.set()

    def offer(self, source: str, event: NetworkEvent) -> bool:
        """Queue an event if there is room for its source; False when it was dropped."""
        if self.full(source):
            return False
        self.post(source, event)
        return True

    async def put(self, source: str, event: NetworkEvent) -> None:
        """Queue an event once there is room for its source."""
        while self.full(source):
            await self._room.wait()
        self.post(source, event)

    async def get(self) -> NetworkEvent:
        """The next event, one source after another."""
        while not self._turns:
            self._news = trio.Event()
            await self._news.wait()
        source = self._turns.popleft()
        box = self._boxes[source]
        event = box.events.popleft()
        box.size -= _size(event)
        self._size -= _size(event)
        if box.events:
            self._turns.append(source)
        else:
            del self._boxes[source]
        self._room.set()
        self._room = trio.Event()
        return event


def _size(event: NetworkEvent) -> int:
    return len(event.message) if isinstance(event, MessageReceived | GossipReceived) else 0
