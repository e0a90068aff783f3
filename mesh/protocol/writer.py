"""This swarm's own log: writes become signed batches, batches leave only once durable.

Writes that come closer together than `flush_interval` share a batch; a write after a pause leaves at once. A batch
is composed (signed and applied), persisted, answered, and only then sent: to every linked member directly while the
federation is small or writes come fast, and on gossip at most twice a second, because gossip is dear. Lost is what
nobody repairs: anti-entropy reads version vectors, so either way may drop anything.

`--replicated` waits until other members that together have weak-quorum weight acknowledged the batch.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from consensus.quorum import reaches_weak_quorum
from crdt.ops import Author, Op
from mesh.protocol.commands import Failure, FailureKind, Success
from mesh.protocol.context import Context
from mesh.protocol.effects import Publish, RecordKind, Reply
from mesh.protocol.fence import Fence
from mesh.protocol.messages import Held
from mesh.protocol.outbox import Outbox, pack
from mesh.protocol.topics import state_topic
from mesh.protocol.trace import TraceKind
from wire.errors import UsageError
from wire.ids import SwarmId
from wire.time import HlcClock, Instant
from wire.types import Channel, MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One op on its way into the log, and who waits for it."""

    op: Op
    request_id: int
    replicated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A `--replicated` write that is durable here and waits for others."""

    request_id: int
    key: str
    author: Author
    seq: int
    deadline: Instant


class Writer:
    """Turns local writes into batches of this swarm's owner log."""

    def __init__(self, context: Context, fence: Fence) -> None:
        self._context = context
        self._fence = fence
        self._pending: deque[Write] = deque()
        self._pending_bytes = 0
        self._waiting: list[_Waiting] = []
        self._acks: dict[SwarmId, dict[Author, int]] = {}
        self._clock = HlcClock()
        self._next_flush: Instant = 0
        self._next_gossip: Instant = 0

    # writing

    def submit(self, write: Write, out: Outbox) -> None:
        """Queue one write; it is answered by a later flush."""
        if len(self._pending) >= self._context.config.max_pending_ops:
            message = "too many writes are waiting for the disk: try again shortly"
            out.add(Reply(request_id=write.request_id, outcome=_failure(FailureKind.FAILED, message, 0.2)))
            return
        self._pending.append(write)
        self._pending_bytes += len(write.op.value or b"") + len(write.op.key)

    @property
    def pending(self) -> int:
        """How many writes wait to be signed."""
        return len(self._pending)

    def flush(self, now: Instant, out: Outbox) -> None:
        """Write what is due: after a pause at once, under load once per interval or when a batch is full."""
        if not self._pending:
            return
        config = self._context.config
        full = len(self._pending) >= config.flush_ops or self._pending_bytes >= config.flush_bytes
        if now < self._next_flush and not full:
            return
        self._next_flush = now + config.flush_interval
        self.flush_all(now, out)

    def refuse(self, reason: str, out: Outbox) -> None:
        """This node may not sign (any more): what waits is not written."""
        while self._pending:
            message = f"nothing was written: {reason}"
            write = self._pending.popleft()
            out.add(Reply(request_id=write.request_id, outcome=_failure(FailureKind.REJECTED, message)))
        self._pending_bytes = 0

    def flush_all(self, now: Instant, out: Outbox) -> None:
        """Write everything that waits, due or not."""
        while self._pending:
            self._write_batch(self._take_batch(), now, out)

    def _take_batch(self) -> list[Write]:
        taken: list[Write] = []
        size = 0
        while self._pending and len(taken) < self._context.config.flush_ops:
            weight = len(self._pending[0].op.value or b"") + len(self._pending[0].op.key)
            if taken and size + weight > self._context.config.flush_bytes:
                break
            size += weight
            self._pending_bytes -= weight
            taken.append(self._pending.popleft())
        return taken

    def _write_batch(self, writes: list[Write], now: Instant, out: Outbox) -> None:
        context = self._context
        author = context.me.author
        head = context.replica.head(author)
        self._clock.observe(head.hlc if head else 0)
        stamp = self._clock.now(context.wall_ms(now))
        try:
            batch = context.replica.compose(author, [w.op for w in writes], stamp, context.me.queen_key)
        except UsageError as error:
            self._fall_back(writes, error, now, out)
            return
        head = context.replica.head(author)
        assert head is not None, "compose applies what it signs"
        out.persist(RecordKind.BATCH, batch)
        out.trace(TraceKind.BATCH_WRITTEN, seq=head.seq, term=author.term, ops=len(writes))
        for write in writes:
            self._answer_durable(write, author, head.seq, now, out)
        self._disseminate(batch, now, out)

    def _fall_back(self, writes: list[Write], error: UsageError, now: Instant, out: Outbox) -> None:
        """One write over a limit must not fail its neighbours: write them one by one, refuse the culprit."""
        if len(writes) > 1:
            for write in writes:
                self._write_batch([write], now, out)
            return
        out.add(Reply(request_id=writes[0].request_id, outcome=_failure(FailureKind.REJECTED, str(error))))

    def _answer_durable(self, write: Write, author: Author, seq: int, now: Instant, out: Outbox) -> None:
        if not write.replicated:
            success = self._success(write.op.key, author, seq, False)
            out.add(Reply(request_id=write.request_id, outcome=success, until=self._fence.until(now)))
            return
        deadline = now + self._context.config.replicated_deadline
        self._waiting.append(
            _Waiting(request_id=write.request_id, key=write.op.key, author=author, seq=seq, deadline=deadline)
        )

    def _disseminate(self, batch: bytes, now: Instant, out: Outbox) -> None:
        context = self._context
        gossip = now >= self._next_gossip and len(batch) <= context.config.gossip_batch_limit
        if gossip:
            self._next_gossip = now + context.config.gossip_interval
        if not gossip or len(context.chain.members()) <= context.config.direct_members:
            for link in context.links.members():
                out.send(link.peer, Channel.MESH, MessageType.BATCH, batch)
        if gossip:
            out.add(Publish(topic=state_topic(context.federation), message=pack(MessageType.BATCH, batch)))

    # acknowledgements

    def on_held(self, swarm: SwarmId, held: Held, out: Outbox) -> None:
        """`swarm` holds these logs durably so far."""
        acked = self._acks.setdefault(swarm, {})
        for row in held.rows:
            if row.swarm == self._context.me.swarm:
                author = Author(SwarmId(row.swarm), row.term)
                acked[author] = max(acked.get(author, 0), row.seq)
        done = [w for w in self._waiting if self._replicated(w)]
        for waiting in done:
            self._waiting.remove(waiting)
            success = self._success(waiting.key, waiting.author, waiting.seq, True)
            out.add(Reply(request_id=waiting.request_id, outcome=success))

    def acked_by_all(self, author: Author) -> int:
        """The sequence number of our own log that every active member holds."""
        others = self._context.others()
        return min((self._acks.get(swarm, {}).get(author, 0) for swarm in others), default=0)

    def _replicated(self, waiting: _Waiting) -> bool:
        chain = self._context.chain
        others = [member for member in chain.members() if member.swarm != self._context.me.swarm]
        held = [m for m in others if self._acks.get(m.swarm, {}).get(waiting.author, 0) >= waiting.seq]
        total = sum(member.weight for member in chain.members())
        return bool(held) and reaches_weak_quorum(sum(member.weight for member in held), total)

    # time

    def tick(self, now: Instant, out: Outbox) -> None:
        """Give up on replication that takes too long."""
        for waiting in [w for w in self._waiting if now >= w.deadline]:
            self._waiting.remove(waiting)
            message = (
                f"{waiting.key!r} is durable on this node (record {waiting.seq}), but too few other members "
                "confirmed it in time. It spreads as soon as they are reachable: see `zenmesh peers`."
            )
            out.add(Reply(request_id=waiting.request_id, outcome=_failure(FailureKind.NO_QUORUM, message, 5.0)))

    def next_deadline(self) -> Instant | None:
        if not self._waiting:
            return self._next_flush if self._pending else None
        deadline = min(waiting.deadline for waiting in self._waiting)
        return min(deadline, self._next_flush) if self._pending else deadline

    def _success(self, key: str, author: Author, seq: int, replicated: bool) -> Success:
        result = {"key": key, "swarm": self._context.me.name, "term": author.term, "seq": seq}
        return Success(result={**result, "durable": True, "replicated": replicated})


def _failure(kind: FailureKind, message: str, retry_after_s: float | None = None) -> Failure:
    return Failure(kind=kind, message=message, retry_after_s=retry_after_s)
