"""What an interpreter drives: the shape shared by the node and by the joiner that precedes it."""

from __future__ import annotations

from typing import Protocol

from mesh.protocol.effects import Effect
from mesh.protocol.events import InEvent
from wire.ids import PeerId
from wire.time import Instant


class Machine(Protocol):
    """Eats events, emits effects, says when it wants to be woken."""

    def handle(self, event: InEvent, now: Instant) -> list[Effect]:
        """What follows from `event`."""
        ...

    def tick(self, now: Instant) -> list[Effect]:
        """What is due by `now`; legal at any time."""
        ...

    def next_deadline(self) -> Instant | None:
        """When `tick` next has something to do; None when only an event can change anything."""
        ...

    def check_gossip(self, forwarder: PeerId, topic: str, message: bytes) -> bool:
        """True iff a gossip message is authentic and may be relayed.

        Raises:
            RemoteError: it is forged. The interpreter hands it back as an offence of the forwarder.
        """
        ...

    def stop(self, now: Instant) -> list[Effect]:
        """Last effects before a clean shutdown."""
        ...

    def clean_mark(self) -> bytes:
        """What the clean-shutdown marker must say."""
        ...
