"""Entries on their way to a full sync, kept between sessions so that a broken one resumes.

Nothing here is trusted or visible: a staged state counts once it leads to a root that its owner signed. Bounded by
the owner's quota each, and by the number of logs that are staged at a time; the least recently fed is dropped first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crdt.ops import Author
from crdt.owner_log import Limits
from crdt.scan import place_of
from wire.errors import Offence, ProtocolViolation

MAX_STAGED = 16  # logs


@dataclass(slots=True)
class _Staged:
    entries: dict[bytes, bytes] = field(default_factory=dict)
    last_path: bytes = b""
    size: int = 0


class Staging:
    """Partial states by author."""

    def __init__(self) -> None:
        self._staged: dict[Author, _Staged] = {}

    def last_path(self, author: Author) -> bytes | None:
        """Where to go on; None when nothing of this log is staged."""
        staged = self._staged.get(author)
        return staged.last_path if staged else None

    def add(self, author: Author, entries: Sequence[bytes], limits: Limits) -> None:
        """Stage entries that ascend by path.

        Raises:
            RemoteError: malformed, out of order, or over the owner's quota; nothing of this log stays staged.
        """
        staged = self._staged.pop(author, None) or _Staged()
        for entry in entries:
            path = place_of(entry)
            if path <= staged.last_path:
                raise ProtocolViolation("streamed entries that do not ascend")
            staged.entries[path] = entry
            staged.last_path = path
            staged.size += len(entry)
        if len(staged.entries) > limits.entries_per_owner or staged.size > limits.bytes_per_owner:
            raise ProtocolViolation("a streamed state over its owner's quota", Offence.QUOTA)
        self._staged[author] = staged
        while len(self._staged) > MAX_STAGED:
            del self._staged[next(iter(self._staged))]

    def take(self, author: Author) -> dict[bytes, bytes]:
        """What is staged of a log, which is staged no more."""
        staged = self._staged.pop(author, None)
        return staged.entries if staged else {}
