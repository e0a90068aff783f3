"""When a leader fails: leave its view, agree on the next, begin it with what may have been decided.

    timeout, or so many VIEW_CHANGE for higher views that an honest one is among them ──► VIEW_CHANGE, durable, to all
    a quorum of VIEW_CHANGE for one view ──► its leader: NEW_VIEW        ──► replicas: the same sums, then enter

Changes that name more than we have decided count once we have those blocks; a liar that names blocks which nobody has
never counts. Who restarts inside a view asks its way back in by the change it has signed, and gets the NEW_VIEW.
"""

from __future__ import annotations

from consensus.bft.desk import Desk
from consensus.bft.effects import NoteKind
from consensus.bft.messages import NewView, ViewChange
from consensus.bft.viewchange import Beginning, Change, Elections, weakest
from wire import cbor
from wire.errors import Offence, ProtocolViolation
from wire.ids import SwarmId
from wire.time import Instant
from wire.types import MessageType


class Views:
    """Changes of view of one replica, in the present epoch."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """View 0 of another set of voters."""
        desk = self._desk
        self._elections = Elections(desk.validators, desk.federation, desk.verify)
        self._changes: dict[SwarmId, Change] = {}
        self.opening: bytes | None = None  # the NEW_VIEW of the present view, for those who missed it

    def resume(self) -> None:
        """After a restart: our own change, and our own beginning of the view, count again."""
        for signed in self._desk.rules.said(self._desk.height):
            if signed.message is MessageType.VIEW_CHANGE:
                self._changes[self._desk.me] = self._elections.read(cbor.decode_as(signed.body, ViewChange))
            elif signed.message is MessageType.NEW_VIEW:
                opened = self._elections.open(cbor.decode_as(signed.body, NewView))
                if opened.base <= self._desk.chain.height:
                    self._enter(opened, signed.body, None)

    # leaving

    def give_up(self, now: Instant) -> None:
        """The present view had its time. Who calls for a view already goes on to the next one only when a quorum has
        come as far: else one that is cut off would be far ahead of the others, and of no use to them for long."""
        desk = self._desk
        if desk.entered or self._followed():
            self.leave_for(desk.view + 1, now)
        else:
            desk.pacemaker.deadline = now + desk.pacemaker.timeout()

    def _followed(self) -> bool:
        """A quorum, this replica included, has left every view below ours."""
        desk = self._desk
        return desk.validators.is_quorum(s for s, c in self._changes.items() if c.header.new_view >= desk.view)

    def leave_for(self, view: int, now: Instant) -> None:
        """Give up every view below `view`."""
        desk = self._desk
        left = desk.view
        signed = desk.rules.view_change(view, desk.chain.height, desk.chain.head_hash)
        desk.entered, desk.opened, self.opening = False, None, None
        desk.round.proposal = desk.round.began = None
        desk.pacemaker.view_failed(now)
        desk.note(NoteKind.VIEW_LEFT, left, desk.height, f"{desk.pacemaker.timeout()} us")  # for the next one
        desk.say(signed)
        self._changes[desk.me] = self._elections.read(cbor.decode_as(signed.body, ViewChange))

    def on_view_change(self, sender: SwarmId, message: ViewChange, now: Instant) -> None:
        """Somebody calls for a higher view. Raises RemoteError for what no honest replica says."""
        desk = self._desk
        claimed = self._elections.claim(message)
        if claimed.epoch != desk.validators.epoch:  # whoever says so may have had a vote then
            desk.place(sender, claimed.epoch, claimed.committed_height + 1)
            return
        change = self._elections.read(message)
        header = change.header
        self._check_standing(sender, change)
        if header.new_view <= desk.view and desk.entered:
            self.show(sender)
            return
        known, alone = self._changes.get(change.swarm), not self._followed()
        if change.swarm != desk.me and (known is None or known.header.new_view <= header.new_view):
            self._changes[change.swarm] = change
        if alone and not desk.entered and self._followed():
            desk.pacemaker.deadline = now + desk.pacemaker.timeout()  # the next leader gets its whole time
        joined = weakest(list(self._changes.values()), desk.view, desk.validators)
        if joined is not None:
            self.leave_for(joined, now)

    def _check_standing(self, sender: SwarmId, change: Change) -> None:
        """What it is locked on is proven, wherever it stands; who is behind gets blocks, who is ahead is asked."""
        desk, header = self._desk, change.header
        self._elections.check_lock(change)
        if header.committed_height < desk.chain.height:
            desk.serve(sender, header.committed_height + 1)
        elif header.committed_height > desk.chain.height:
            desk.fetch(sender)
        elif header.committed_hash != desk.chain.head_hash:
            raise ProtocolViolation("a change of view over another chain", Offence.CHAIN)

    # beginning

    def elect(self, now: Instant) -> None:
        """As the next leader: begin the view that we changed to, once a quorum has, as far as we can judge it."""
        desk = self._desk
        if desk.entered:
            return
        backed = [change for _, change in sorted(self._changes.items()) if self._backed(change)]
        if not desk.validators.is_quorum(change.swarm for change in backed):
            return
        plan = self._elections.plan(backed)
        if desk.validators.leader(desk.view, plan.base + 1).swarm != desk.me:
            return
        forced = plan.forced
        certificate, block = (forced.certificate, forced.block) if forced else (None, None)
        signed = desk.rules.new_view(desk.view, tuple(change.raw for change in backed), certificate, block)
        desk.say(signed)
        self._enter(self._elections.open(cbor.decode_as(signed.body, NewView)), signed.body, now)

    def _backed(self, change: Change) -> bool:
        """It is for our view, and we have every block that it rests on."""
        height = change.header.committed_height
        return change.header.new_view == self._desk.view and height <= self._desk.chain.height

    def on_new_view(self, sender: SwarmId, message: NewView, body: bytes, now: Instant) -> None:
        """A leader begins a view. Raises RemoteError unless it may."""
        desk = self._desk
        claimed = self._elections.peek(message)
        if claimed.epoch != desk.validators.epoch:
            desk.place(sender, claimed.epoch, desk.height)
            return
        if claimed.view < desk.view or (claimed.view == desk.view and desk.entered):
            return
        opened = self._elections.open(message)
        if opened.base > desk.chain.height:
            desk.fetch(sender)
            desk.held.add(sender, MessageType.NEW_VIEW, body)
            return
        self._enter(opened, body, now)

    def _enter(self, opened: Beginning, body: bytes, now: Instant | None) -> None:
        """A view has begun; it gets its whole time."""
        desk = self._desk
        desk.rules.entered(opened.view)
        desk.entered, desk.opened, self.opening = True, opened, body
        desk.round.proposal = desk.round.began = None
        self._changes = {s: change for s, change in self._changes.items() if change.header.new_view > opened.view}
        if now is not None and desk.pacemaker.deadline is not None:
            desk.pacemaker.deadline = now + desk.pacemaker.timeout()
        desk.note(NoteKind.VIEW_ENTERED, opened.view, desk.height)

    # telling

    def change_of(self, swarm: SwarmId) -> list[bytes]:
        """The change of view that a validator calls for, as it sealed it, if it does."""
        change = self._changes.get(swarm)
        return [] if change is None else [change.raw]

    def show(self, peer: SwarmId | None = None) -> None:
        """Tell one validator, or all, how the present view began."""
        if self.opening is not None:
            self._desk.send(MessageType.NEW_VIEW, self.opening, peer)
