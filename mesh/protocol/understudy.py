"""A backup's part: it holds all that its queen holds, says nothing, and takes over when the queen has failed.

    backup ──the queen FAILED, by the word of more than half──► its turn by rank, and it holds the log as they do
    FAILOVER submitted ──ordered──► queen of the next term, TAKING_OVER ──guard over, in step──► PROMOTE ──► ACTIVE

What makes a node a backup is the chain, which names its key and peer id among those of its swarm; what makes it queen
is the chain as well. So a restart at any point goes on where the chain stands. A queen that comes back and finds
another one in its place is a backup from then on, by the same rule.

The guard is a little longer than the time after which a queen without contact stops by itself: when the new one
begins to sign, the old one has stopped, though its clock ran slow. A failover is asked for while the queen stays
silent, no longer: one that answers again before the chain has spoken stays queen.
"""

from __future__ import annotations

from contextlib import suppress

from consensus.blocks import FailoverStatement, failover_tx
from consensus.certificates import Backup
from consensus.membership import Member, MemberState
from crdt.ops import Author
from mesh.protocol.charges import Charge
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.detector import Detector
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from wire.errors import Overloaded, RemoteError
from wire.ids import ZERO_DIGEST
from wire.time import Instant

_LAST_WORDS = 3  # probe periods in which a backup fetches what it lacks of its queen's log, if anybody has it


class Understudy:
    """Watches this node's own queen, and follows it into the next term."""

    def __init__(self, context: Context, detector: Detector, deciding: Deciding) -> None:
        self._context = context
        self._detector = detector
        self._deciding = deciding
        self._alone_since: Instant | None = None  # no link to the queen since then
        self._asked: bytes | None = None  # the transaction that is under way
        self._next_look: Instant = context.started
        self._guard_until: Instant = 0  # 0: it is over
        self._guarded = 0  # the term that it belongs to
        self._fenced_in = 0  # the term in which this node learnt that it is queen no more

    # state

    def fenced(self) -> bool:
        """This node was its swarm's queen, and another one is since."""
        member = self._context.chain.member(self._context.me.swarm)
        return member is not None and member.term > self._context.me.term > 0

    def guarding(self, now: Instant) -> bool:
        """It is queen, and the one before it may not have stopped yet."""
        return now < self._guard_until

    def reason(self, now: Instant) -> str:
        """Why this node does not sign, as far as that is a backup's lot; empty when it is none."""
        context = self._context
        member = context.chain.member(context.me.swarm)
        if member is None:
            return ""
        if self.guarding(now):
            return f"read-only: taking over as queen of {member.name} in term {member.term}, in a few seconds"
        if context.understudy() is None:
            return ""
        where = ", ".join(f"{address}/p2p/{member.peer}" for address in context.dialer.addresses(member.peer)[:1])
        queen = f"the queen of {member.name} in term {member.term} is {where or member.peer}"
        if not self.fenced():
            return f"NotLeader: this node is a backup; {queen}: ask there"
        return (
            f"NotLeader: a backup took over while this node, queen of term {context.me.term}, was silent; {queen},"
            " and this node is its backup now. To make it queen again: `zenmesh recover --new-term` with the root key"
        )

    # events

    def chain_grew(self, now: Instant, out: Outbox) -> None:
        """The chain may have made this node queen, or another one instead of it."""
        context = self._context
        member, me = context.chain.member(context.me.swarm), context.me.on(context.chain)
        if member is None or not context.chain.anchored:
            return
        if me.term > context.me.term:
            context.me, context.incarnation, self._asked = me, 0, None
            out.trace(TraceKind.TAKING_OVER, swarm=me.name, term=me.term)
            self._guard(now)
        elif member.state is MemberState.TAKING_OVER and member.term == me.term != self._guarded:
            self._guard(now)  # this node was restarted meanwhile: nobody knows how much of it had passed
        if self.fenced() and self._fenced_in != member.term:
            self._fenced_in = member.term
            out.trace(TraceKind.FENCED, swarm=me.name, term=me.term, since=member.term)

    # time

    def tick(self, now: Instant, out: Outbox) -> None:
        """Look whether the queen has failed and it is this node's turn; ask for the failover, again and again."""
        context = self._context
        if now >= self._guard_until:
            self._guard_until = 0
        part, member = context.understudy(), context.chain.member(context.me.swarm)
        if part is None or member is None or now < self._next_look:
            return
        self._next_look = now + context.config.profile.probe // 2
        if context.links.of_swarm(member.swarm) is not None:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        heirs = _heirs(member, context.wall_ms(now))
        charge = self._charge(member, now) if part in heirs and context.chain.governed else None
        if charge is not None:
            self._take_over(member, charge, heirs.index(part), now, out)
        elif self._asked is not None:
            self._deciding.withdraw(self._asked)
            self._asked = None

    def next_deadline(self) -> Instant | None:
        """When to look next; None for a node that is no backup."""
        if self._context.understudy() is not None:
            return self._next_look
        return self._guard_until or None

    def _take_over(self, member: Member, charge: Charge, place: int, now: Instant, out: Outbox) -> None:
        """Ask for it once it is this one's turn, and it holds what its queen said last, if anybody does."""
        profile = self._context.config.profile
        due = charge.since + place * profile.rank_delay
        lacks = self._held(member)[0] < charge.seq
        if now < due + (_LAST_WORDS * profile.probe if lacks else 0):
            return
        if self._asked is None or not self._deciding.waits(self._asked):
            self._ask(member, charge, now, out)

    def _ask(self, member: Member, charge: Charge, now: Instant, out: Outbox) -> None:
        context = self._context
        close_seq, close_hash = self._held(member)
        statement = FailoverStatement(
            context.federation, member.swarm, member.term + 1, close_seq, close_hash, context.wall_ms(now)
        )
        self._asked = failover_tx(statement, context.me.queen_key, charge.accusations)
        out.trace(TraceKind.FAILOVER, swarm=member.name, term=member.term + 1, close=close_seq)
        with suppress(RemoteError, Overloaded):  # the chain knows better, or too much waits: tried again
            self._deciding.submit(self._asked, now, out)

    def _charge(self, member: Member, now: Instant) -> Charge | None:
        """What proves that the queen has failed; None while it has not."""
        if member.state is not MemberState.SUSPENDED:
            return self._detector.charge(member.swarm, self._context.wall_ms(now))
        profile = self._context.config.profile
        gone = None if self._alone_since is None else self._alone_since + profile.probe * profile.missed_probes
        return Charge(since=gone, seq=0, accusations=()) if gone is not None and now >= gone else None

    def _guard(self, now: Instant) -> None:
        context = self._context
        self._guarded = context.me.term
        self._guard_until = now + context.config.profile.guard_of(len(context.chain.members()))

    def _held(self, member: Member) -> tuple[int, bytes]:
        """How far this node holds the log of the present term."""
        head = self._context.replica.head(Author(member.swarm, member.term))
        return (head.seq, head.hash) if head else (0, ZERO_DIGEST)


def _heirs(member: Member, wall_ms: int) -> list[Backup]:
    """The backups that may take over, in their order."""
    return sorted((b for b in member.backups if b.not_after_ms > wall_ms), key=lambda b: (b.rank, b.key))
