"""S6: clocks may only delay. Nobody takes others' batches whose stamp is further ahead of its own clock than allowed.

A node judges by the wall clock as it last read it, once a second, so that is what it is judged by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt.batch import parse
from crdt.owner_log import Limits
from mesh.protocol.effects import Persist, RecordKind
from wire.time import hlc_wall_ms

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Punctual(Checker):
    """Judges each batch as it is written."""

    name = "punctual"

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is not RecordKind.BATCH:
            return
        header = parse(record.body).signed.header
        context = process.node.context
        if header.swarm == context.me.swarm:
            return  # its own, perhaps of a time when its clock was ahead
        ahead = hlc_wall_ms(header.hlc) - context.wall_ms(process.host.clocks.monotonic(world.now))
        if ahead > Limits().future_ms:
            yield f"it takes batch {header.seq} of {world.owner(header.swarm).name}, {ahead} ms ahead of its clock"
