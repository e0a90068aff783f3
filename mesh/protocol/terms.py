"""This swarm's standing in the federation: from learner to active member, from one term to the next.

A learner that is in step submits PROMOTE: its signature over a recent block proves that it is alive; so does one that
was suspended, and a backup that took over. A home whose certificate names a newer term than the chain (`zenmesh
recover --new-term`, a restored archive) asks every member how far the old term's log goes, fetches it, and submits
TERM_BUMP, which closes the old term there: whoever held the old key is fenced from then on. A swarm whose operator
says so submits LEAVE, or RENEW with another certificate. All go to whoever governs the federation, again and again
until the chain shows them. Who left is told so once another member has shown that it has the block as well: in a
federation of two it may be the only one who can decide it, and who stopped its node then would leave the other stuck.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from consensus.blocks import RenewTx, encode_tx, leave_tx, promote_tx, term_bump_tx
from consensus.certificates import parse_member_cert
from consensus.membership import MemberState
from crdt.ops import Author
from mesh.protocol.commands import Failure, FailureKind, Success
from mesh.protocol.context import Context
from mesh.protocol.effects import Reply
from mesh.protocol.membership import backups_of
from mesh.protocol.messages import HeldRow
from mesh.protocol.outbox import Outbox
from mesh.protocol.startup import Startup
from wire import cbor
from wire.ids import ZERO_DIGEST
from wire.time import SECOND, Instant

_RETURNING = (MemberState.LEARNER, MemberState.SUSPENDED, MemberState.TAKING_OVER)


class _Gone(NamedTuple):
    """Why a swarm does not belong any more, and what its operator can do."""

    why: str
    then: str


_GONE: dict[MemberState | None, _Gone] = {
    MemberState.LEFT: _Gone(
        "this swarm has left the federation",
        "stop this node, its home stays readable; to come back, make a new home (`zenmesh init`) and join by ticket",
    ),
    MemberState.EXPELLED: _Gone(
        "the members have expelled this swarm",
        "one of them can ask the others to take it back (`zenmesh reinstate`)",
    ),
}


@dataclass(frozen=True, slots=True)
class _Request:
    """Our operator waits until the chain shows a step of this swarm."""

    deadline: Instant
    certificate: bytes | None = None  # that replaces ours; None: to leave

    @property
    def late(self) -> str:
        """Why it was not answered in time."""
        leaves = self.certificate is None
        what = "that this swarm leaves is not decided" if leaves else "the new certificate is not ordered"
        return f"{what} yet: too few members could be reached in time"


class Terms:
    """Drives PROMOTE and TERM_BUMP of this very swarm."""

    def __init__(self, context: Context, startup: Startup) -> None:
        self._context = context
        self._startup = startup
        self._next_try: Instant = 0
        self._judged_at = -1  # the chain's height at which the next two were found; asked for after every event
        self._known = False
        self._current = False
        self._requests: dict[int, _Request] = {}

    def current(self) -> bool:
        """The chain knows this node as its swarm's queen, by term and key."""
        self._judge()
        return self._current

    def known(self) -> bool:
        """The chain held here reaches the block that admitted this swarm."""
        self._judge()
        return self._known

    def _judge(self) -> None:
        chain, me = self._context.chain, self._context.me
        if chain.height == self._judged_at:
            return
        member = chain.member(me.swarm)
        self._judged_at, self._known = chain.height, member is not None and chain.anchored
        queen = None if member is None else (member.term, member.queen_key)
        self._current = self._known and queen == (me.term, me.queen_key.public)

    def gone(self) -> str:
        """That this swarm does not belong any more, and what its operator can do; empty while it does."""
        gone = _GONE.get(self._context.chain.standing_of(self._context.me.swarm))
        return f"{gone.why}: {gone.then}" if gone is not None else ""

    def departed(self) -> str:
        """The same, as why this node does not sign: nothing else is asked any more of one that is gone."""
        gone = self.gone()
        return f"read-only: {gone}" if gone else ""

    def reason(self) -> str:
        """Why this node of a member is not its current queen; empty when it is."""
        me = self._context.me
        member = self._context.chain.member(me.swarm)
        if member is None:
            return "read-only: the part of the federation's chain held here does not name this swarm yet"
        if not self._context.chain.anchored:
            return "read-only: the chain held here does not reach the block that this swarm's ticket names"
        if member.term > me.term:
            older = f"the federation knows term {member.term} of this swarm, this home is of term {me.term}"
            remedy = "stop this one, or begin a newer term here: `zenmesh recover --new-term` with the root key"
            return f"read-only: {older}: another node speaks for it; {remedy}"
        if member.term == me.term and member.queen_key != me.queen_key.public:
            return f"read-only: the federation knows another queen key of term {me.term} than this home holds"
        if member.term < me.term:
            return f"read-only: term {me.term} of this swarm waits for the federation to order it"
        return ""

    def leave(self, request_id: int, now: Instant) -> None:
        """Leave the federation; answered once the chain shows it, here and elsewhere, or when that takes too long."""
        self._wait(request_id, None, now)

    def renew(self, request_id: int, certificate: bytes, now: Instant) -> None:
        """Replace our certificate; answered once the chain shows it, or when that takes too long."""
        self._wait(request_id, certificate, now)

    def _wait(self, request_id: int, certificate: bytes | None, now: Instant) -> None:
        deadline = now + self._context.config.decision_patience_s * SECOND
        self._requests[request_id] = _Request(deadline, certificate)
        self._next_try = now

    def chain_grew(self, out: Outbox) -> None:
        """Our standing may have changed: logs of closed terms are cut, and the next step is due at once."""
        self._next_try = 0
        self._renewed(out)
        for author in list(self._context.replica.logs):
            self._context.replica.enforce_cut(author)

    def tick(self, now: Instant, in_step: bool, out: Outbox) -> bytes | None:
        """What is due, again and again until the chain shows it."""
        late = [one for one in self._requests.items() if now >= one[1].deadline]
        if late and self._context.has_left():
            self._left(out)  # nobody else has shown that it knows, and may never
        for request_id, request in [one for one in late if one[0] in self._requests]:
            del self._requests[request_id]
            out.add(Reply(request_id=request_id, outcome=Failure(kind=FailureKind.NO_QUORUM, message=request.late)))
        if now < self._next_try or not self._pending():
            return None
        transaction = self._transaction(now, in_step)
        if transaction is None:
            self._next_try = 0  # not yet: whatever changes that is an event
            return None
        self._next_try = now + self._context.config.promote_retry
        return transaction

    def next_deadline(self) -> Instant | None:
        if not self._next_try and not self._requests:  # as a rule, and asked for after every event
            return None
        due = [self._next_try] if self._next_try and self._pending() else []
        return min([*due, *(request.deadline for request in self._requests.values())], default=None)

    def clean_mark(self) -> bytes:
        """The row of our own log, for the clean-shutdown marker."""
        me = self._context.me
        head = self._context.replica.head(me.author)
        seq, digest = (head.seq, head.hash) if head else (0, ZERO_DIGEST)
        return cbor.encode_struct(HeldRow(swarm=me.swarm, term=me.term, seq=seq, head=digest))

    def _pending(self) -> bool:
        member = self._context.chain.member(self._context.me.swarm)
        if member is None or not self._context.chain.anchored:
            return False
        returning = member.state in _RETURNING and self.current()
        return bool(self._requests) or member.term < self._context.me.term or returning

    def _transaction(self, now: Instant, in_step: bool) -> bytes | None:
        context = self._context
        chain, me = context.chain, context.me
        member = chain.member(me.swarm)
        assert member is not None, "a pending step belongs to a member"
        if self._requests:
            certificates = [request.certificate for request in self._requests.values()]
            first = None if None in certificates else certificates[0]  # who leaves renews nothing any more
            if first is None:
                return leave_tx(chain.federation_id, me.swarm, me.term, me.queen_key)
            return encode_tx(RenewTx(first))
        if member.term < me.term:
            if not in_step or not self._startup.majority_answered() or self._overtaken():
                return None
            head = context.replica.head(Author(me.swarm, member.term))
            close = (head.seq, head.hash) if head else (0, ZERO_DIGEST)
            return term_bump_tx(chain.federation_id, me.certificate, me.queen_key, close[0], close[1])
        if member.state in _RETURNING and in_step and member.not_after_ms > context.wall_ms(now):
            return promote_tx(chain.federation_id, me.swarm, chain.height, chain.head_hash, me.queen_key)
        return None

    def _overtaken(self) -> bool:
        """This swarm would order its own new term, and others show blocks that it lacks: they may have taken over."""
        chain = self._context.chain
        governs = not chain.governed and chain.creator.swarm == self._context.me.swarm
        return governs and any(link.height > chain.height for link in self._context.links.members())

    def _renewed(self, out: Outbox) -> None:
        """Answer whoever's certificate is that of the chain, or was overtaken by a later one."""
        member = self._context.chain.member(self._context.me.swarm)
        for request_id, request in list(self._requests.items()):
            if request.certificate is None:
                continue
            cert = parse_member_cert(request.certificate, self._context.federation, self._context.verify)
            if member is not None and member.not_after_ms >= cert.body.not_after_ms:
                del self._requests[request_id]
                result = {"swarm": member.name, "term": member.term, "height": self._context.chain.height}
                held = {"state": member.state.name, "expires_ms": member.not_after_ms}
                outcome = Success(result={**result, **held, "backups": backups_of(member)})
                out.add(Reply(request_id=request_id, outcome=outcome))

    def told(self, out: Outbox) -> None:
        """Another member may have shown that it has the block by which this swarm left. Asked after every event."""
        if self._requests and self._context.has_left() and self._others_know():
            self._left(out)

    def _others_know(self) -> bool:
        """What a link shows of the other side's chain is no proof, and lied about by nobody who gains by it."""
        chain, me = self._context.chain, self._context.me.swarm
        return any(
            link.queen and link.swarm != me and link.height >= chain.height for link in self._context.links.all()
        )

    def _left(self, out: Outbox) -> None:
        """Answer who asked for it."""
        me = self._context.me
        result = {"swarm": me.name, "swarm_id": me.swarm.hex(), "state": MemberState.LEFT.name}
        shown = {"height": self._context.chain.height, "others_know": self._others_know()}
        outcome = Success(result={**result, **shown})
        for request_id in [one for one, request in self._requests.items() if request.certificate is None]:
            del self._requests[request_id]
            out.add(Reply(request_id=request_id, outcome=outcome))
