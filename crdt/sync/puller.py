"""The asking half of a session: what the peer holds and we lack, brought here and verified.

Each row of the peer's version vector that is ahead of ours becomes a want. Answers come as batches (applied one by
one), as a stream of entries under a signed head (staged, and installed at once when they lead to its root), or as a
bare head whose trie is then compared with ours (`crdt.sync.repair`). A header that contradicts ours starts a search
for the fork (`crdt.sync.fork_search`). Staged entries outlive the session, so a full sync goes on where it broke off.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from crdt import fork
from crdt.batch import SignedHeader
from crdt.ops import Author
from crdt.owner_log import Flag, OwnerLog
from crdt.replica import Receipt, ReceiptStatus, Replica
from crdt.snapshot import encode_snapshot, install_state, trie_of
from crdt.sync.fork_search import ForkSearch
from crdt.sync.messages import (
    Batches,
    Entries,
    HeaderReply,
    HeaderRequest,
    Snapshot,
    Tree,
    VectorRow,
    Want,
    Wants,
    pack,
)
from crdt.sync.repair import Repair
from crdt.sync.staging import Staging
from crdt.trie import Trie
from wire.errors import BadSignature, Offence, ProtocolViolation, RemoteError
from wire.frame import pack_message
from wire.ids import ZERO_DIGEST
from wire.types import MessageType

FEW_ENTRIES = 4  # a state with this many times our entries is streamed rather than compared
MAX_RETARGETS = 16  # of one repair: a log that grows faster than it is compared is left to the next session


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAccepted:
    """A batch was verified and applied: persist it."""

    author: Author
    seq: int
    batch: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotInstalled:
    """A whole log was verified and replaced: persist `blob`, its snapshot."""

    author: Author
    seq: int
    blob: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkFound:
    """The log of an author turned out to be forked: persist and spread the proof in `receipt`."""

    receipt: Receipt


SyncEvent = BatchAccepted | SnapshotInstalled | ForkFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a session has come, in batches and entries."""

    received: int
    expected: int


@dataclass(slots=True)
class _Stream:
    """Entries under way to a staged state."""

    target: SignedHeader
    resumed: bool


