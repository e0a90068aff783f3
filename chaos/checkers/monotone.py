"""S6: what only grows never shrinks: the chain's height, the heads of logs, the stamps of one's own writes.

Within a process every unforked log's head and the chain's height only grow. Across restarts a host's own log does
too, unless its disk was lost or taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from crdt.batch import parse
from crdt.ops import Author
from crdt.owner_log import Flag
from crdt.replica import Row
from mesh.protocol.effects import Persist, RecordKind
from wire.ids import SwarmId

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


@dataclass(slots=True)
class _Seen:
    """The highest of everything in one process."""

    height: int = 0
    heads: dict[Author, Row] = field(default_factory=dict)


class Monotone(Checker):
    """Remembers the highest of everything, per process and per owner."""

    name = "monotone"

    def __init__(self) -> None:
        self._seen: PerProcess[_Seen] = PerProcess(_Seen)
        self._own: dict[Author, dict[int, int]] = {}  # number to stamp of the batches that authors made durable

    def grew(self, world: World, process: Process) -> Iterator[str]:
        height = process.node.context.chain.height
        seen = self._seen.of(process)
        if height < seen.height:
            yield f"the chain went from height {seen.height} back to {height}"
        seen.height = height

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        heads = self._seen.of(process).heads
        for row in rows:
            before = heads.get(row.author)
            if before is not None and row.seq < before.seq and row.flag is Flag.LIVE:
                yield f"the log of {world.owner(row.swarm).name} went from {before.seq} back to {row.seq}"
            heads[row.author] = row

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is not RecordKind.BATCH:
            return
        header = parse(record.body).signed.header
        author = Author(SwarmId(header.swarm), header.term)
        owner = world.owner(header.swarm)
        if author != process.node.context.me.author or not owner.honest or owner.rotten:
            return  # what rotted before anybody else had it may be written anew, once all others said so
        known = self._own.setdefault(author, {})
        if header.seq in known:  # fetched from others, after damage
            if known[header.seq] != header.hlc:
                yield f"its own batch {header.seq} has the stamp {header.hlc}, and had {known[header.seq]}"
            return
        seq = max(known, default=0)
        if header.seq < seq or header.hlc <= known.get(seq, 0):
            yield f"its own batch {header.seq} (stamp {header.hlc}) follows batch {seq} (stamp {known[seq]})"
        known[header.seq] = header.hlc
