"""The answering half of a session: batches where they reach back far enough, else the state itself.

Wants are answered one after another, and within the credit that the other side gave: a slow reader costs no memory
here beyond the list of its wants. Batches are preferred unless they are much larger than the state that they lead
to. A state is streamed from a pinned copy of the entries, so that what was begun is consistent however the log grows
meanwhile; tree requests are answered from the live trie, and a log that moved on says so with its new head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crdt.ops import Author
from crdt.owner_log import OwnerLog
from crdt.replica import Replica
from crdt.sync.messages import (
    CREDIT,
    DATA_BYTES,
    MAX_ROWS,
    Batches,
    Credit,
    Entries,
    HeaderReply,
    HeaderRequest,
    Snapshot,
    Tree,
    TreeNode,
    TreeRequest,
    Want,
    pack,
)
from crdt.trie import Bucket
from wire.errors import Offence, ProtocolViolation

SMALL_STATE = 64 * 1024  # bytes: batches up to this are never worth a snapshot
MAX_WANTS = 2 * MAX_ROWS
MAX_REQUESTS = 64  # header and tree requests waiting


@dataclass(slots=True)
class _Stream:
    """Entries of one log on their way, ascending by path."""

    log: OwnerLog
    seq: int
    entries: Iterator[bytes]


class Server:
    """Answers the wants and requests of one peer."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._wants: deque[Want] = deque()
        self._requests: deque[TreeRequest | HeaderRequest] = deque()
        self._ready: deque[bytes] = deque()
        self._stream: _Stream | None = None
        self._credit = CREDIT

    def want(self, wants: Sequence[Want]) -> None:
        """Queue wants; raises ProtocolViolation when there are too many."""
        if len(self._wants) + len(wants) > MAX_WANTS:
            raise ProtocolViolation(f"more than {MAX_WANTS} wants in a session", Offence.FLOOD)
        self._wants.extend(wants)

    def request(self, request: TreeRequest | HeaderRequest) -> None:
        """Queue a request; raises ProtocolViolation when there are too many."""
        if len(self._requests) >= MAX_REQUESTS:
            raise ProtocolViolation(f"more than {MAX_REQUESTS} requests at once", Offence.FLOOD)
        self._requests.append(request)

    def credit(self, credit: Credit) -> None:
        """The peer has digested so many data messages."""
        self._credit = min(self._credit + credit.messages, CREDIT)

    def next_message(self) -> bytes | None:
        """The next message for the peer; None when there is nothing to say or no credit left."""
        while not self._ready:
            if self._credit == 0 or not self._work():
                return None
        return self._ready.popleft()

    def _work(self) -> bool:
        """Make the next messages; False when nothing is asked."""
        if self._stream is not None:
            self._stream_entries(self._stream)
        elif self._requests:
            request = self._requests.popleft()
            if isinstance(request, TreeRequest):
                self._answer_tree(request)
            else:
                self._answer_header(request.swarm, request.term, request.seq, 0)
        elif self._wants:
            self._answer_wants()
        else:
            return False
        return True

    # wants

    def _answer_wants(self) -> None:
        """One message of batches for as many wants as fit, or the answer to one want that needs another kind."""
        batches: list[bytes] = []
        size = answered = 0
        while self._wants and size < DATA_BYTES:
            want = self._wants[0]
            log = self._whole_log(want.author)
            if log is not None and not self._batches_answer(log, want):
                break
            room = DATA_BYTES - size
            taken, whole = _take(log, want.seq + 1, room) if log is not None else ([], True)
            batches += taken
            size += sum(map(len, taken))
            self._wants.popleft()
            if not whole:
                last = want.seq + len(taken)
                self._wants.appendleft(_from(want, last, log))
                break
            answered += 1
        if batches or answered:
            self._data(Batches(batches=tuple(batches), answered=answered))
        else:
            self._answer_otherwise(self._wants.popleft())

    def _batches_answer(self, log: OwnerLog, want: Want) -> bool:
        """Batches are the way to answer `want`, which they follow."""
        if want.anew or want.seq > log.seq:
            return want.seq > log.seq
        if want.seq + 1 < log.first_retained:
            return False
        if want.seq == 0:
            return log.retained_bytes <= max(2 * log.size, SMALL_STATE)
        before = log.head_at(want.seq)
        return before is not None and before.hash == want.hash

    def _answer_otherwise(self, want: Want) -> None:
        """With the header that shows two logs parting, or with the state."""
        log = self._replica.logs[want.author]
        assert log.head is not None, "a whole log has a head"
        held = log.head_at(want.seq)
        if held is not None and held.hash != want.hash and not want.anew:
            self._answer_header(want.swarm, want.term, want.seq, 1)
            return
        self._data(Snapshot(head=log.head.envelope, entries=len(log.entries), streamed=want.stream))
        if want.stream:
            pinned = [log.entries[path] for path in sorted(log.entries) if path > want.after]
            self._stream = _Stream(log, log.seq, iter(pinned))

    def _stream_entries(self, stream: _Stream) -> None:
        entries: list[bytes] = []
        size = 0
        last = True
        for entry in stream.entries:
            entries.append(entry)
            size += len(entry)
            if size >= DATA_BYTES:
                last = False
                break
        author = stream.log.author
        message = Entries(swarm=author.swarm, term=author.term, seq=stream.seq, last=last, entries=tuple(entries))
        self._data(message)
        if last:
            self._stream = None

    # requests

    def _answer_header(self, swarm: bytes, term: int, seq: int, answered: int) -> None:
        request = HeaderRequest(swarm=swarm, term=term, seq=seq)
        log = self._replica.logs.get(request.author)
        held = log.head_at(seq) if log is not None else None
        envelope = None if held is None else held.envelope
        self._data(HeaderReply(swarm=swarm, term=term, seq=seq, head=envelope, answered=answered))

    def _answer_tree(self, request: TreeRequest) -> None:
        log = self._whole_log(request.author)
        if log is None:
            raise ProtocolViolation("a tree request about a log that is not held here")
        if log.seq != request.seq:
            assert log.head is not None, "a whole log has a head"
            self._data(Snapshot(head=log.head.envelope, entries=len(log.entries), streamed=False))
            return
        if request.prefixes:
            nodes = tuple(_node(log, prefix) for prefix in request.prefixes)
            self._data(Tree(swarm=request.swarm, term=request.term, seq=request.seq, nodes=nodes))
        if request.paths:
            held = [log.entries[path] for path in request.paths if path in log.entries]
            self._stream = _Stream(log, log.seq, iter(held))

    def _whole_log(self, author: Author) -> OwnerLog | None:
        """A log with a state to give: not an empty one, nor a stranded one, which leads to no root that is signed."""
        log = self._replica.logs.get(author)
        return None if log is None or log.head is None or log.stranded else log

    def _data(self, message: Batches | Entries | HeaderReply | Snapshot | Tree) -> None:
        self._credit -= 1
        self._ready.append(pack(message))


def _take(log: OwnerLog, first: int, room: int) -> tuple[list[bytes], bool]:
    """Retained batches from `first` on, up to `room` bytes and at least one; True when that is all of them."""
    taken: list[bytes] = []
    for batch in log.batches_from(first):
        if taken and room < len(batch):
            return taken, False
        taken.append(batch)
        room -= len(batch)
    return taken, True


def _from(want: Want, seq: int, log: OwnerLog | None) -> Want:
    """What is left of `want` after the batches up to `seq`."""
    held = log.head_at(seq) if log is not None else None
    assert held is not None, "the batch was just sent"
    return Want(
        swarm=want.swarm, term=want.term, seq=seq, hash=held.hash, anew=False, stream=want.stream, after=want.after
    )


def _node(log: OwnerLog, prefix: bytes) -> TreeNode:
    if any(step > 15 for step in prefix):
        raise ProtocolViolation("a trie prefix has nibbles from 0 to 15")
    below = log.trie.below(tuple(prefix))
    if isinstance(below, Bucket):
        return TreeNode(prefix=prefix, children=(), entries=below.entries)
    return TreeNode(prefix=prefix, children=below.children, entries=())
