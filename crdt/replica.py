"""The replicated state of a federation: every author's log, what may be appended, and what everyone holds.

Writing and receiving end in the same place, so what a swarm writes is checked by the very code that checks it
everywhere else. Reading one swarm merges its terms (`crdt.namespace`).

    batch = replica.compose(author, ops, stamp, queen_key)     # signs, applies; persist it, then send it
    receipt = replica.receive(batch, wall_ms)                  # verifies, applies; persist when APPLIED
    replica.rows()                                             # the version vector that peers compare
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from crdt import batch as batches
from crdt import fork
from crdt.batch import Batch, Head, Header
from crdt.namespace import Namespace
from crdt.ops import Author, Op, encode_op
from crdt.owner_log import Flag, Limits, OwnerLog
from wire import keys
from wire.errors import Offence, ProposalTooLarge, ProtocolViolation
from wire.ids import Digest, FederationId, PublicKey, SwarmId, sha256, tagged_hash
from wire.time import hlc_wall_ms


class KeyRing(Protocol):
    """What membership knows about authors."""

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        """The key that signs for `swarm` in `term`; None when the chain here names none (yet)."""
        ...

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        """(seq, hash) of the last batch that counts of a closed term; None while the term is open."""
        ...


class ReceiptStatus(StrEnum):
    """What became of a received batch or proof."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    GAP = "gap"  # its predecessors are missing here
    HELD = "held"  # cannot be judged yet: unknown author, or a clock ahead of ours
    FENCED = "fenced"  # of a term that was closed before it
    MASKED = "masked"  # of a forked log, behind the fork
    FORKED = "forked"  # it proves a fork that was not known


