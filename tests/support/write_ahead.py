"""The write-ahead table: what has to be durable before it, or what rests on it, leaves a node. One row per kind."""

from __future__ import annotations

from collections.abc import Callable

from chaos.checkers.statements import kept_in
from mesh.protocol.effects import Persist, RecordKind
from wire.types import MessageType


def vote(kind: MessageType) -> Callable[[Persist], bool]:
    """A row about one kind of statement."""

    def is_one(record: Persist) -> bool:
        kept = kept_in(record)
        return kept is not None and kept[1].kind is kind

    return is_one


def kept(kind: RecordKind) -> Callable[[Persist], bool]:
    """A row about one kind of record."""
    return lambda record: record.kind is kind


# What has to be durable before it, or what rests on it, leaves.
ROWS: dict[str, Callable[[Persist], bool]] = {
    "PRE_PREPARE": vote(MessageType.PRE_PREPARE),
    "PREPARE": vote(MessageType.PREPARE),
    "COMMIT": vote(MessageType.COMMIT),
    "VIEW_CHANGE": vote(MessageType.VIEW_CHANGE),
    "NEW_VIEW": vote(MessageType.NEW_VIEW),
    "decision": kept(RecordKind.BLOCK),
    "BALLOT": kept(RecordKind.BALLOT),
    "BATCH": kept(RecordKind.BATCH),
    "refutation": kept(RecordKind.INCARNATION),
}