class Puller:
    """Brings what one peer is ahead with."""

    def __init__(self, replica: Replica, staging: Staging) -> None:
        self._replica = replica
        self._staging = staging
        self._outgoing: deque[bytes] = deque()
        self._wanted: dict[Author, Want] = {}
        self._unanswered = 0
        self._stream: _Stream | None = None
        self._repairs: dict[Author, Repair] = {}
        self._retargets = 0
        self._search: ForkSearch | None = None
        self._searched: HeaderRequest | None = None
        self._parted: deque[SignedHeader] = deque()
        self._received = 0
        self._expected = 0
        self.failure: RemoteError | None = None  # the peer lied behind what was accepted

    @property
    def done(self) -> bool:
        """Nothing is awaited from the peer."""
        idle = self._stream is None and self._search is None and not self._parted
        return idle and not self._unanswered and not self._repairs and not self._outgoing

    @property
    def asked(self) -> bool:
        """The peer holds something that was asked for."""
        return bool(self._wanted)

    def progress(self) -> Progress:
        """Batches and entries, as far as announced."""
        return Progress(received=self._received, expected=max(self._expected, self._received))

    def next_message(self) -> bytes | None:
        """The next message for the peer."""
        return self._outgoing.popleft() if self._outgoing else None

    # comparing

    def compare(self, rows: Sequence[VectorRow], wall_ms: int) -> None:
        """The peer's version vector: show it the forks that it does not know, ask for what we lack."""
        theirs = {(row.swarm, row.term): row for row in rows}
        for author, proof in self._replica.proofs.items():
            row = theirs.get(author)
            if row is None or row.flag != Flag.FORKED or row.seq >= fork.parse(proof).seq:
                self._outgoing.append(pack_message(MessageType.FORK, proof))
        wants: list[Want] = []
        for row in theirs.values():
            log = self._replica.logs.get(row.author)
            same = log is not None and log.cut is None and (row.seq, row.hash) == (log.seq, log.head_hash)
            want = None if same else self._want(row, log, wall_ms)  # the same, as a rule
            if want is not None:
                wants.append(want)
        self._wanted = {want.author: want for want in wants}
        self._unanswered = len(wants)
        if wants:
            self._outgoing.append(pack(Wants(wants=tuple(wants))))

    def _want(self, row: VectorRow, log: OwnerLog | None, wall_ms: int) -> Want | None:
        """What is to be asked for of a log that is not just as we hold it."""
        author = row.author
        if self._replica.key_ring.queen_key(*author) is None:
            return None
        held = log.seq if log is not None else 0
        anew = False
        if log is not None and log.cut is not None:
            anew = log.stranded and row.seq <= log.cut
            parted = row.seq == held and row.hash != log.head_hash  # a fork deeper than the one that is proven
            if not anew and not parted and (held >= log.cut or row.seq <= held):
                return None
        elif row.seq < held or (row.seq > held and self._replica.early(author, wall_ms)):
            return None
        self._expected += max(row.seq - held, 0)
        staged = self._staging.last_path(author)
        return Want(
            swarm=author.swarm,
            term=author.term,
            seq=0 if anew else held,
            hash=ZERO_DIGEST if anew or log is None else log.head_hash,
            anew=anew,
            stream=staged is not None or log is None or len(log.entries) * FEW_ENTRIES < 64,
            after=staged or b"",
        )

    # answers

    def on_batches(self, message: Batches, wall_ms: int) -> list[SyncEvent]:
        """Batches in log order, up to the first that is not authentic (see `failure`)."""
        self._answered(message.answered)
        events: list[SyncEvent] = []
        for batch in message.batches:
            try:
                receipt = self._replica.receive(batch, wall_ms)
            except RemoteError as error:
                self.failure = error
                break
            self._received += 1
            if receipt.status is ReceiptStatus.APPLIED:
                events.append(BatchAccepted(author=receipt.author, seq=receipt.seq, batch=batch))
            elif receipt.status is ReceiptStatus.FORKED:
                events.append(ForkFound(receipt=receipt))
        return events

    def on_snapshot(self, message: Snapshot) -> list[SyncEvent]:
        """A signed head instead of batches, or because a log moved on while it was compared."""
        signed = self._replica.verify_head(message.head)
        if signed is None or signed.author not in self._wanted:
            raise ProtocolViolation("the head of a log that was not asked for")
        author = signed.author
        repair = self._repairs.get(author)
        if repair is not None:
            self._retargets += 1
            if self._retargets > MAX_RETARGETS:
                del self._repairs[author]
                return []
            repair.retarget(signed)
            return self._advance(author)
        if message.streamed:
            self._stream = _Stream(signed, resumed=bool(self._wanted[author].after))
            self._expected += message.entries
            return []
        self._answered(1)
        log = self._replica.logs.get(author)
        if log is None:
            return self._repair(signed, {}, Trie())
        return self._repair(signed, dict(log.entries), log.trie.copy())

    def on_entries(self, message: Entries) -> list[SyncEvent]:
        """Entries of a stream, or those that a repair asked for."""
        self._received += len(message.entries)
        repair = self._repairs.get(message.author)
        if repair is not None:
            repair.on_entries(message)
            return self._advance(message.author)
        stream = self._stream
        if stream is None or stream.target.author != message.author or stream.target.header.seq != message.seq:
            raise ProtocolViolation("entries that were not asked for")
        self._staging.add(message.author, message.entries, self._replica.limits)
        if not message.last:
            return []
        self._stream = None
        self._answered(1)
        return self._finish_stream(stream)

    def on_tree(self, message: Tree) -> list[SyncEvent]:
        """Trie nodes that a repair asked for."""
        repair = self._repairs.get(message.author)
        if repair is None:
            raise ProtocolViolation("trie nodes that were not asked for")
        repair.on_tree(message)
        return self._advance(message.author)

    def on_header(self, message: HeaderReply) -> list[SyncEvent]:
        """A header that shows two logs parting: unasked instead of batches, or as a step of the search."""
        signed = None if message.head is None else self._replica.verify_head(message.head)
        if signed is not None and (signed.author != message.author or signed.header.seq != message.seq):
            raise ProtocolViolation("the header of another batch")
        if message.answered:
            self._answered(message.answered)
            if signed is not None:
                if signed.author not in self._replica.logs:
                    raise ProtocolViolation("the header of a log that cannot part: none is held here")
                self._parted.append(signed)
        elif self._search is not None and _names(self._searched, message):
            self._search.on_header(message.seq, signed)
            self._searched = None
        else:
            raise ProtocolViolation("a header that was not asked for")
        return self._search_on()

    # finishing

    def _answered(self, wants: int) -> None:
        """Questions are answered; answers to a session before this one may come late, and are no offence."""
        self._unanswered -= min(wants, self._unanswered)

    def _finish_stream(self, stream: _Stream) -> list[SyncEvent]:
        author = stream.target.author
        entries = self._staging.take(author)
        trie = trie_of(entries)
        if trie.root == stream.target.header.state_root:
            return self._install(stream.target, entries, trie)
        if not stream.resumed:
            raise BadSignature("streamed entries that do not lead to the root their head signs", Offence.ROOT)
        return self._repair(stream.target, entries, trie)  # what was staged earlier is older than this head

    def _repair(self, target: SignedHeader, base: dict[bytes, bytes], trie: Trie) -> list[SyncEvent]:
        self._repairs[target.author] = Repair(target, base, trie, self._replica.limits)
        return self._advance(target.author)

    def _advance(self, author: Author) -> list[SyncEvent]:
        repair = self._repairs[author]
        if repair.waiting:
            return []
        if repair.complete:
            del self._repairs[author]
            entries = repair.result()
            return self._install(repair.target, entries, trie_of(entries))
        self._outgoing.append(pack(repair.next_request()))
        return []

    def _install(self, target: SignedHeader, entries: dict[bytes, bytes], trie: Trie) -> list[SyncEvent]:
        author = target.author
        if not self._replica.advances(author, target.header.seq):
            return []  # the log came here another way meanwhile, or was cut
        install_state(self._replica, target, entries, trie)
        blob = encode_snapshot(self._replica, author)
        return [SnapshotInstalled(author=author, seq=self._log(author).seq, blob=blob)]

    def _search_on(self) -> list[SyncEvent]:
        events: list[SyncEvent] = []
        while self._searched is None and (self._search is not None or self._parted):
            if self._search is None:
                parted = self._parted.popleft()
                self._search = ForkSearch(self._log(parted.author), parted)
            author = self._search.author
            seq = self._search.next_seq()
            if seq is not None:
                self._searched = HeaderRequest(swarm=author.swarm, term=author.term, seq=seq)
                self._outgoing.append(pack(self._searched))
                return events
            proof = self._search.proof()
            self._search = None
            if proof is None:
                continue
            receipt = self._replica.receive_fork(proof)
            if receipt.status is ReceiptStatus.FORKED:
                self._outgoing.append(pack_message(MessageType.FORK, proof))
                events.append(ForkFound(receipt=receipt))
        return events

    def _log(self, author: Author) -> OwnerLog:
        return self._replica.logs[author]


def _names(request: HeaderRequest | None, reply: HeaderReply) -> bool:
    return request is not None and (request.author, request.seq) == (reply.author, reply.seq)
