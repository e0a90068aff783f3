"""Local commands: what the control API asks, and the outcome that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from consensus.blocks import RenewTx, encode_tx, leave_tx
from consensus.governance.proposals import Choice
from crdt.ops import Op
from mesh.protocol import decisions, membership, memory, status
from mesh.protocol.applications import applications
from mesh.protocol.commands import (
    Admit,
    DraftTakeover,
    Failure,
    FailureKind,
    GetDecisions,
    GetMembers,
    GetPeers,
    GetProposals,
    GetStatus,
    Invite,
    Join,
    Leave,
    MemoryGet,
    MemoryList,
    MemoryPut,
    MemoryRemove,
    Operation,
    Outcome,
    Propose,
    Read,
    Renew,
    Success,
    TakeOver,
    Vote,
)
from mesh.protocol.effects import Reply
from mesh.protocol.health import HealthBook
from mesh.protocol.outbox import Outbox
from mesh.protocol.reach import reach
from mesh.protocol.takeover import Takeover
from mesh.protocol.writer import Write
from wire.errors import RemoteError
from wire.time import Instant

if TYPE_CHECKING:
    from mesh.protocol.node import Node


class Operations:
    """Executes one command at a time, against the node it belongs to."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._takeover = Takeover(node.context, node.handover)
        self.health = HealthBook(node.context, node.detector)

    def execute(self, request_id: int, operation: Operation, now: Instant, out: Outbox) -> None:
        """Answer `operation` now, or hand it to the machine that will."""
        match operation:
            case MemoryPut(replicated=replicated):
                self._write(request_id, memory.put_op(operation), replicated, now, out)
            case MemoryRemove(replicated=replicated):
                self._write(request_id, memory.remove_op(operation, self._node.context), replicated, now, out)
            case Admit(swarm=swarm):
                outcome = self._admit(swarm, now, out)
                out.add(Reply(request_id=request_id, outcome=outcome))
            case Propose():
                if self._may(request_id, self._governed_refusal("nothing was proposed", now), out):
                    self._node.voting.propose(request_id, operation, now, out)
            case Vote():
                if self._may(request_id, self._governed_refusal("no vote was cast", now), out):
                    outcome = self._node.voting.vote(operation, now, out)
                    out.add(Reply(request_id=request_id, outcome=outcome))
            case Leave():
                if self._may(request_id, self._leave_refusal(now), out):
                    self._node.terms.leave(request_id, now)
            case Renew(certificate=certificate):
                self._renew(request_id, certificate, now, out)
            case DraftTakeover():
                out.add(Reply(request_id=request_id, outcome=self._draft(now)))
            case TakeOver():
                outcome = self._takeover.submit(operation, out)
                out.add(Reply(request_id=request_id, outcome=outcome))
            case _:
                out.add(Reply(request_id=request_id, outcome=self._read(operation, now)))

    def _read(self, operation: Read, now: Instant) -> Outcome:
        node = self._node
        match operation:
            case GetStatus():
                return Success(result=self._status(now))
            case GetPeers():
                return Success(result={"peers": status.peers(node.context, now)})
            case MemoryGet():
                return memory.get(operation, node.context)
            case MemoryList():
                return memory.list_keys(operation, node.context)
            case Invite(expires_s=expires_s):
                return self._invite(expires_s, now)
            case GetMembers():
                return Success(result=membership.membership(node.context, self.health.of, now))
            case GetProposals():
                return Success(result={"proposals": decisions.open_proposals(node.context)})
            case GetDecisions(since=since, proposal=proposal):
                if proposal is not None:
                    return decisions.find(node.context, proposal)
                return Success(result={"decisions": decisions.decided(node.context, since)})
            case Join():
                name = node.context.chain.genesis.name
                message = f"this node is a member of {name!r} already; a home belongs to one federation"
                return Failure(kind=FailureKind.REJECTED, message=message)
            case _:
                assert_never(operation)

    def _status(self, now: Instant) -> dict[str, object]:
        node = self._node
        return status.status(
            node.context,
            node.announcing,
            node.deciding,
            self.health.of,
            handover=node.handover.wait(),
            lifecycle=node.lifecycle,
            reason=node.lifecycle_reason(),
            read_only=node.read_only_reason(now),
            pending_joins=self._pending_joins(),
            progress=node.syncing.progress(),
            forgetful=node.startup.forgetful and node.deciding.abstaining,
            now=now,
        )

    def _pending_joins(self) -> list[dict[str, str]]:
        """Swarms that wait for this node's operator."""
        chain = self._node.context.chain
        names = applications(self._node.context) if chain.governed else self._node.admission.pending()
        return [{"swarm": name} for name in sorted(names)]

    @staticmethod
    def _may(request_id: int, refusal: Failure | None, out: Outbox) -> bool:
        """Nothing stands against it; else that is the answer."""
        if refusal is not None:
            out.add(Reply(request_id=request_id, outcome=refusal))
        return refusal is None

    def _governed_refusal(self, what: str, now: Instant) -> Failure | None:
        """Why the queens can be asked for nothing now, and what would mend it."""
        context = self._node.context
        if reason := self._node.read_only_reason(now):
            return Failure(kind=FailureKind.REJECTED, message=f"{what}: {reason}", retry_after_s=1.0)
        if (wait := self._node.handover.wait()) is not None:
            message = f"{what}: the creator still governs; {wait.reason}: {wait.remedy}"
            return Failure(kind=FailureKind.REJECTED, message=message, retry_after_s=1.0)
        if reason := reach(context, now).refusal:
            return Failure(kind=FailureKind.NO_QUORUM, message=f"{what}: {reason}", retry_after_s=1.0)
        return None

    def _leave_refusal(self, now: Instant) -> Failure | None:
        """Why this swarm cannot leave now, and what would mend it."""
        context = self._node.context
        chain, me = context.chain, context.me
        what = f"{me.name} did not leave"
        if context.has_left():
            return Failure(kind=FailureKind.REJECTED, message=f"{me.name} has left the federation already")
        if chain.governed:
            refusal = self._governed_refusal(what, now)
            return refusal or self._judged(what, leave_tx(context.federation, me.swarm, me.term, me.queen_key), now)
        if reason := self._node.read_only_reason(now):
            return Failure(kind=FailureKind.REJECTED, message=f"{what}: {reason}", retry_after_s=1.0)
        if chain.creator.swarm == me.swarm:
            reason = "it governs this federation alone, which would end with it"
            return Failure(kind=FailureKind.REJECTED, message=f"{what}: {reason}")
        if context.links.of_swarm(chain.creator.swarm) is None:
            reason = f"{chain.creator.name}, which governs this federation, is out of reach: start its node"
            return Failure(kind=FailureKind.NO_QUORUM, message=f"{what}: {reason}", retry_after_s=1.0)
        return None

    def _renew(self, request_id: int, text: str, now: Instant, out: Outbox) -> None:
        """Another certificate of this swarm, unless something stands against it."""
        what = "the certificate was not replaced"
        if self._node.context.chain.governed:
            refusal = self._governed_refusal(what, now)
        else:
            reason = self._node.read_only_reason(now)
            refusal = Failure(kind=FailureKind.REJECTED, message=f"{what}: {reason}") if reason else None
        try:
            transaction = encode_tx(RenewTx(bytes.fromhex(text)))
        except ValueError:
            refusal = Failure(kind=FailureKind.USAGE, message=f"{what}: it is no hexadecimal text")
        refusal = refusal or self._judged(what, transaction, now)
        if self._may(request_id, refusal, out):
            self._node.terms.renew(request_id, bytes.fromhex(text), now)

    def _draft(self, now: Instant) -> Outcome:
        """A takeover, with this queen among those who are ready; and from a chain that may be believed."""
        if reason := self._node.read_only_reason(now):
            return Failure(kind=FailureKind.REJECTED, message=f"no request was made: {reason}", retry_after_s=1.0)
        return self._takeover.draft()

    def _judged(self, what: str, transaction: bytes, now: Instant) -> Failure | None:
        """What the chain says against `transaction`."""
        try:
            self._node.context.chain.check_transaction(transaction, self._node.context.wall_ms(now))
        except RemoteError as error:
            return Failure(kind=FailureKind.REJECTED, message=f"{what}: {error}")
        return None

    def _write(self, request_id: int, op: Op | Failure, replicated: bool, now: Instant, out: Outbox) -> None:
        if isinstance(op, Failure):
            out.add(Reply(request_id=request_id, outcome=op))
        elif reason := self._node.read_only_reason(now):
            failure = Failure(kind=FailureKind.REJECTED, message=f"nothing was written: {reason}", retry_after_s=1.0)
            out.add(Reply(request_id=request_id, outcome=failure))
        else:
            self._node.writer.submit(Write(op=op, request_id=request_id, replicated=replicated), out)

    def _invite(self, expires_s: int, now: Instant) -> Outcome:
        if reason := self._node.read_only_reason(now):
            return Failure(kind=FailureKind.REJECTED, message=f"no ticket was made: {reason}", retry_after_s=1.0)
        return self._node.admission.invite(expires_s, now)

    def _admit(self, swarm: str, now: Instant, out: Outbox) -> Outcome:
        if reason := self._node.read_only_reason(now):
            return Failure(kind=FailureKind.REJECTED, message=f"nobody was admitted: {reason}", retry_after_s=1.0)
        if self._node.context.chain.governed:
            return self._approve(swarm, now, out)
        outcome = self._node.admission.admit(swarm, now, out)
        self._node.chain_grew(now, out)
        return outcome

    def _approve(self, swarm: str, now: Instant, out: Outbox) -> Outcome:
        """This queen's yes to a swarm on whose admission the queens vote."""
        context = self._node.context
        waiting = applications(context)
        if swarm not in waiting:
            message = f"no request of {swarm!r} waits for this queen's vote; waiting: {', '.join(waiting) or 'none'}"
            return Failure(kind=FailureKind.USAGE, message=message)
        if refusal := self._governed_refusal("nobody was admitted", now):
            return refusal
        for proposal in waiting[swarm]:
            outcome = self._node.voting.vote(Vote(proposal=proposal.id.hex(), choice=Choice.APPROVE.name), now, out)
            if isinstance(outcome, Failure):
                return outcome
        state = "approved" if context.chain.member_by_name(swarm) is None else "admitted"
        return Success(result={"admitted": swarm, "state": state, "height": context.chain.height})
