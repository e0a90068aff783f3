"""Local commands: what the control API asks, and the outcome that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from crdt.ops import Op
from mesh.protocol import memory, status
from mesh.protocol.commands import (
    Admit,
    Failure,
    FailureKind,
    GetPeers,
    GetStatus,
    Invite,
    Join,
    MemoryGet,
    MemoryList,
    MemoryPut,
    MemoryRemove,
    Operation,
    Outcome,
    Success,
)
from mesh.protocol.effects import Reply
from mesh.protocol.outbox import Outbox
from mesh.protocol.writer import Write
from wire.time import Instant

if TYPE_CHECKING:
    from mesh.protocol.node import Node


class Operations:
    """Executes one command at a time, against the node it belongs to."""

    def __init__(self, node: Node) -> None:
        self._node = node

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
            case _:
                out.add(Reply(request_id=request_id, outcome=self._read(operation, now)))

    def _read(
        self, operation: GetStatus | GetPeers | MemoryGet | MemoryList | Invite | Join, now: Instant
    ) -> Outcome:
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
            lifecycle=node.lifecycle,
            reason=node.lifecycle_reason(),
            read_only=node.read_only_reason(now),
            pending_joins=node.admission.pending(),
            progress=node.syncing.progress(),
            now=now,
        )

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
        outcome = self._node.admission.admit(swarm, now, out)
        self._node.chain_grew(now, out)
        return outcome
