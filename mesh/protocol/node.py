"""The node: it hands each event to the machine whose business it is, and turns what went wrong into penalties.

One `Node` is one member's view of one federation. It is driven by `handle`, `tick` and `next_deadline` alone, and
everything that it wants done comes out as a list of effects, in the order in which it must be done. The same class
runs in the daemon and in the simulated world.
"""

from __future__ import annotations

from typing import assert_never

from consensus.bft.replica import Replica
from mesh.protocol.admission import Admission
from mesh.protocol.announcing import Announcing
from mesh.protocol.compaction import Compaction
from mesh.protocol.context import Context, WallReading
from mesh.protocol.deciding import Deciding
from mesh.protocol.detector import Detector
from mesh.protocol.dispatch import Dispatch
from mesh.protocol.effects import Effect, Settle, Subscribe
from mesh.protocol.events import (
    AddressesChanged,
    Command,
    DamageFound,
    DialFailed,
    GossipReceived,
    InEvent,
    MessageReceived,
    PeerDown,
    PeerFound,
    PeerUp,
    StreamOffence,
    WallClock,
    culprit,
)
from mesh.protocol.fence import Fence
from mesh.protocol.greeting import Greeting
from mesh.protocol.handover import Handover
from mesh.protocol.lifecycle import Lifecycle, Surroundings, lifecycle_of, lifecycle_reason
from mesh.protocol.links import Link
from mesh.protocol.operations import Operations
from mesh.protocol.outbox import Outbox
from mesh.protocol.penalties import Penalties
from mesh.protocol.reminding import Reminding
from mesh.protocol.seeking import Seeking
from mesh.protocol.startup import DiskReport, Startup, Verdict
from mesh.protocol.syncing import Syncing
from mesh.protocol.terms import Terms
from mesh.protocol.topics import state_topic
from mesh.protocol.trace import TraceKind
from mesh.protocol.understudy import Understudy
from mesh.protocol.voting import Secrets, Voting
from mesh.protocol.writer import Writer
from wire.errors import RemoteError
from wire.ids import PeerId
from wire.time import Instant


