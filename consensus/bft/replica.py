"""One queen's replica: it agrees with the others on one block after the other.

    leader            replicas
      │ PRE_PREPARE ──► each judges the block, makes it durable
      │ ◄── PREPARE ──► everyone            a quorum: PREPARE_CERT, the lock
      │ ◄── COMMIT ───► everyone            a quorum: COMMIT_CERT, decided
      ┆
    no decision in time: VIEW_CHANGE to everyone; a quorum of them, and the next leader says NEW_VIEW, and proposes
    again what may have been decided

A value driven from outside: messages and time go in, effects come out in the order in which they must happen. What it
signs is up to `SafetyRules`; what a block may do, to the chain; the normal case is in `Ordering`, what happens when a
leader fails in `Views`. With more than `all_to_all` validators votes go to the leader, who hands certificates on.
Whatever is of an earlier height or epoch is answered with blocks, whatever is of a later one makes us ask for them.
What cannot be judged yet is held, within bounds.
"""

from __future__ import annotations

import msgspec

from consensus.bft.desk import Desk, ReplicaConfig, Round
from consensus.bft.effects import Blame, Effect, Submit
from consensus.bft.heard import remembered
from consensus.bft.messages import (
    MAX_HEARD,
    CertificateNews,
    NewView,
    Phase,
    PrePrepare,
    ViewChange,
    Vote,
    open_core,
)
from consensus.bft.ordering import Ordering
from consensus.bft.safety import SafetyRules
from consensus.bft.views import Views
from consensus.chain import Chain
from consensus.validators import Validator, ValidatorSet
from wire import cbor, keys
from wire.errors import RemoteError
from wire.ids import SwarmId
from wire.time import Instant
from wire.types import MessageType

BODIES: dict[MessageType, type[msgspec.Struct]] = {
    MessageType.PRE_PREPARE: PrePrepare,
    MessageType.PREPARE: Vote,
    MessageType.COMMIT: Vote,
    MessageType.CERTIFICATE: CertificateNews,
    MessageType.VIEW_CHANGE: ViewChange,
    MessageType.NEW_VIEW: NewView,
}
MESSAGES = frozenset(BODIES)