class Row(NamedTuple):
    """One row of the version vector."""

    swarm: SwarmId
    term: int
    seq: int
    hash: Digest
    root: Digest
    flag: Flag

    @property
    def author(self) -> Author:
        return Author(self.swarm, self.term)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome for one batch or proof; FORKED carries the proof."""

    status: ReceiptStatus
    author: Author
    seq: int
    proof: bytes | None = None


class Replica(Namespace):
    """All owner logs of one federation, as held here."""

    def __init__(
        self,
        federation: FederationId,
        key_ring: KeyRing,
        limits: Limits | None = None,
        verify: keys.Verify = keys.verify,
    ) -> None:
        super().__init__()
        self.federation = federation
        self.limits = limits or Limits()
        self.key_ring = key_ring
        self.verify = verify
        self.proofs: dict[Author, bytes] = {}
        self._early: dict[
            Author, tuple[int, int]
        ] = {}  # logs whose next batch is early: how far held, its stamp in ms
        self._root: Digest | None = None
        self._kept: dict[Author, tuple[Row, bytes]] = {}  # every row with its part of the root, ascending
        self._stale: dict[Author, None] = {}  # authors whose row is to be made anew

    # writing

    def compose(self, author: Author, ops: Sequence[Op], hlc: int, key: keys.SigningKey) -> bytes:
        """Sign and apply the next batch of our own log; the bytes to persist and send.

        Raises:
            UsageError: an op or the batch is over a limit, or the quota is used up; nothing changed.
        """
        raw_ops = [encode_op(op) for op in ops]
        encoded = batches.encode_ops(raw_ops)
        if len(ops) > batches.MAX_OPS or len(encoded) > batches.MAX_OPS_BYTES:
            raise ProposalTooLarge(f"a batch holds at most {batches.MAX_OPS} ops and {batches.MAX_OPS_BYTES} bytes")
        try:
            log = self.logs.get(author) or self.room_for(author)
            assert log.flag is Flag.LIVE, "a forked or closed log takes no more writes"
            root = log.preview(raw_ops, log.seq + 1, hlc)
        except ProtocolViolation as error:
            raise ProposalTooLarge(f"quota: {error.detail}") from error
        header = Header(
            federation=self.federation,
            swarm=author.swarm,
            term=author.term,
            seq=log.seq + 1,
            prev_hash=log.head_hash,
            hlc=hlc,
            ops_hash=sha256(encoded),
            state_root=root,
        )
        raw = batches.build(header, encoded, key)
        log.apply(batches.parse(raw))
        self.logs[author] = log
        self._changed(author)
        return raw

    # receiving

    def receive(self, raw: bytes, wall_ms: int) -> Receipt:
        """Verify a batch and apply it when it is the next of its log.

        Raises:
            RemoteError: forged, malformed, or breaking a rule of its author; nothing changed.
        """
        batch = batches.parse(raw)
        signed = batch.signed
        author, seq = signed.author, signed.header.seq
        key = self.key_ring.queen_key(*author)
        if key is None:
            return Receipt(ReceiptStatus.HELD, author, seq)
        batches.verify_header(signed, self.federation, key, self.verify)
        log = self.logs.get(author)
        held = log.seq if log else 0
        if seq <= held:
            return self._compare(log, signed)
        status = self._obstacle(log, batch, held, wall_ms)
        if status is not None:
            return Receipt(status, author, seq)
        log = log or self.room_for(author)
        log.apply(batch)
        self.logs[author] = log
        self._changed(author)
        self.enforce_cut(author)
        return Receipt(ReceiptStatus.APPLIED, author, seq)

    def _obstacle(self, log: OwnerLog | None, batch: Batch, held: int, wall_ms: int) -> ReceiptStatus | None:
        """Why a newer, authentic batch cannot be applied now; None when it can."""
        header = batch.signed.header
        close = self.key_ring.close_of(*batch.signed.author)
        if log is not None and log.flag is Flag.FORKED and log.cut is not None and header.seq > log.cut:
            return ReceiptStatus.MASKED
        if close is not None and header.seq >= close[0] and (header.seq, batch.signed.hash) != close:
            return ReceiptStatus.FENCED
        if hlc_wall_ms(header.hlc) > wall_ms + self.limits.future_ms:
            if header.seq == held + 1:
                self._early[batch.signed.author] = held, hlc_wall_ms(header.hlc)
            return ReceiptStatus.HELD
        if header.seq > held + 1:
            return ReceiptStatus.GAP
        if log is not None and log.head is not None and header.prev_hash != log.head.hash:
            return ReceiptStatus.GAP  # a fork below our head: version vectors find the place
        return None

    def early(self, author: Author, wall_ms: int) -> bool:
        """The next batch of a log came, and is still ahead of our clock: to ask for it would bring it again."""
        held, stamp = self._early.get(author, (-1, 0))
        log = self.logs.get(author)
        return held == (log.seq if log else 0) and stamp > wall_ms + self.limits.future_ms

    def _compare(self, log: OwnerLog | None, signed: batches.SignedHeader) -> Receipt:
        """An authentic header at a place we already hold: the same one, or the proof of a fork."""
        assert log is not None, "a held sequence number means a log"
        author, seq = signed.author, signed.header.seq
        mine = log.head_at(seq)
        if mine is None or mine.hash == signed.hash:
            return Receipt(ReceiptStatus.DUPLICATE, author, seq)
        return self.receive_fork(fork.build(mine.envelope, signed.envelope.raw))

    def receive_fork(self, raw: bytes) -> Receipt:
        """Verify a fork proof and cut the log at it.

        Raises:
            RemoteError: the proof does not prove a fork of a known author.
        """
        proof = fork.parse(raw)
        author = proof.author
        if not self.verify_fork(proof):
            return Receipt(ReceiptStatus.HELD, author, proof.seq)
        known = self.proofs.get(author)
        if known is not None and fork.parse(known).seq <= proof.seq:
            return Receipt(ReceiptStatus.DUPLICATE, author, proof.seq)
        self.logs[author] = self.logs.get(author) or self.room_for(author)
        self.proofs[author] = raw
        self.enforce_cut(author)
        return Receipt(ReceiptStatus.FORKED, author, proof.seq, raw)

    # where logs end

    def cut_of(self, author: Author) -> int | None:
        """The last batch that counts: before the fork, and not after the close of the term. None: the log goes on."""
        proof, close = self.proofs.get(author), self.key_ring.close_of(*author)
        ends = [] if proof is None else [fork.parse(proof).seq - 1]
        return min(ends if close is None else [*ends, close[0]], default=None)

    def enforce_cut(self, author: Author) -> None:
        """Cut a log where it ends; the same log, whichever of its fork and its close is learned of first."""
        log, cut = self.logs.get(author), self.cut_of(author)
        if log is None or cut is None:
            return
        flag = Flag.FORKED if author in self.proofs else Flag.CLOSED
        if (log.flag, log.cut) == (flag, cut) or (flag is Flag.CLOSED and log.seq < cut):
            return
        log.cut_at(cut, flag)
        self._changed(author)

    # the version vector

    def rows(self) -> list[Row]:
        """One row per author of whom something counts or a fork is known, ascending."""
        return [row for row, _ in self._vector().values()]

    heads = rows

    def row(self, author: Author) -> Row | None:
        """The row of one author, if it has one."""
        return self._vector().get(author, (None, b""))[0]

    def head(self, author: Author) -> Head | None:
        """The head of one log; None when nothing of it is held."""
        log = self.logs.get(author)
        return log.head if log else None

    def root(self) -> Digest:
        """The hash of all rows: equal on two nodes iff they hold the same."""
        if self._root is None:
            self._root = tagged_hash("zenmesh/federation", b"".join([part for _, part in self._vector().values()]))
        return self._root

    # whole logs

    def advances(self, author: Author, seq: int) -> bool:
        """A state at `seq` is worth having: further than what is held, but not behind the log's cut.

        Where nothing is held, one from behind the cut is better than none: what is left of it is stranded.
        """
        log, cut = self.logs.get(author), self.cut_of(author)
        if log is None or log.head is None:
            return True
        return (cut is None or seq <= cut) and (log.stranded or seq > log.seq)

    def install(self, author: Author, log: OwnerLog) -> None:
        """Replace one author's log by a verified one (from a snapshot)."""
        self.logs[author] = log
        self._changed(author)
        self.enforce_cut(author)

    def room_for(self, author: Author) -> OwnerLog:
        """An empty log, not yet among ours; raises ProtocolViolation (quota) when there are too many authors."""
        if author not in self.logs and len(self.logs) >= self.limits.owners:
            raise ProtocolViolation("more authors than this node keeps", Offence.QUOTA)
        return OwnerLog(author, self.limits)

    def verify_fork(self, proof: fork.ForkProof) -> bool:
        """True for an authentic proof; False when its author is unknown here. Raises BadSignature when forged."""
        return self.verify_header(proof.first) and self.verify_header(proof.second)

    def verify_head(self, envelope: bytes) -> batches.SignedHeader | None:
        """An authentic header; None when its author is unknown here. Raises RemoteError when forged."""
        signed = batches.parse_header(envelope)
        return signed if self.verify_header(signed) else None

    def verify_header(self, signed: batches.SignedHeader) -> bool:
        """True for an authentic header; False when its author is unknown here. Raises BadSignature when forged."""
        key = self.key_ring.queen_key(*signed.author)
        if key is None:
            return False
        batches.verify_header(signed, self.federation, key, self.verify)
        return True

    def _vector(self) -> dict[Author, tuple[Row, bytes]]:
        """All rows, ascending; only those of logs that changed are made anew."""
        news = False
        for author in self._stale:
            log = self.logs[author]
            if log.head is None and log.flag is Flag.CLOSED:  # before its first batch: the same as never heard of
                self._kept.pop(author, None)
                continue
            row = Row(author.swarm, author.term, log.seq, log.head_hash, log.trie.root, log.flag)
            news = news or author not in self._kept
            self._kept[author] = row, _part(row)
        if news:
            self._kept = dict(sorted(self._kept.items()))
        self._stale.clear()
        return self._kept

    def _changed(self, author: Author) -> None:
        self._root = None
        self._stale[author] = None
        self.dirty[author] = None


def _part(row: Row) -> bytes:
    """What a row adds to the root."""
    numbers = row.term.to_bytes(8, "big") + row.seq.to_bytes(8, "big")
    return row.swarm + numbers + row.hash + row.root + bytes([row.flag])
