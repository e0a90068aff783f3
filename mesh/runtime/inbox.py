"""The inbox between the network and the node: bounded, fair between peers, in order for each.

A reader waits while its peer has too much here, so a peer that floods slows itself down and nobody else; the node
takes one event of each peer in turn.
"""

from __future__ import annotations

from collections import deque

import trio

from mesh.protocol.events import GossipReceived, MessageReceived, NetworkEvent

EVENTS_PER_PEER = 512
BYTES_PER_PEER = 8 * 1024 * 1024


class _Box:
    __slots__ = ("events", "room", "size")

    def __init__(self) -> None:
        self.events: deque[NetworkEvent] = deque()
        self.size = 0
        self.room = trio.Event()

    @property
    def full(self) -> bool:
        return len(self.events) >= EVENTS_PER_PEER or self.size >= BYTES_PER_PEER


class Inbox:
    """Events by source; a source is a peer, or "" for this node's own network."""

    def __init__(self) -> None:
        self._boxes: dict[str, _Box] = {}
        self._turns: deque[str] = deque()  # sources that have events, each once
        self._news = trio.Event()

    def post(self, source: str, event: NetworkEvent) -> None:
        """Queue an event at once (link events, which are few)."""
        box = self._boxes.setdefault(source, _Box())
        if not box.events:
            self._turns.append(source)
        box.events.append(event)
        box.size += _size(event)
        self._news.set()

    def full(self, source: str) -> bool:
        """The source has as much here as it may."""
        box = self._boxes.get(source)
        return box is not None and box.full

    async def put(self, source: str, event: NetworkEvent) -> None:
        """Queue an event once there is room for its source."""
        while (box := self._boxes.get(source)) is not None and box.full:
            box.room = trio.Event()
            await box.room.wait()
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
        if box.events:
            self._turns.append(source)
        else:
            del self._boxes[source]
        box.room.set()
        return event


def _size(event: NetworkEvent) -> int:
    return len(event.message) if isinstance(event, MessageReceived | GossipReceived) else 0
