"""Canaries that remember too much: a buffer with a stated cap that grows over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.rules import Rules

if TYPE_CHECKING:
    from chaos.process import Process
    from mesh.protocol.links import Link
    from mesh.protocol.messages import Ping
    from wire.time import Instant


class Hoarding(Rules):
    """A link keeps every sample of the other side's clock."""

    def booted(self, process: Process) -> None:
        links = process.node.context.links
        answer_of = links.pong

        def keeping(link: Link, pong: Ping, wall_ms: int, now: Instant) -> bool:
            before = list(link.clock_offsets_ms)
            known = answer_of(link, pong, wall_ms, now)
            link.clock_offsets_ms[:0] = before[: len(before) + 1 - len(link.clock_offsets_ms)] if known else []
            return known

        links.pong = keeping  # type: ignore[method-assign]
