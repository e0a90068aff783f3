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

import msgspec

from wire.frame import code_of
from wire.types import MessageType

RING = 4096  # records kept when not all are
_TYPE_NAMES: dict[int, str] = {kind.value: kind.name for kind in MessageType}
_BLOCK, _TOGETHER = 1 << 16, 1 << 10  # bytes, and records, that are hashed together
_ENCODER = msgspec.json.Encoder()

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


_Raw = tuple[int, str, Kind, tuple[Value, ...]]  # a record that nobody has looked at


class Record(NamedTuple):
    """One thing that happened; `values` are named by `VALUES[kind]`."""

    at: int
    host: str
    kind: Kind
    values: tuple[Value, ...]


class Trace:
    """The record of one run. With `keep` every record stays, for the timeline page."""

    def __init__(self, keep: bool = False) -> None:
        self._records: deque[_Raw] = deque(maxlen=None if keep else RING)
        self.count = 0
        self._digests = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        self._unhashed: tuple[list[_Raw], bytearray] = [], bytearray()

    @property
    def records(self) -> list[Record]:
        """Those that are kept."""
        return [Record(*record) for record in self._records]

    def note(self, at: int, host: str, kind: Kind, *values: Value) -> None:
        """Add a record."""
        record = (at, host, kind, values)
        self._records.append(record)
        self.count += 1
        records = self._unhashed[0]
        records.append(record)
        if len(records) >= _TOGETHER:
            self._hash()

    def content(self, data: bytes) -> None:
        """Let bytes that no record shows (what a message says) count in the digest too."""
        contents = self._unhashed[1]
        contents += data
        if len(contents) >= _BLOCK:
            self._hash()

    @property
    def digest(self) -> str:
        """Of everything noted so far, in hex."""
        self._hash()
        whole = hashlib.blake2b(digest_size=16)
        for part in self._digests:
            whole.update(part.digest())
        return whole.hexdigest()

    def _hash(self) -> None:
        records, contents = self._unhashed
        self._digests[0].update(_ENCODER.encode_lines(records))
        self._digests[1].update(contents)
        records.clear()
        contents.clear()


def type_name(message: bytes) -> str:
    """The name of a message's type."""
    return _TYPE_NAMES.get(code_of(message), "unknown")
