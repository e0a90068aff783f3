"""A batch counts once: no process makes one batch durable twice, however often it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from crdt.batch import parse
from mesh.protocol.effects import Persist, RecordKind

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Once(Checker):
    """Remembers the batches that each process wrote."""

    name = "once"

    def __init__(self) -> None:
        self._written: PerProcess[dict[bytes, None]] = PerProcess(dict)

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is not RecordKind.BATCH:
            return
        signed = parse(record.body).signed
        written = self._written.of(process)
        if signed.hash in written:
            yield f"it takes batch {signed.header.seq} of {world.owner(signed.header.swarm).name} twice"
        written[signed.hash] = None
