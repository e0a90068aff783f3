"""The only code that signs for consensus, and the rules that keep it from ever contradicting itself.

| what | is signed only if |
|---|---|
| PRE_PREPARE, PREPARE | in this view, above what is decided, nothing else in its phase at (epoch, view, height) |
| COMMIT | the same, and a quorum prepared the block there (the certificate is kept: the lock) |
| VIEW_CHANGE | the view is higher than any before; whatever is lower is left for good |
| NEW_VIEW | nothing else was signed as leader of that view |

Signature and durable record come out together (`Signed`): the record must be on disk before the message leaves. Asked
again for the same slot, the same bytes come out, with nothing to record. After a restart `restore` reads the records
back, so that a process that was killed between two messages says nothing else the second time.

A broken rule is our own mistake and stops the node: `SafetyRules` trusts nobody, its caller included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import Struct

from consensus.bft.messages import (
    CONTENT,
    NewView,
    NewViewHeader,
    Phase,
    PrePrepare,
    ViewChange,
    ViewChangeHeader,
    Vote,
    hash_of_changes,
    open_core,
)
from consensus.blocks import Core, block_hash, sign_core
from wire import cbor, cose, keys
from wire.errors import DecodeError, RemoteError
from wire.ids import ZERO_DIGEST, Digest, PublicKey, SwarmId
from wire.types import ContentType, MessageType

MAX_RECORD = 3 * 1024 * 1024
_MESSAGES = {
    Phase.PRE_PREPARE: MessageType.PRE_PREPARE,
    Phase.PREPARE: MessageType.PREPARE,
    Phase.COMMIT: MessageType.COMMIT,
}


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One line of the vote journal: a message as it left, and what it rests on."""

    message: int
    body: bytes
    block: bytes | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A message to send; `record` (None when it is durable already) first."""

    message: MessageType
    body: bytes
    record: bytes | None


@dataclass(frozen=True, slots=True)
class Lock:
    """A block that a quorum prepared at the height after the last decided one: nothing else may be proposed there."""

    view: int
    digest: Digest
    certificate: bytes
    block: bytes


class SafetyRules:
    """The voting conscience of one queen in one epoch after the other."""

    def __init__(self, key: keys.SigningKey, federation: bytes, me: SwarmId) -> None:
        self._key = key
        self._federation = federation
        self._me = me
        self.epoch = 0
        self.view = 0
        self.lock: Lock | None = None
        self._votes: dict[tuple[Phase, int, int], tuple[Digest, Signed]] = {}  # by (phase, view, height)
        self._changes: dict[int, Signed] = {}  # by new view
        self._new_views: dict[int, Signed] = {}
        self._records: dict[tuple[object, ...], bytes] = {}  # what a journal needs to hold, by slot
        self._decided = 0  # the last decided height: what was signed up to there is forgotten

    # where we stand

    @property
    def public(self) -> PublicKey:
        """What others verify our signatures with."""
        return self._key.public

    def begin_epoch(self, epoch: int) -> None:
        """Another set of voters: what was signed in the epochs before binds nobody in this one."""
        if epoch > self.epoch:
            self._forget()
            self.epoch = epoch

    def decided(self, height: int) -> None:
        """`height` is decided: votes on it are of no use to anyone any more, and nothing more is signed about it."""
        self._decided = max(self._decided, height)
        self._votes = {slot: vote for slot, vote in self._votes.items() if slot[2] > height}
        self._records = {slot: record for slot, record in self._records.items() if not self._settled(slot, height)}
        self.lock = None

    def records(self) -> list[bytes]:
        """What must survive a restart, in the order in which it was signed: for a journal that is written anew."""
        return list(self._records.values())

    def voted(self, phase: Phase, view: int, height: int) -> Digest | None:
        """What we signed in a slot of this epoch."""
        vote = self._votes.get((phase, view, height))
        return None if vote is None else vote[0]

    def said(self, height: int) -> list[Signed]:
        """Our messages that still matter at `height`, to be repeated."""
        changes = [signed for view, signed in self._changes.items() if view == self.view]
        leads = [signed for view, signed in self._new_views.items() if view == self.view]
        votes = [vote[1] for slot, vote in self._votes.items() if slot[1:] == (self.view, height)]
        return changes + leads + votes

    def bodies(self) -> dict[Digest, bytes]:
        """Blocks that we proposed or voted on, by hash."""
        found: dict[Digest, bytes] = {}
        for raw in self._records.values():
            record = cbor.decode_as(raw, Record, MAX_RECORD)
            proposed = record.message == MessageType.PRE_PREPARE
            block = cbor.decode_as(record.body, PrePrepare).block if proposed else record.block
            if block is not None:
                found[block_hash(block)] = block
        return found

    def allows(self, phase: Phase, core: Core) -> bool:
        """Whether a vote on `core` contradicts nothing."""
        known = self.voted(phase, core.view, core.height)
        here = core.epoch == self.epoch and core.view >= self.view and core.height > self._decided
        return here and known in (None, core.block_hash)

    # signing

    def pre_prepare(self, core: Core, block: bytes) -> Signed:
        """Propose `block` as its leader."""
        assert block_hash(block) == core.block_hash, "a proposal carries the block that it names"
        signature = sign_core(core, self._key, CONTENT[Phase.PRE_PREPARE])
        body = cbor.encode_struct(PrePrepare(cbor.encode_struct(core), signature, block))
        return self._vote(Phase.PRE_PREPARE, core, body)

    def prepare(self, core: Core, block: bytes) -> Signed:
        """Accept a leader's block."""
        assert block_hash(block) == core.block_hash, "a PREPARE is recorded with its block"
        return self._vote(Phase.PREPARE, core, self._vote_body(Phase.PREPARE, core), block=block)

    def commit(self, core: Core, certificate: bytes, block: bytes) -> Signed:
        """A quorum prepared `block`: lock on it. The caller has verified the certificate."""
        assert block_hash(block) == core.block_hash, "a lock holds the block that it names"
        signed = self._vote(
            Phase.COMMIT, core, self._vote_body(Phase.COMMIT, core), block=block, certificate=certificate
        )
        self._lock_on(core, certificate, block)
        return signed

    def view_change(self, new_view: int, height: int, head: Digest) -> Signed:
        """Leave every view below `new_view`; `height` is the last one decided, `head` its block."""
        if new_view in self._changes:
            return _again(self._changes[new_view])
        assert new_view > self.view, "a view that was left is not entered again"
        lock = self.lock
        header = ViewChangeHeader(
            federation=self._federation,
            epoch=self.epoch,
            new_view=new_view,
            committed_height=height,
            committed_hash=head,
            prepared_view=-1 if lock is None else lock.view,
            prepared_hash=ZERO_DIGEST if lock is None else lock.digest,
        )
        sealed = cose.seal(ContentType.VIEW_CHANGE, cbor.encode_struct(header), self._key, self._federation)
        change = ViewChange(sealed, lock.certificate if lock else None, lock.block if lock else None)
        signed = self._keep(("change", new_view), MessageType.VIEW_CHANGE, cbor.encode_struct(change))
        self.view = new_view
        self._changes = {new_view: signed}
        return signed

    def new_view(
        self, view: int, changes: tuple[bytes, ...], certificate: bytes | None, block: bytes | None
    ) -> Signed:
        """Begin a view as its leader."""
        if view in self._new_views:
            return _again(self._new_views[view])
        assert view == self.view, "a leader begins the view that it changed to"
        header = NewViewHeader(self._federation, self.epoch, view, hash_of_changes(changes))
        sealed = cose.seal(ContentType.NEW_VIEW, cbor.encode_struct(header), self._key, self._federation)
        body = cbor.encode_struct(NewView(sealed, changes, certificate, block))
        signed = self._new_views[view] = self._keep(("new", view), MessageType.NEW_VIEW, body)
        return signed

    def entered(self, view: int) -> None:
        """Somebody's NEW_VIEW was valid: votes below `view` are over. What we sign there says so on disk."""
        self.view = max(self.view, view)

    # the journal

    def restore(self, records: Iterable[bytes], epoch: int, height: int) -> int:
        """Read back what was signed in `epoch` above `height`; how many records could not be read."""
        self.begin_epoch(epoch)
        self.decided(height)
        lost = 0
        for raw in records:
            try:
                self._restore(raw, height)
            except RemoteError:
                lost += 1
        return lost

    def _restore(self, raw: bytes, height: int) -> None:
        record = cbor.decode_as(raw, Record, MAX_RECORD)
        match record.message:
            case MessageType.VIEW_CHANGE:
                self._restore_change(Signed(MessageType.VIEW_CHANGE, record.body, None), raw)
            case MessageType.NEW_VIEW:
                self._restore_new_view(Signed(MessageType.NEW_VIEW, record.body, None), raw)
            case MessageType.PRE_PREPARE:
                core = open_core(cbor.decode_as(record.body, PrePrepare).core, self._federation)
                signed = Signed(MessageType.PRE_PREPARE, record.body, None)
                self._restore_vote(Phase.PRE_PREPARE, core, signed, raw, height)
            case MessageType.PREPARE | MessageType.COMMIT:
                self._restore_record(record, Signed(MessageType(record.message), record.body, None), raw, height)
            case _:
                raise DecodeError("a record of the vote journal holds no vote")

    def _restore_record(self, record: Record, signed: Signed, raw: bytes, height: int) -> None:
        phase = Phase.PREPARE if signed.message is MessageType.PREPARE else Phase.COMMIT
        core = open_core(cbor.decode_as(record.body, Vote).core, self._federation)
        if not self._restore_vote(phase, core, signed, raw, height) or phase is Phase.PREPARE:
            return
        if record.certificate is None or record.block is None:
            raise DecodeError("a COMMIT in the vote journal without its lock")
        self._lock_on(core, record.certificate, record.block)

    def _restore_vote(self, phase: Phase, core: Core, signed: Signed, raw: bytes, height: int) -> bool:
        if core.epoch != self.epoch or core.height <= height:
            return False
        slot = (phase, core.view, core.height)
        self._votes[slot] = (Digest(core.block_hash), signed)
        self._records[slot] = raw
        self.view = max(self.view, core.view)
        return True

    def _restore_change(self, signed: Signed, raw: bytes) -> None:
        header = cose.parse(cbor.decode_as(signed.body, ViewChange).header)
        change = cbor.decode_as(header.payload, ViewChangeHeader)
        if change.epoch == self.epoch:
            self.view = max(self.view, change.new_view)
            self._changes = {change.new_view: signed}
            self._records["change", change.new_view] = raw

    def _restore_new_view(self, signed: Signed, raw: bytes) -> None:
        header = cose.parse(cbor.decode_as(signed.body, NewView).header)
        begun = cbor.decode_as(header.payload, NewViewHeader)
        if begun.epoch == self.epoch:
            self._new_views[begun.view] = signed
            self._records["new", begun.view] = raw

    # helpers

    def _vote_body(self, phase: Phase, core: Core) -> bytes:
        return cbor.encode_struct(
            Vote(cbor.encode_struct(core), self._me, sign_core(core, self._key, CONTENT[phase]))
        )

    def _vote(
        self, phase: Phase, core: Core, body: bytes, block: bytes | None = None, certificate: bytes | None = None
    ) -> Signed:
        slot = (phase, core.view, core.height)
        known = self._votes.get(slot)
        if known is not None and known[0] == core.block_hash:
            return _again(known[1])
        assert self.allows(phase, core), f"{phase.name} would contradict what was signed before"
        signed = self._keep(slot, _MESSAGES[phase], body, block, certificate)
        self._votes[slot] = (Digest(core.block_hash), signed)
        self.view = max(self.view, core.view)
        return signed

    def _lock_on(self, core: Core, certificate: bytes, block: bytes) -> None:
        """The lock of the latest view is the one that counts, whichever is asked for or read last."""
        if self.lock is None or core.view >= self.lock.view:
            self.lock = Lock(core.view, Digest(core.block_hash), certificate, block)

    def _keep(
        self,
        slot: tuple[object, ...],
        message: MessageType,
        body: bytes,
        block: bytes | None = None,
        certificate: bytes | None = None,
    ) -> Signed:
        record = cbor.encode_struct(Record(message, body, block, certificate))
        self._records[slot] = record
        return Signed(message, body, record)

    def _forget(self) -> None:
        self.view, self.lock = 0, None
        self._votes.clear()
        self._changes.clear()
        self._new_views.clear()
        self._records.clear()

    def _settled(self, slot: tuple[object, ...], height: int) -> bool:
        """A vote on a decided height; the beginning of a view that was left; a change before the last one."""
        if isinstance(slot[0], Phase):
            return isinstance(slot[2], int) and slot[2] <= height
        return slot[1] not in self._changes if slot[0] == "change" else slot[1] != self.view


def _again(signed: Signed) -> Signed:
    return Signed(signed.message, signed.body, None)
