"""S4 towards others: what a node says it holds of their logs is durable here, batch for batch.

An owner counts these words (HELD, and `yours` in HELLO): a write is replicated, a start is safe, old batches may be
forgotten, because somebody holds them. So such a word must outlive a power cut. Vectors of anti-entropy say as much
of everyone, but nobody counts on those: who was told too much there is asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import cbor2

from chaos.checkers.base import Checker
from crdt.batch import SignedHeader, parse, parse_header
from crdt.ops import Author
from mesh.protocol.effects import Effect, Persist, RecordKind, SaveFile, Send, Subscribe
from mesh.protocol.messages import Held, HeldRow, Hello
from wire import cbor
from wire.frame import code_of, unpack_message
from wire.ids import SwarmId
from wire.types import REGISTRY, MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class _End(NamedTuple):
    """How far a log is held."""

    seq: int
    hash: bytes


def _yours(raw: bytes) -> Iterable[HeldRow]:
    row = cbor.decode_as(raw, Hello, REGISTRY[MessageType.HELLO].limit).yours
    return () if row is None else (row,)


def _held(raw: bytes) -> Iterable[HeldRow]:
    return cbor.decode_as(raw, Held, REGISTRY[MessageType.HELD].limit).rows


_OWNER_LOG = "owner-"  # what files with snapshots of logs begin with
_WORDS: dict[int, Callable[[bytes], Iterable[HeldRow]]] = {
    MessageType.HELLO.value: _yours,
    MessageType.HELD.value: _held,
}


class Holding(Checker):
    """Remembers how far each host holds each log: found at its start, written as batches, or as a snapshot."""

    name = "holding"
    judges = (Subscribe, SaveFile, Send)  # the first is the first thing that a process does
    words = frozenset(_WORDS)

    def __init__(self) -> None:
        self._ends: dict[str, dict[Author, _End]] = {}  # by host

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is RecordKind.BATCH:
            self._holds(process, parse(record.body).signed)
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Send):
            words = _WORDS.get(code_of(effect.message))
            return (
                iter(()) if words is None else self._judged(world, process, words(unpack_message(effect.message)[1]))
            )
        if isinstance(effect, SaveFile):
            if effect.name.startswith(_OWNER_LOG):
                self._installs(process, effect.data)
        else:
            rows = process.node.context.replica.heads()
            self._ends[process.host.name] = {row.author: _End(row.seq, row.hash) for row in rows}
        return iter(())

    def _judged(self, world: World, process: Process, rows: Iterable[HeldRow]) -> Iterator[str]:
        ends = self._ends.get(process.host.name, {})
        for row in rows:
            end = ends.get(Author(SwarmId(row.swarm), row.term), _End(0, b""))
            whose = world.owner(row.swarm).name
            if row.seq > end.seq:
                yield f"it says that it holds batch {row.seq} of {whose}, and what is durable ends with {end.seq}"
            elif row.seq and row.seq == end.seq and row.head != end.hash:
                yield f"it says that it holds another batch {row.seq} of {whose} than it wrote"

    def _installs(self, process: Process, blob: bytes) -> None:
        envelope = cbor2.loads(blob)[3]
        if envelope is not None:
            self._holds(process, parse_header(envelope))

    def _holds(self, process: Process, signed: SignedHeader) -> None:
        ends = self._ends.setdefault(process.host.name, {})
        header = signed.header
        if header.seq >= ends.get(signed.author, _End(0, b"")).seq:
            ends[signed.author] = _End(header.seq, signed.hash)
