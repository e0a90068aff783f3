"""Messages that cannot be judged yet: of a view that has not begun here, over blocks that we lack. Bounded."""

from __future__ import annotations

from collections import deque

from wire.ids import SwarmId
from wire.types import MessageType

MAX_BYTES = 1024 * 1024  # of one sender
MAX_MESSAGES = 64  # of one sender

Kept = tuple[SwarmId, MessageType, bytes]


class Held:
    """The newest messages of each sender that wait for their time."""

    def __init__(self) -> None:
        self._kept: dict[SwarmId, deque[tuple[MessageType, bytes]]] = {}

    def add(self, sender: SwarmId, kind: MessageType, body: bytes) -> None:
        """Keep one more; the sender's oldest go where it is too much. The same message is kept once."""
        queue = self._kept.setdefault(sender, deque(maxlen=MAX_MESSAGES))
        if (kind, body) in queue:
            return
        queue.append((kind, body))
        while sum(len(other) for _, other in queue) > MAX_BYTES and len(queue) > 1:
            queue.popleft()

    def take(self) -> list[Kept]:
        """All that waits, to be judged again."""
        kept = [(sender, kind, body) for sender, queue in self._kept.items() for kind, body in queue]
        self._kept.clear()
        return kept