class Replica:
    """Takes part for `me`; passive while `me` has no vote."""

    def __init__(
        self, chain: Chain, me: SwarmId, rules: SafetyRules, config: ReplicaConfig, verify: keys.Verify
    ) -> None:
        self._desk = Desk(chain, me, rules, config, verify)
        self._ordering = Ordering(self._desk)
        self._views = Views(self._desk)
        self._height = chain.height
        self._repeat_at: Instant | None = None
        self._judged_at: tuple[int, int, bool] | None = None  # where what is held was judged last
        self._resume()

    # what others may ask

    @property
    def view(self) -> int:
        """The view that this replica is in, or wants to be in."""
        return self._desk.view

    @property
    def entered(self) -> bool:
        """The present view's leader may propose: no change of view is under way."""
        return self._desk.entered

    @property
    def voting(self) -> bool:
        """This queen has her swarm's vote in the present epoch, and uses it."""
        return self._desk.voting

    @property
    def abstains(self) -> bool:
        """It signs nothing."""
        return self._desk.abstains

    @property
    def validators(self) -> ValidatorSet:
        """Of the present epoch."""
        return self._desk.validators

    @property
    def patience(self) -> int:
        """How long a view gets that has no failed one before it, in microseconds."""
        return self._desk.pacemaker.base

    @property
    def pending(self) -> int:
        """Transactions that wait to be ordered."""
        return len(self._desk.pool)

    @property
    def opening(self) -> bytes | None:
        """The NEW_VIEW by which the present view began here; None in the first one, and while views change."""
        return self._views.opening

    def records(self) -> list[bytes]:
        """What we signed that must survive a restart, in order."""
        return self._desk.rules.records()

    def leader(self, ahead: int = 0) -> Validator:
        """Who proposes next in this view, or `ahead` views later."""
        return self._desk.leader(ahead)

    def waits_for(self, tx: bytes, wall_ms: int) -> bool:
        """`tx` is here, not ordered yet, and still may be."""
        if tx in self._desk.pool:
            self._desk.pool.renew(wall_ms)
        return tx in self._desk.pool

    def heard_of(self, peer: SwarmId) -> list[bytes]:
        """What a validator said here of what is not decided yet, under its seal."""
        return [*self._views.change_of(peer), *self._desk.votes.of(peer)][:MAX_HEARD]

    def remembers(self, statement: bytes) -> bool:
        """A vote or change of view under our own seal is known here, or binds nobody any more. Raises RemoteError for
        one that is forged or something else."""
        return remembered(statement, self._desk.rules, self._desk.chain, self._desk.verify)

    # events

    def abstain(self, abstains: bool) -> None:
        """Sign nothing, whatever comes, while `abstains`. It follows the chain all the same."""
        self._desk.abstains = abstains

    def submit(self, tx: bytes, now: Instant, wall_ms: int) -> list[Effect]:
        """A transaction to be ordered.

        Raises:
            RemoteError: it can be in no block that follows.
            Overloaded: too many wait.
        """
        self._desk.pool.add(tx, now, wall_ms)
        return self._done(now, wall_ms)

    def receive(self, sender: SwarmId, message: MessageType, body: bytes, now: Instant, wall_ms: int) -> list[Effect]:
        """A message of the replica of `sender`, who is blamed for what no honest one sends."""
        self._follow(wall_ms)  # nothing is judged, or signed, by where we stood before
        if self.voting:
            try:
                self._dispatch(sender, message, body, now, wall_ms)
            except RemoteError as error:
                self._desk.add(Blame(sender, error))
        return self._done(now, wall_ms)

    def met(self, peer: SwarmId) -> list[Effect]:
        """A link to a validator stands anew: say again what matters there."""
        desk = self._desk
        if self.voting and desk.validators.position(peer) is not None:
            for signed in desk.rules.said(desk.height):
                desk.say(signed, peer)
            self._views.show(peer)
        return desk.take()

    def chain_grew(self, now: Instant, wall_ms: int) -> list[Effect]:
        """Blocks came by another way."""
        return self._done(now, wall_ms)

    def tick(self, now: Instant, wall_ms: int) -> list[Effect]:
        """What is due by `now`."""
        self._follow(wall_ms)
        desk = self._desk
        if self.voting:
            if desk.pacemaker.due(now):
                desk.pool.renew(wall_ms)  # what can be no more is no reason to leave
                if desk.busy(wall_ms):
                    self._views.give_up(now)
            if self._repeat_at is not None and now >= self._repeat_at:
                self._repeat_at = None
                self._repeat(now)
        return self._done(now, wall_ms)

    def next_deadline(self, now: Instant, wall_ms: int) -> Instant | None:
        """When `tick` has something to do."""
        if not self.voting:
            return None
        due = [self._desk.pacemaker.deadline, self._repeat_at, self._ordering.batch_deadline()]
        expiry_ms = self._desk.chain.state.next_expiry_ms()
        if expiry_ms is not None and expiry_ms > wall_ms:
            due.append(now + (expiry_ms - wall_ms) * 1_000)
        return min((at for at in due if at is not None), default=None)

    # helpers

    @property
    def _place(self) -> tuple[int, int, bool]:
        """Where we stand: what can be judged depends on it alone."""
        return self._desk.chain.height, self._desk.view, self._desk.entered

    def _dispatch(self, sender: SwarmId, kind: MessageType, body: bytes, now: Instant, wall_ms: int) -> None:
        match cbor.decode_as(body, BODIES[kind]):
            case PrePrepare() as message:
                self._ordering.on_pre_prepare(sender, message, body, now, wall_ms)
            case Vote() as message:
                phase = Phase.PREPARE if kind is MessageType.PREPARE else Phase.COMMIT
                self._ordering.on_vote(sender, phase, message, now)
            case CertificateNews() as message:
                self._ordering.on_certificate(sender, message, now)
            case ViewChange() as message:
                self._views.on_view_change(sender, message, now)
            case message:
                assert isinstance(message, NewView), "each kind of message is handed to who knows it"
                self._views.on_new_view(sender, message, body, now)

    def _done(self, now: Instant, wall_ms: int) -> list[Effect]:
        """After every event: go on as far as it leads, mind the timers, hand the effects out."""
        desk = self._desk
        place = None
        while place != (place := self._place):
            self._follow(wall_ms)
            if self.voting:
                self._views.elect(now)
                self._ordering.propose(now, wall_ms)
                self._release(now, wall_ms)
                self._ordering.count(now)
        pending = self.voting and desk.busy(wall_ms)
        desk.pacemaker.work(pending, now)
        if not pending:
            self._repeat_at = None
        elif self._repeat_at is None:
            self._repeat_at = now + desk.config.repeat
        return desk.take()

    def _follow(self, wall_ms: int) -> None:
        """The chain grew: what is about decided heights is over, and another set of voters begins anew."""
        desk = self._desk
        if self._height == desk.chain.height:
            return
        self._height = desk.chain.height
        if desk.validators.epoch != desk.chain.epoch:
            desk.begin_epoch()
            self._views.begin_epoch()
        desk.rules.decided(self._height)
        desk.votes.decided(self._height)
        desk.round = Round()
        desk.pacemaker.decided(None)
        desk.pool.renew(wall_ms)

    def _release(self, now: Instant, wall_ms: int) -> None:
        """Once we stand elsewhere, judge anew what was held. What turns out wrong is dropped: it was not said now."""
        if self._judged_at == self._place:
            return
        self._judged_at = self._place
        for sender, kind, body in self._desk.held.take():
            try:
                self._dispatch(sender, kind, body, now, wall_ms)
            except RemoteError:
                continue

    def _repeat(self, now: Instant) -> None:
        """Nothing was decided for a while: somebody may have missed what we said, or the leader what we wait for. Who
        left the view over a transaction that nobody else has would leave alone, and its vote be missed there."""
        desk, leader = self._desk, self._desk.leader().swarm
        for signed in desk.rules.said(desk.height):
            desk.say(signed)
        if leader == desk.me:
            self._views.show()
            return
        handed = desk.round.handed
        late = [tx for tx in desk.pool.overdue(now - desk.config.repeat) if (desk.view, tx) not in handed]
        for tx in late[: desk.config.submit_again]:
            handed[desk.view, tx] = None
            desk.add(Submit(tx, leader))

    def _resume(self) -> None:
        """After a restart: what we signed at this height counts again."""
        desk = self._desk
        for signed in desk.rules.said(desk.height):
            if signed.message in (MessageType.PREPARE, MessageType.COMMIT):
                vote = cbor.decode_as(signed.body, Vote)
                phase = Phase.PREPARE if signed.message is MessageType.PREPARE else Phase.COMMIT
                desk.book(phase, open_core(vote.core, desk.federation), desk.me, vote.signature)
        desk.round.bodies.update(desk.rules.bodies())
        self._views.resume()
        desk.round.proposal = desk.rules.voted(Phase.PREPARE, desk.view, desk.height)
        desk.take()
