"""S4: nothing leaves a node before what it rests on is durable; what was acknowledged to a user is never lost.

A host's own batches may be sent, by whatever message, only once they are durable on its disk. Blocks that the creator
certified likewise. And every write that was answered with success is read in the end, by everyone in the core.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt.batch import parse
from crdt.ops import Author
from mesh.protocol.commands import MemoryPut, MemoryRemove, Operation, Success
from mesh.protocol.effects import Effect, Persist, Publish, RecordKind, Reply, Send
from mesh.protocol.memory import COLLECTION
from wire.frame import pack_message, unpack_message
from wire.types import MessageType

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World

_BATCH = pack_message(MessageType.BATCH, b"")[:-1]  # what every message of this type begins with
_Place = tuple[str, str]  # a host and a key


class DurableFirst(Checker):
    """Remembers the last own batch that each author made durable."""

    name = "durable-first"

    def __init__(self) -> None:
        self._durable: dict[Author, int] = {}

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        if record.kind is RecordKind.BATCH:
            header = parse(record.body).signed.header
            author = process.node.context.me.author
            if (header.swarm, header.term) == (author.swarm, author.term):
                self._durable[author] = max(self._durable.get(author, 0), header.seq)
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not isinstance(effect, Send | Publish):
            return
        if not effect.message.startswith(_BATCH):
            return
        header = parse(unpack_message(effect.message)[1]).signed.header
        author = process.node.context.me.author
        mine = (header.swarm, header.term) == (author.swarm, author.term)
        if mine and header.seq > self._durable.get(author, header.seq if process.host.boots > 1 else 0):
            yield f"batch {header.seq} leaves before it is durable"


class Acknowledged(Checker):
    """Remembers every write that a user was told is done, in the order of the writes."""

    name = "acknowledged"

    def __init__(self) -> None:
        self._asked: dict[tuple[Process, int], MemoryPut | MemoryRemove] = {}
        self._last: dict[_Place, tuple[int, MemoryPut | MemoryRemove]] = {}  # of those that were acknowledged
        self._unanswered: dict[_Place, dict[int, None]] = {}  # the writes whose outcome nobody knows

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        if isinstance(operation, MemoryPut | MemoryRemove):
            self._asked[process, request] = operation
            self._unanswered.setdefault((process.host.name, operation.key), {})[request] = None
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Reply):
            operation = self._asked.pop((process, effect.request_id), None)
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
            if excused or owner not in core:
                continue
            wanted = operation.value if isinstance(operation, MemoryPut) else None
            for host in core:
                if host.process is not None and host.honest:
                    found = host.process.node.context.replica.get(owner.home.swarm, COLLECTION, key)
                    if (None if found is None else found.value) != wanted:
                        yield f"{host.name} does not read what was acknowledged: {name}'s {key!r}"
