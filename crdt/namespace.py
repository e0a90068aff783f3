"""Reading what a swarm wrote: its terms merged into one namespace.

A register shows the write that is greatest by (term, hlc, dot): term first, so that a fenced old queen cannot win by
its clock. A deletion in a newer term leaves a tombstone there, which wins like a write. A set shows the elements that
some term holds and no newer term removed having observed them. Whoever observed a dot has observed what stood there
before it in that term: a log that is held in part, or was cut, does not bring an element back that was removed since.
What stands before a fork stays readable, marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crdt.ops import ELEMENTS, REMOVALS, Author, Dot, Entry, decode_entry, element_path, key_path
from crdt.owner_log import Flag, OwnerLog
from wire.ids import SwarmId


@dataclass(frozen=True, slots=True)
class Value:
    """A value as read: its bytes, its origin, and whether its log turned out to be forked."""

    value: bytes
    dot: Dot
    hlc: int
    forked: bool


class Namespace:
    """Reads over all owner logs."""

    def __init__(self) -> None:
        self.logs: dict[Author, OwnerLog] = {}
        self.dirty: dict[Author, None] = {}  # changed since their last snapshot

    def swarms(self) -> list[SwarmId]:
        """Every swarm with a log, ascending."""
        return sorted({author.swarm: None for author in self.logs})

    def get(self, swarm: SwarmId, collection: str, key: str) -> Value | None:
        """The register at (collection, key) in `swarm`'s namespace."""
        found = self._newest(swarm, key_path(collection, key))
        return None if found is None else _value(*found)

    def items(self, swarm: SwarmId, collection: str, prefix: str = "") -> Iterator[tuple[str, Value]]:
        """Registers of a collection whose key starts with `prefix`, in no particular order."""
        seen: dict[bytes, None] = {}
        for log in self._terms(swarm):
            for path, raw in log.entries.items():
                entry = decode_entry(raw, log.author.term)
                op = entry.op
                if path in seen or op.collection != collection or op.kind in ELEMENTS:
                    continue
                seen[path] = None
                if op.kind not in REMOVALS and op.key.startswith(prefix):
                    yield op.key, _value(entry, log)

    def elements(self, swarm: SwarmId, collection: str, key: str) -> list[bytes]:
        """The elements of the set at (collection, key), ascending."""
        present: dict[bytes, None] = {}
        removed: dict[bytes, list[tuple[int, int, int]]] = {}  # path to the dots that newer terms removed there
        for log in self._terms(swarm):
            for path, raw in log.entries.items():
                entry = decode_entry(raw, log.author.term)
                op = entry.op
                if op.kind not in ELEMENTS or (op.collection, op.key) != (collection, key):
                    continue
                if op.kind in REMOVALS:
                    removed.setdefault(path, []).extend(op.observed)
                elif not _covered(entry.dot, removed.get(path, ())):
                    present[_value(entry, log).value] = None
        return sorted(present)

    def observed(
        self, author: Author, collection: str, key: str, element: bytes | None = None
    ) -> tuple[tuple[int, int, int], ...]:
        """Dots of older terms that a removal by `author` must name."""
        path = key_path(collection, key) if element is None else element_path(collection, key, element)
        older = [log for log in self._terms(author.swarm) if log.author.term < author.term]
        found = [decode_entry(log.entries[path], log.author.term) for log in older if path in log.entries]
        return tuple(
            (entry.dot.term, entry.dot.seq, entry.dot.place)
            for entry in reversed(found)
            if entry.op.kind not in REMOVALS
        )

    def _terms(self, swarm: SwarmId) -> list[OwnerLog]:
        """The swarm's logs, newest term first."""
        authors = sorted((author for author in self.logs if author.swarm == swarm), reverse=True)
        return [self.logs[author] for author in authors]

    def _newest(self, swarm: SwarmId, path: bytes) -> tuple[Entry, OwnerLog] | None:
        for log in self._terms(swarm):
            raw = log.entries.get(path)
            if raw is not None:
                entry = decode_entry(raw, log.author.term)
                return None if entry.op.kind in REMOVALS else (entry, log)
        return None


def _covered(dot: Dot, observed: Iterable[tuple[int, int, int]]) -> bool:
    return any(dot.term == seen[0] and dot <= seen for seen in observed)


def _value(entry: Entry, log: OwnerLog) -> Value:
    assert entry.op.value is not None, "only deletions carry no value"
    return Value(entry.op.value, entry.dot, entry.hlc, log.flag is Flag.FORKED)
