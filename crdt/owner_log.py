"""One author's log and the state that it makes.

The state (entries by path, and their trie) is a pure function of the log prefix. Recent batches are retained with
what each of them replaced, for two reasons: peers that lag get them instead of a snapshot, and a fork or the close of
a term can rewind the state to exactly what it was. Older batches are forgotten; their effect lives in the entries.

A batch is checked wholly before anything changes, except for its state root, which only applying can tell: on a
mismatch the change is undone and the batch refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from crdt.batch import Batch, Head
from crdt.ops import Author, decode_entry, encode_entry, entry_digest
from crdt.scan import effect_of
from crdt.trie import Trie
from wire.errors import BadSignature, Offence, ProtocolViolation
from wire.ids import ZERO_DIGEST, Digest


class Flag(IntEnum):
    """Whether a log can still grow."""

    LIVE = 0
    FORKED = 1
    CLOSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one author may keep here, and on what is kept for laggards."""

    entries_per_owner: int = 10_000
    bytes_per_owner: int = 4 * 1024 * 1024
    retained_bytes: int = 4 * 1024 * 1024
    owners: int = 4096
    future_ms: int = 5_000


Undo = Mapping[bytes, bytes | None]  # path to the entry that stood there before


@dataclass(frozen=True, slots=True)
class Retained:
    """A recent batch, what it replaced, and the head that it made."""

    raw: bytes
    undo: Undo
    head: Head


class OwnerLog:
    """The log of one author. Signatures are checked by the replica; here, everything else."""

    def __init__(self, author: Author, limits: Limits) -> None:
        self.author = author
        self.head: Head | None = None
        self.flag = Flag.LIVE
        self.cut: int | None = None  # the last batch that counts of a forked or closed log
        self.entries: dict[bytes, bytes] = {}
        self.trie = Trie()
        self.size = 0  # bytes of all entries
        self._limits = limits
        self._base: Head | None = None  # the head before the first retained batch
        self._retained: deque[Retained] = deque()
        self._retained_bytes = 0

    # reading

    @property
    def seq(self) -> int:
        return self.head.seq if self.head else 0

    @property
    def head_hash(self) -> Digest:
        return self.head.hash if self.head else ZERO_DIGEST

    @property
    def stranded(self) -> bool:
        """The log goes on behind its cut and could not be rewound: only a peer has the state that counts."""
        return self.cut is not None and self.seq > self.cut

    @property
    def first_retained(self) -> int:
        """The sequence number of the oldest batch still kept (seq + 1 when none is)."""
        return self.seq - len(self._retained) + 1

    @property
    def retained_bytes(self) -> int:
        return self._retained_bytes

    def batches_from(self, seq: int) -> Iterator[bytes]:
        """Retained batches from `seq` on, oldest first; the caller has checked `first_retained`."""
        skip = max(seq - self.first_retained, 0)
        for index in range(skip, len(self._retained)):
            yield self._retained[index].raw

    def head_at(self, seq: int) -> Head | None:
        """The head that batch `seq` made, while it is known."""
        if self.head is not None and seq == self.head.seq:
            return self.head
        if self._base is not None and seq == self._base.seq:
            return self._base
        index = seq - self.first_retained
        return self._retained[index].head if 0 <= index < len(self._retained) else None

    # writing

    def preview(self, ops: Sequence[bytes], seq: int, hlc: int) -> Digest:
        """The state root after `ops`; changes nothing. Raises ProtocolViolation when over quota."""
        undo = self._change(ops, seq, hlc)
        root = self.trie.root
        self._put(undo)
        return root

    def apply(self, batch: Batch) -> None:
        """Append a batch whose header is authentic.

        Raises:
            RemoteError: it does not follow the head, breaks a rule or a quota, or leads to another root.
        """
        header = batch.signed.header
        if header.seq != self.seq + 1 or header.prev_hash != self.head_hash:
            raise ProtocolViolation("a batch that does not follow the head of its log", Offence.CHAIN)
        if self.head is not None and header.hlc <= self.head.hlc:
            raise ProtocolViolation("a batch whose clock does not advance", Offence.CHAIN)
        undo = self._change(batch.ops, header.seq, header.hlc)
        if self.trie.root != header.state_root:
            self._put(undo)
            raise BadSignature("a batch that signs another state root than its ops lead to", Offence.ROOT)
        self.head = batch.signed.head
        self._retained.append(Retained(batch.raw, undo, self.head))
        self._retained_bytes += len(batch.raw)
        self.forget(self._limits.retained_bytes)

    def cut_at(self, seq: int, flag: Flag) -> bool:
        """Rewind to the state after batch `seq` and stay there. False when that state is not known any more.

        Then what later batches wrote is dropped, what they removed is missed, and the true state is a peer's to give.
        """
        self.flag, self.cut = flag, seq
        while self._retained and self.seq > seq:
            last = self._retained.pop()
            self._retained_bytes -= len(last.raw)
            self._put(last.undo)
            self.head = self._retained[-1].head if self._retained else self._base
        if seq == 0:
            self._clear()
        if self.seq <= seq:
            return True
        term = self.author.term
        self._put({path: None for path, raw in self.entries.items() if decode_entry(raw, term).dot.seq > seq})
        return False

    def _clear(self) -> None:
        """Before the first batch nothing stands, whatever is retained."""
        self.head = self._base = None
        self.entries, self.trie, self.size = {}, Trie(), 0

    def install(self, head: Head, entries: dict[bytes, bytes], trie: Trie) -> None:
        """Replace everything by a verified snapshot."""
        assert trie.root == head.root, "a snapshot is verified before it is installed"
        self.head, self._base = head, head
        self.entries, self.trie = entries, trie
        self.size = sum(map(len, entries.values()))
        self._retained.clear()
        self._retained_bytes = 0

    def forget(self, keep_bytes: int, acked: int = 0) -> None:
        """Drop the oldest retained batches: those up to `acked`, and those over `keep_bytes` in all."""
        while self._retained and (self._retained_bytes > keep_bytes or self.first_retained <= acked):
            first = self._retained.popleft()
            self._retained_bytes -= len(first.raw)
            self._base = first.head

    # changing entries

    def _change(self, ops: Sequence[bytes], seq: int, hlc: int) -> Undo:
        changes: dict[bytes, bytes | None] = {}
        for index, op in enumerate(ops):
            path, stands = effect_of(op)
            changes[path] = encode_entry(seq, index, hlc, op) if stands else None
        undo = self._put(changes)
        limits = self._limits
        if len(self.entries) > limits.entries_per_owner or self.size > limits.bytes_per_owner:
            over = f"{len(self.entries)} entries, {self.size} bytes"
            self._put(undo)
            raise ProtocolViolation(
                f"{over} where a swarm may keep {limits.entries_per_owner} entries, {limits.bytes_per_owner} bytes",
                Offence.QUOTA,
            )
        return undo

    def _put(self, changes: Mapping[bytes, bytes | None]) -> Undo:
        """Put entries, or remove them (None); what stood there before."""
        undo = {path: self.entries.pop(path, None) for path in changes}
        self.size += _size(changes) - _size(undo)
        self.entries.update((path, entry) for path, entry in changes.items() if entry is not None)
        self.trie.update({path: entry if entry is None else entry_digest(entry) for path, entry in changes.items()})
        return undo


def _size(changes: Mapping[bytes, bytes | None]) -> int:
    return sum(map(len, filter(None, changes.values())))
