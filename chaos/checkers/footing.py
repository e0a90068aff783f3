"""S3, S4: what a node stands on holds. Nobody builds on what only the kernel remembers, or on what may be missing.

Two things a start may get wrong. What it reads may not be on the platter: a sync failed, or a kill came between write
and sync, and a power cut would take it with all that was built on it. And what it does not find it may have signed:
where the disk left a doubt, a node signs nothing new before others have settled that doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt.batch import parse
from crdt.ops import Author
from crdt.replica import Row
from mesh.protocol.effects import Effect, Persist, RecordKind, Subscribe

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_NEEDED = (".log", ".snap")  # the files that a node rests on


class Footing(Checker):
    """Remembers the batches that each author is known to have signed, and who signed another one in doubt.

    That others confirmed its log a node may find in the step of its first batch: so that is judged behind it. The
    doubt on the disk may last longer, for the sake of votes.
    """

    name = "footing"
    judges = (Subscribe,)  # the first thing that a process does

    def __init__(self) -> None:
        self._signed: dict[Author, dict[int, bytes]] = {}  # number to hash, as far as that was seen
        self._in_doubt: dict[str, list[int]] = {}  # by host, what its process signed in this step

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        context = process.node.context
        self._in_doubt.pop(process.host.name, None)
        head = context.replica.head(context.me.author)
        if head is not None:
            self._sees(context.me.author, head.seq, head.hash)
        self._sees(context.me.author, process.node.startup.beyond, b"")
        for name in process.host.disk.volatile():
            if name.endswith(_NEEDED):
                yield f"it begins with what a power cut would take: {name}"

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is RecordKind.BATCH:
            signed = parse(record.body).signed
            author, seq = process.node.context.me.author, signed.header.seq
            if signed.author == author and self._sees(author, seq, signed.hash) and process.in_doubt:
                self._in_doubt.setdefault(process.host.name, []).append(seq)
        return iter(())

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        signed = self._in_doubt.pop(process.host.name, [])
        if process.store.doubt and not process.node.startup.settled and process.host.honest:
            for seq in signed:
                yield f"it signs batch {seq}, and what its disk forgot may be that very batch"

    def _sees(self, author: Author, seq: int, digest: bytes) -> bool:
        """There is this batch; True when it was not signed before, as far as was seen."""
        signed = self._signed.setdefault(author, {})
        known = signed.get(seq, b"")
        is_news = seq > max(signed, default=0) or (known != b"" and known != digest)
        signed[seq] = digest or known
        return is_news
