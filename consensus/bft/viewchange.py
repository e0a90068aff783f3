"""From one view to the next: what a change of view must show, and what a new leader is bound to.

    base    the highest height that a change of the quorum says is decided; who lacks it fetches the blocks first
    forced  of the changes at base, what the highest view prepared at base + 1; it must be proposed again

A quorum of changes shares an honest replica with every quorum that may have decided a block at base + 1, and that
replica's change names it; so what may be decided is what is forced (Castro and Liskov, "Practical Byzantine Fault
Tolerance", OSDI 1999, §4.4, for one height in flight).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus.bft.messages import (
    MAX_HEADER,
    NewView,
    NewViewHeader,
    ViewChange,
    ViewChangeHeader,
    hash_of_changes,
    open_new_view,
    open_view_change,
)
from consensus.blocks import block_hash
from consensus.validators import Validator, ValidatorSet
from wire import cbor, cose, keys
from wire.errors import BadSignature, DecodeError, ProtocolViolation
from wire.ids import Digest, PublicKey, SwarmId
from wire.types import ContentType

NOTHING = -1  # prepared_view of one who is locked on nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One validator's authentic VIEW_CHANGE; certificate and block only where it came whole."""

    swarm: SwarmId
    raw: bytes
    header: ViewChangeHeader
    certificate: bytes | None = None
    block: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a view begins with: the base, and the change whose block is forced, if any."""

    base: int
    forced: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A valid NEW_VIEW."""

    view: int
    base: int
    leader: SwarmId
    forced: Digest | None
    block: bytes | None


class Elections:
    """Judges changes of view among one set of validators."""

    def __init__(self, validators: ValidatorSet, federation: bytes, verify: keys.Verify) -> None:
        self._validators = validators
        self._federation = federation
        self._verify = verify

    def read(self, message: ViewChange) -> Change:
        """An authentic change of this epoch; what it is locked on is not judged yet (`check_lock`).

        Raises:
            RemoteError: malformed, forged, or by nobody who votes.
        """
        header, key = open_view_change(message.header, self._federation, self._verify)
        voter = self._voter(key)
        return Change(
            swarm=voter.swarm,
            raw=message.header,
            header=header,
            certificate=message.certificate,
            block=message.block,
        )

    @staticmethod
    def peek_change(message: ViewChange) -> ViewChangeHeader:
        """What a VIEW_CHANGE says it is, unverified; raises DecodeError."""
        return cbor.decode_as(cose.parse(message.header, MAX_HEADER).payload, ViewChangeHeader)

    def check_lock(self, change: Change) -> None:
        """Raises RemoteError unless the change shows the certificate and the block that it claims to be locked on."""
        header = change.header
        if header.prepared_view == NOTHING:
            return
        if change.certificate is None or change.block is None:
            raise ProtocolViolation("a change of view that does not show what it is locked on")
        self._check_prepared(header, change.certificate, change.block)

    def plan(self, changes: Iterable[Change]) -> Plan:
        """What follows from a quorum of changes."""
        changes = list(changes)
        base = max(change.header.committed_height for change in changes)
        locked = [c for c in changes if c.header.committed_height == base and c.header.prepared_view != NOTHING]
        forced = max(locked, key=lambda change: (change.header.prepared_view, change.swarm), default=None)
        return Plan(base=base, forced=forced)

    def peek(self, message: NewView) -> NewViewHeader:
        """What a NEW_VIEW says it is, unverified; raises DecodeError."""
        return cbor.decode_as(cose.parse(message.header, MAX_HEADER).payload, NewViewHeader)

    def open(self, message: NewView) -> Beginning:
        """What a NEW_VIEW begins.

        Raises:
            RemoteError: forged, without a quorum of changes of its view, by another than its leader, or it does not
                show the block that its changes force.
        """
        header, key = open_new_view(message.header, self._federation, self._verify)
        if header.changes_hash != hash_of_changes(message.changes):
            raise BadSignature("a new view with other changes than its leader signed")
        changes = [self._change_of(raw, header.epoch, header.view) for raw in message.changes]
        if len({change.swarm for change in changes}) != len(changes):
            raise DecodeError("a new view that counts a validator twice")
        if not self._validators.is_quorum(change.swarm for change in changes):
            raise ProtocolViolation("a new view without a quorum of changes")
        plan = self.plan(changes)
        leader = self._validators.leader(header.view, plan.base + 1)
        if leader.key != key:
            raise ProtocolViolation("a new view by another than its leader")
        if plan.forced is None:
            return Beginning(view=header.view, base=plan.base, leader=leader.swarm, forced=None, block=None)
        if message.certificate is None or message.block is None:
            raise ProtocolViolation("a new view that does not show the block it is bound to")
        self._check_prepared(plan.forced.header, message.certificate, message.block)
        forced = Digest(plan.forced.header.prepared_hash)
        return Beginning(view=header.view, base=plan.base, leader=leader.swarm, forced=forced, block=message.block)

    def _change_of(self, raw: bytes, epoch: int, view: int) -> Change:
        header, key = open_view_change(raw, self._federation, self._verify)
        if (header.epoch, header.new_view) != (epoch, view):
            raise ProtocolViolation("a new view that rests on a change to another view")
        return Change(swarm=self._voter(key).swarm, raw=raw, header=header)

    def _check_prepared(self, header: ViewChangeHeader, certificate: bytes, block: bytes) -> None:
        """A quorum prepared that very block, right behind what the change says is decided."""
        core = self._validators.open(certificate, ContentType.PREPARE, self._federation, self._verify)
        claimed = (header.prepared_view, header.committed_height + 1, header.prepared_hash)
        if (core.view, core.height, core.block_hash) != claimed or core.view >= header.new_view:
            raise ProtocolViolation("a change of view whose certificate is of another block or view")
        if block_hash(block) != header.prepared_hash:
            raise DecodeError("a change of view with another block than it is locked on")

    def _voter(self, key: PublicKey) -> Validator:
        voter = self._validators.by_key(key)
        if voter is None:
            raise BadSignature("a change of view by nobody who votes")
        return voter


def weakest(changes: Sequence[Change], view: int, validators: ValidatorSet) -> int | None:
    """The smallest view above `view` that so many call for, or more, that one of them must be honest."""
    higher = [change for change in changes if change.header.new_view > view]
    if not higher or not validators.is_weak(change.swarm for change in higher):
        return None
    return min(change.header.new_view for change in higher)
