"""What happened in a run: a digest over everything, the last records for people, all of them when a page is wanted.

Every record is `(at, host, kind, values)`: virtual microseconds, a host's name ("" for the world itself), a `Kind`,
and short values in the order that `VALUES` states. The digest covers every record ever noted, also those that nobody
keeps; two runs with one digest did the same things at the same times.
"""

from __future__ import annotations

import hashlib
from collections import deque
from enum import StrEnum
from typing import NamedTuple

from wire.frame import code_of
from wire.types import MessageType

RING = 4096  # records kept when not all are
_TYPE_NAMES: dict[int, str] = {kind.value: kind.name for kind in MessageType}
_BLOCK = 1 << 16  # bytes that are hashed together

Value = str | int | bool | None


class Kind(StrEnum):
    """What a record is about."""

    SENT = "sent"
    ARRIVED = "arrived"
    LOST = "lost"
    PUBLISHED = "published"
    FAULT = "fault"
    STATE = "state"
    NODE = "node"
    DISK = "disk"
    COMMAND = "command"
    VIOLATION = "violation"


VALUES: dict[Kind, tuple[str, ...]] = {
    Kind.SENT: ("message", "to", "channel", "type", "bytes"),
    Kind.ARRIVED: ("message", "from"),
    Kind.LOST: ("message", "why"),
    Kind.PUBLISHED: ("message", "topic", "type", "bytes"),
    Kind.FAULT: ("name", "detail"),
    Kind.STATE: ("state", "why"),
    Kind.NODE: ("event", "detail"),
    Kind.DISK: ("call", "detail"),
    Kind.COMMAND: ("operation", "outcome"),
    Kind.VIOLATION: ("checker", "what"),
}


class Record(NamedTuple):
    """One thing that happened; `values` are named by `VALUES[kind]`."""

    at: int
    host: str
    kind: Kind
    values: tuple[Value, ...]


class Trace:
    """The record of one run. With `keep` every record stays, for the timeline page."""

    def __init__(self, keep: bool = False) -> None:
        self._last: deque[tuple[int, str, Kind, tuple[Value, ...]]] = deque(maxlen=None if keep else RING)
        self.count = 0
        self._digest = hashlib.blake2b(digest_size=16)
        self._unhashed = bytearray()

    def note(self, at: int, host: str, kind: Kind, *values: Value) -> None:
        """Add a record."""
        self._last.append((at, host, kind, values))
        self.count += 1
        self.content(f"{at}|{host}|{kind._value_}|{values}\n".encode())

    @property
    def records(self) -> list[Record]:
        """The records that are kept, oldest first."""
        return [Record(*record) for record in self._last]

    def content(self, data: bytes) -> None:
        """Let bytes that no record shows (what a message says) count in the digest too."""
        self._unhashed += data
        if len(self._unhashed) >= _BLOCK:
            self._hash()

    @property
    def digest(self) -> str:
        """Of everything noted so far, in hex."""
        self._hash()
        return self._digest.copy().hexdigest()

    def _hash(self) -> None:
        self._digest.update(self._unhashed)
        self._unhashed.clear()


def type_name(message: bytes) -> str:
    """The name of a message's type."""
    return _TYPE_NAMES.get(code_of(message), "unknown")
