"""Canaries in what nodes make of batches: the state that follows from them, and how often they count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chaos.rules import Rules
from crdt.ops import Author
from crdt.owner_log import OwnerLog, Undo
from crdt.replica import Receipt, ReceiptStatus
from crdt.scan import effect_of

if TYPE_CHECKING:
    from chaos.process import Process


class _Hoard(OwnerLog):
    """A log in which what was put stays."""

    def _change(self, ops: Sequence[bytes], seq: int, hlc: int) -> Undo:
        return super()._change([op for op in ops if effect_of(op)[1]], seq, hlc)


class Forgetful(Rules):
    """To merge a batch forgets what it removes, on every node alike."""

    def booted(self, process: Process) -> None:
        replica = process.node.context.replica
        room_for = replica.room_for

        def hoard(author: Author) -> OwnerLog:
            log = room_for(author)
            log.__class__ = _Hoard
            return log

        replica.room_for = hoard  # type: ignore[method-assign]
        for log in replica.logs.values():
            log.__class__ = _Hoard


class Repeating(Rules):
    """A batch that comes again is taken for news."""

    def booted(self, process: Process) -> None:
        replica = process.node.context.replica
        receive = replica.receive

        def gullible(raw: bytes, wall_ms: int) -> Receipt:
            receipt = receive(raw, wall_ms)
            known = receipt.status is ReceiptStatus.DUPLICATE
            return replace(receipt, status=ReceiptStatus.APPLIED) if known else receipt

        replica.receive = gullible  # type: ignore[method-assign]
