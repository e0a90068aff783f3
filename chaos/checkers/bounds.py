"""S16: every buffer of a node stays within its stated cap, whatever is thrown at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.process import MAX_INBOX
from mesh.protocol.announcing import MAX_HELD
from mesh.protocol.config import NodeConfig
from mesh.protocol.doubts import MAX_ROOTS
from mesh.protocol.events import InEvent
from mesh.protocol.links import CLOCK_SAMPLES

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_SAMPLES = attrgetter("clock_offsets_ms")

# What is counted in a process, and its cap.
CAPS: dict[str, tuple[Callable[[Process], int], Callable[[NodeConfig], int]]] = {
    "inbox": (lambda process: len(process.inbox), lambda config: MAX_INBOX),
    "links": (lambda process: len(process.node.context.links), lambda config: config.max_links),
    "strangers": (
        lambda process: len(process.node.context.links.strangers()),
        lambda config: config.max_strangers,
    ),
    "contacts": (lambda process: len(process.node.context.dialer.contacts()), lambda config: config.max_book),
    "logs": (
        lambda process: len(process.node.context.replica.logs),
        lambda config: 4096,
    ),
    "samples of one link's clock": (
        lambda process: max(map(len, map(_SAMPLES, process.node.context.links.all())), default=0),
        lambda config: CLOCK_SAMPLES,
    ),
    "foreign roots": (lambda process: process.node.syncing.doubts.roots, lambda config: MAX_ROOTS),
    "discoveries of strangers": (lambda process: process.node.announcing.held, lambda config: MAX_HELD),
    "writes that wait": (lambda process: process.node.writer.pending, lambda config: config.max_pending_ops),
    "foreign peers": (lambda process: len(process.node.greeting.foreign), lambda config: config.max_book),
}


class Bounds(Checker):
    """Counts everything after the first step of a process and then each so many.

    A cap is kept where something is put in; what slipped in over it is still there a few steps later.
    """

    name = "bounds"
    every = 16

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        for what, (count, cap) in CAPS.items():
            found, most = count(process), cap(process.node.context.config)
            if found > most:
                yield f"{found} {what}, at most {most}"