class Node:
    """A member of a federation (see `mesh.protocol.assembly` for how one is made from what lies in its home)."""

    def __init__(self, context: Context, disk: DiskReport, replica: Replica, secrets: Secrets) -> None:
        self.context = context
        self.greeting = Greeting(context)
        self.startup = Startup(context, disk)
        self.penalties = Penalties(context, self.startup)
        self.fence = Fence(context)
        self.writer = Writer(context, self.fence)
        self.syncing = Syncing(context)
        self.announcing = Announcing(context)
        self.seeking = Seeking(context, self.announcing)
        self.terms = Terms(context, self.startup)
        self.deciding = Deciding(context, replica, self.greeting, self.startup)
        self.voting = Voting(context, self.deciding, secrets)
        self.reminding = Reminding(context, self.startup, self.deciding, self.voting)
        self.admission = Admission(context, self.deciding, self.voting, secrets)
        self.handover = Handover(context)
        self.detector = Detector(context, self.deciding)
        self.understudy = Understudy(context, self.detector, self.deciding)
        self.compaction = Compaction(context, self.deciding, self.voting, self.detector)
        self.operations = Operations(self)
        self.dispatch = Dispatch(self)
        self._deadlines = (
            context.links.next_deadline,
            context.dialer.next_deadline,
            self.seeking.next_deadline,
            self.syncing.next_deadline,
            self.writer.next_deadline,
            self._signing_deadline,
            self.admission.next_deadline,
            self.terms.next_deadline,
            lambda: self.handover.next_deadline(self._latest),
        )
        queens = self.voting.askers.next_deadline, self.detector.next_deadline, self.understudy.next_deadline
        self._queens_deadlines = (*self._deadlines, lambda: self.deciding.next_deadline(self._latest), *queens)
        self.lifecycle = Lifecycle.INIT
        self.was_operational = False
        self._settled = False
        self._latest: Instant = context.started
        self._seen: tuple[int, int, bool] | None = None  # what the lifecycle was last worked out from

    # the seam

    def begin(self, now: Instant) -> list[Effect]:
        """The first effects of a start."""
        out = Outbox()
        out.add(Subscribe(topic=state_topic(self.context.federation)))
        self.chain_grew(now, out)
        self._advance_terms(now, out)  # a federation of one governs itself from here on
        self._after(now, out)
        return out.effects

    def handle(self, event: InEvent, now: Instant) -> list[Effect]:
        """What follows from `event`. Bad remote input becomes a penalty and leaves the node as it was."""
        out = Outbox()
        self._latest = now
        try:
            self._handle(event, now, out)
        except RemoteError as error:
            self.penalties.book(culprit(event), error.offence, error.detail, now, out)
        self._after(now, out)
        return out.effects

    def tick(self, now: Instant) -> list[Effect]:
        """What is due by `now`."""
        out = Outbox()
        self._latest = now
        self.syncing.tick(now, out)  # may ask for a ping
        self.greeting.tick(now, out)
        self.context.dialer.tick(now, out)
        self.seeking.tick(now, out)
        self.writer.tick(now, out)
        self.admission.tick(now, out)
        self._advance_terms(now, out)
        self.voting.askers.tick(now, out)
        self.deciding.tick(now, out)
        self.detector.tick(now, out)
        self.understudy.tick(now, out)
        self.announcing.tick(now, self.may_sign(now), out)
        self._after(now, out)
        return out.effects

    def _advance_terms(self, now: Instant, out: Outbox) -> None:
        """Our own next step, and the creator's last one, go to whoever governs."""
        chain = self.context.chain
        ready = self.in_step() and not self.understudy.guarding(now)
        transaction = self.terms.tick(now, ready, out)
        if transaction is not None and (chain.governed or chain.creator.swarm != self.context.me.swarm):
            self.deciding.hand_in(transaction, now, out)
            transaction = None
        if transaction is None and self.may_sign(now):
            transaction = self.handover.due(now)
        if transaction is not None and self.startup.verdict(now) is Verdict.CONFIRMED:
            self.admission.order_own(transaction, now, out)
            self.chain_grew(now, out)

    def next_deadline(self) -> Instant | None:
        """When `tick` next has something to do."""
        soonest: Instant | None = None
        for ask in self._queens_deadlines if self.context.chain.governed else self._deadlines:
            deadline = ask()
            if deadline is not None and (soonest is None or deadline < soonest):
                soonest = deadline
        return soonest

    def _signing_deadline(self) -> Instant | None:
        if not self.startup.confirmed:
            return self.startup.next_deadline()
        speaks = self.terms.current() and not self.understudy.guarding(self._latest)
        return self.announcing.next_deadline() if speaks else None

    def check_gossip(self, forwarder: PeerId, topic: str, message: bytes) -> bool:
        """True iff a gossip message is authentic and may be relayed. Raises RemoteError when it is forged."""
        return self.dispatch.check_gossip(forwarder, topic, message, self._latest)

    def stop(self, now: Instant) -> list[Effect]:
        """Last effects before a clean shutdown: writes on their way become durable."""
        out = Outbox()
        if self.may_sign(now):
            self.writer.flush_all(now, out)
        return out.effects

    def clean_mark(self) -> bytes:
        """What the clean-shutdown marker says: how far this node's own log goes."""
        return self.terms.clean_mark()

    # what the machines ask of each other

    def may_sign(self, now: Instant) -> bool:
        """This node may sign for its swarm in its term."""
        confirmed = self.startup.verdict(now) is Verdict.CONFIRMED
        return confirmed and self.terms.current() and not self.understudy.guarding(now)

    def read_only_reason(self, now: Instant) -> str:
        """Why this node does not sign; empty when it does."""
        own = self.terms.departed() or self.understudy.reason(now) or self.startup.reason(now) or self.terms.reason()
        return own or self.fence.reason(now)

    def in_step(self) -> bool:
        """The chain reaches us, own log confirmed, compared with a member since the link stood (or there is none)."""
        compared = self.syncing.compared() or self.context.population() == 1
        return self.startup.confirmed and compared and self.terms.known()

    def surroundings(self) -> Surroundings:
        """What the lifecycle depends on."""
        context = self.context
        return Surroundings(
            gone=self.terms.gone(),
            fenced=self.understudy.fenced(),
            members=context.population(),
            linked=context.links.others(context.me.swarm),
            addresses_known=context.links.established > 0 or context.dialer.knows_any(context.chain.members()),
            in_step=self.in_step(),
            was_operational=self.was_operational,
        )

    def lifecycle_reason(self) -> str:
        return lifecycle_reason(self.lifecycle, self.surroundings())

    def chain_grew(self, now: Instant, out: Outbox) -> None:
        """The chain changed: membership, keys and terms follow."""
        for link in self.greeting.chain_grew(now, out):
            self.established(link, now, out)
        self.understudy.chain_grew(now, out)
        self.terms.chain_grew(out)
        self.announcing.chain_grew(now)
        self.admission.chain_grew(out)
        self.handover.chain_grew(out)
        self.deciding.chain_grew(now, out)
        self.voting.chain_grew(now, out)

    def established(self, link: Link, now: Instant, out: Outbox) -> None:
        """Both sides of a link have said HELLO as members."""
        assert link.hello is not None, "an established link has said HELLO"
        assert link.swarm is not None, "an established link is a member's"
        self.context.dialer.established(link.peer)
        informed = link.queen or link.swarm == self.context.me.swarm
        claimed = informed and self.startup.answer(link.swarm, link.hello.yours)
        if self.context.links.established == 1:
            self.announcing.changed(now)  # nobody heard what was said before
        self.announcing.introduce(link, out)
        self.seeking.met(link, now, out)
        self.handover.established(link, out)
        self.deciding.established(link, now, out)
        self.detector.met(link, out)
        self.syncing.met(link, claimed, now)

    # events

    def _handle(self, event: InEvent, now: Instant, out: Outbox) -> None:
        context = self.context
        match event:
            case MessageReceived(peer=peer, channel=channel, message=message):
                self.dispatch.message(peer, channel, message, now, out)
            case GossipReceived(topic=topic, message=message):
                self.dispatch.gossip(topic, message, now, out)
            case PeerUp(peer=peer, address=address, inbound=inbound):
                if context.scores.banned(peer, now) and context.swarm_of(peer) is None:
                    out.disconnect(peer, "banned")
                else:
                    self.reminding.show(peer, out)
                    self.greeting.peer_up(peer, address, inbound, now, out)
            case PeerDown(peer=peer, reason=reason):
                self._peer_down(peer, reason, now, out)
            case DialFailed(peer=peer, address=address, cause=cause, final=final):
                out.trace(TraceKind.DIAL_FAILED, peer=peer, address=address, cause=cause)
                if final:
                    context.dialer.failed(peer, cause, now)
            case PeerFound():
                self.seeking.found(event, now, out)
            case StreamOffence(peer=peer, offence=offence, detail=detail):
                self.penalties.book(peer, offence, detail, now, out)
            case AddressesChanged(addresses=addresses):
                context.addresses = addresses
                self.announcing.changed(now)
            case WallClock(ms=ms):
                context.wall = WallReading(ms, now)
            case Command(request_id=request_id, operation=operation):
                self.operations.execute(request_id, operation, now, out)
            case DamageFound(path=path, detail=detail):
                self.compaction.repair(path, detail, out)
            case _:
                assert_never(event)

    def _peer_down(self, peer: PeerId, reason: str, now: Instant, out: Outbox) -> None:
        link = self.context.links.down(peer)
        self.context.dialer.closed(peer, link is not None and link.established, reason, now)
        if link is not None:
            self.fence.lost(link)
            if link.swarm is not None:
                self.startup.void(link.swarm)
            self.syncing.peer_down(peer)
            out.trace(TraceKind.LINK_DOWN, peer=peer, reason=reason)

    def _after(self, now: Instant, out: Outbox) -> None:
        """What may follow from anything: a penalty, a flush, a compaction, another lifecycle state."""
        self._follow(now, out)
        for peer, offence, detail in out.blamed:
            self.penalties.book(peer, offence, detail, now, out)
        self.startup.refit(out)
        signing = self.may_sign(now)
        self.deciding.allow(signing, now, out)
        self.handover.allow(signing, out)
        self.voting.chain_grew(now, out)
        self._follow(now, out)
        self.terms.told(out)
        if signing and not (self.writer.pending and self.fence.closed(now)):
            self.writer.flush(now, out)
        elif self.writer.pending:
            self.writer.refuse(self.read_only_reason(now), out)
        if not self._settled and self.startup.settled:
            self._settled = True
            out.add(Settle())
        if out.effects:
            self.compaction.after(out)
        self._live(out)

    def _follow(self, now: Instant, out: Outbox) -> None:
        """Go on from decided blocks: one may make room for the next."""
        while out.grew:
            out.grew = False
            self.chain_grew(now, out)

    def _live(self, out: Outbox) -> None:
        """Follow the surroundings. Without a link they depend on addresses too; else these few facts decide."""
        context = self.context
        seen = context.links.established, context.chain.epoch, self.in_step()
        if seen == self._seen and context.links.established:
            return
        self._seen = seen
        state = lifecycle_of(self.surroundings())
        if state is not self.lifecycle:
            self.lifecycle = state
            self.was_operational = self.was_operational or state is Lifecycle.OPERATIONAL
            out.trace(TraceKind.LIFECYCLE, state=state.value, reason=self.lifecycle_reason())
