"""S4: nothing leaves a node before what it rests on is durable; what was acknowledged to a user is never lost.

A host's own batches may be sent, or spoken of as the head of its log, only once they are durable on its disk. And
every write that was answered with success is read in the end, by everyone in the core.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import cbor2
from msgspec import Struct

from chaos.checkers.base import Checker, PerProcess
from crdt.batch import Header, parse, parse_header
from crdt.ops import Author
from crdt.sync.messages import Batches, Hello, Snapshot, VectorRow
from mesh.protocol.commands import MemoryPut, MemoryRemove, Operation, Success
from mesh.protocol.effects import Effect, Persist, Publish, RecordKind, Reply, Send, Subscribe
from mesh.protocol.memory import COLLECTION
from mesh.protocol.messages import Heartbeat
from wire import cbor, cose
from wire.frame import code_of, unpack_message
from wire.types import REGISTRY, MessageType

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World

_StructT = TypeVar("_StructT", bound=Struct)
_Claim = Header | Heartbeat | VectorRow  # a log and how far it goes


def _opened(raw: bytes, kind: MessageType, struct: type[_StructT]) -> _StructT:
    return cbor.decode_as(raw, struct, REGISTRY[kind].limit)


def _batches(raw: bytes) -> list[Header]:
    return [parse(one).signed.header for one in _opened(raw, MessageType.SYNC_BATCHES, Batches).batches]


def _snapshot(raw: bytes) -> list[Header]:
    return [parse_header(_opened(raw, MessageType.SYNC_SNAPSHOT, Snapshot).head).header]


def _vector(raw: bytes) -> Iterator[VectorRow]:
    """The rows, read without the doubts of a receiver: most of what is said of logs is said here."""
    return itertools.starmap(VectorRow, cbor2.loads(raw)[Hello.__struct_fields__.index("rows")])


# What each kind of message says of logs.
CLAIMS: dict[MessageType, Callable[[bytes], Iterable[_Claim]]] = {
    MessageType.BATCH: lambda raw: [parse(raw).signed.header],
    MessageType.HEARTBEAT: lambda raw: [cbor.decode_as(cose.parse(raw).payload, Heartbeat)],
    MessageType.SYNC_HELLO: _vector,
    MessageType.SYNC_BATCHES: _batches,
    MessageType.SYNC_SNAPSHOT: _snapshot,
}
_CLAIMS: dict[int, Callable[[bytes], Iterable[_Claim]]] = {kind.value: claims for kind, claims in CLAIMS.items()}
_Place = tuple[str, str]  # a host and a key


class DurableFirst(Checker):
    """Remembers the last own batch that each author made durable, or that a process found on its disk at its start.

    (A crash may strike behind a write and before it is told; the store makes durable what it finds.)
    """

    name = "durable-first"
    judges = (Send, Publish, Subscribe)  # to subscribe is the first thing that a process does
    words = frozenset(_CLAIMS)

    def __init__(self) -> None:
        self._durable: dict[Author, int] = {}
        self._met: dict[str, Process] = {}  # by host

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        self._meet(process)
        if record.kind is RecordKind.BATCH:
            header = parse(record.body).signed.header
            author = process.node.context.me.author
            if (header.swarm, header.term) == (author.swarm, author.term):
                self._durable[author] = max(self._durable.get(author, 0), header.seq)
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        self._meet(process)
        if not isinstance(effect, Send | Publish):
            return iter(())
        claims = _CLAIMS.get(code_of(effect.message))
        if claims is None:
            return iter(())
        return self._overtaking(process.node.context.me.author, claims(unpack_message(effect.message)[1]))

    def _overtaking(self, author: Author, claims: Iterable[_Claim]) -> Iterator[str]:
        for claim in claims:
            mine = (claim.swarm, claim.term) == (author.swarm, author.term)
            if mine and claim.seq > self._durable.get(author, 0):
                yield f"batch {claim.seq} leaves before it is durable"

    def _meet(self, process: Process) -> None:
        if self._met.get(process.host.name) is not process:
            self._met[process.host.name] = process
            author = process.node.context.me.author
            head = process.node.context.replica.head(author)
            found = max(head.seq if head is not None else 0, process.node.startup.beyond)
            self._durable[author] = max(self._durable.get(author, 0), found)


class Acknowledged(Checker):
    """Remembers every write that a user was told is done, in the order of the writes."""

    name = "acknowledged"
    judges = (Reply,)

    def __init__(self) -> None:
        self._asked: PerProcess[dict[int, MemoryPut | MemoryRemove]] = PerProcess(dict)
        self._last: dict[_Place, tuple[int, MemoryPut | MemoryRemove]] = {}  # of those that were acknowledged
        self._unanswered: dict[_Place, dict[int, None]] = {}  # the writes whose outcome nobody knows

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        if isinstance(operation, MemoryPut | MemoryRemove):
            self._asked.of(process)[request] = operation
            self._unanswered.setdefault((process.host.name, operation.key), {})[request] = None
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Reply):
            operation = self._asked.of(process).pop(effect.request_id, None)
            if operation is not None:
                self._answered(process, effect.request_id, operation, isinstance(effect.outcome, Success))
        return iter(())

    def _answered(self, process: Process, request: int, operation: MemoryPut | MemoryRemove, done: bool) -> None:
        place = (process.host.name, operation.key)
        self._unanswered[place].pop(request, None)
        if done:
            self._last[place] = request, operation

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        for (name, key), (request, operation) in self._last.items():
            owner = world.hosts[name]
            excused = not owner.honest or owner.rotten or max(self._unanswered[name, key], default=0) > request
            if excused or owner not in core or not world.member(owner):
                continue
            wanted = operation.value if isinstance(operation, MemoryPut) else None
            for host in core:
                if host.process is not None and host.honest and world.member(host):
                    found = host.process.node.context.replica.get(owner.home.swarm, COLLECTION, key)
                    if (None if found is None else found.value) != wanted:
                        yield f"{host.name} does not read what was acknowledged: {name}'s {key!r}"
