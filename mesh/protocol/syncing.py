"""Anti-entropy: when to compare with whom, and what follows from what arrives.

A session compares version vectors with one peer and moves what either side lacks (`crdt.sync`). It is opened
when HELLO or probes show another state root than ours (`mesh.protocol.doubts`) and when a batch arrives whose
predecessors do not. Every `sync_round` a few random members are asked for their root, whatever seems to be in order:
equal roots are equal states, another one leads to a session. Batches outside sessions (direct or gossip) are the fast
path; a session is what makes loss harmless.
"""

from __future__ import annotations

from dataclasses import dataclass

from crdt.ops import Author
from crdt.replica import Receipt, ReceiptStatus
from crdt.sync.session import BatchAccepted, ForkFound, SnapshotInstalled, SyncEvent, SyncSession
from crdt.sync.staging import Staging
from mesh.protocol.context import Context
from mesh.protocol.doubts import Doubts
from mesh.protocol.effects import Publish, RecordKind, SaveFile, Send
from mesh.protocol.links import Link
from mesh.protocol.messages import Held, HeldRow
from mesh.protocol.outbox import Outbox, pack
from mesh.protocol.topics import state_topic
from mesh.protocol.trace import TraceKind
from wire.errors import Offence
from wire.ids import PeerId
from wire.time import Instant
from wire.types import Channel, MessageType


def owner_file(author: Author) -> str:
    """The store's name for the snapshot of one owner log."""
    return f"owner-{author.swarm.hex()}-{author.term}"


@dataclass(slots=True)
class _Active:
    session: SyncSession
    progress_at: Instant


class Syncing:
    """The sessions of one node, and the fast path beside them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._active: dict[PeerId, _Active] = {}
        self._staging = Staging()
        self._nonce = context.started
        self._pause_until: dict[PeerId, Instant] = {}
        self.doubts = Doubts(context.config)
        self._finished: dict[PeerId, None] = {}
        self._next_round: Instant = context.started + context.config.profile.sync_round

    # the fast path

    def on_batch(self, source: Link | None, batch: bytes, now: Instant, out: Outbox) -> None:
        """A batch came outside a session, on a link or (source None) on gossip."""
        context = self._context
        receipt = context.replica.receive(batch, context.wall_ms(now))
        if source is not None:
            self._judge(source, receipt, out)
        match receipt.status:
            case ReceiptStatus.APPLIED:
                out.persist(RecordKind.BATCH, batch)
                self._applied(receipt.author, receipt.seq, out)
            case ReceiptStatus.GAP | ReceiptStatus.HELD:
                link = context.links.of_swarm(receipt.author.swarm) or source
                if link is not None and not context.replica.early(receipt.author, context.wall_ms(now)):
                    self.want(link.peer)
            case ReceiptStatus.FORKED:
                self._forked(receipt, out)
            case ReceiptStatus.DUPLICATE | ReceiptStatus.FENCED | ReceiptStatus.MASKED:
                context.counters[f"batches_{receipt.status}"] += 1
        if source is not None and receipt.status in (ReceiptStatus.APPLIED, ReceiptStatus.DUPLICATE):
            self._acknowledge(source, receipt.author, out)

    def _judge(self, source: Link, receipt: Receipt, out: Outbox) -> None:
        """On its own link a member says its own batches, each once, in order. Recorded ones are somebody's replay.

        A clock that is ahead is charged once a link: it may be honest, and its batches are held anyway.
        """
        author, place = receipt.author, (receipt.author.term, receipt.seq)
        own = source.swarm == author.swarm
        if receipt.status is ReceiptStatus.DUPLICATE and (not own or place <= source.told):
            out.blame(source.peer, Offence.REPLAY, f"batch {receipt.seq} is known, and not news of the sender")
        early = receipt.status is ReceiptStatus.HELD and self._context.chain.queen_key(*author) is not None
        if early:
            self._context.counters["batches_early"] += 1
        if early and not source.early:
            source.early = True
            out.blame(source.peer, Offence.FUTURE_CLOCK, f"batch {receipt.seq} is from the future")
        if own:
            source.told = max(source.told, place)

    def on_fork(self, proof: bytes, out: Outbox) -> None:
        """A fork proof came on a link or on gossip."""
        receipt = self._context.replica.receive_fork(proof)
        if receipt.status is ReceiptStatus.FORKED:
            self._forked(receipt, out)

    def _applied(self, author: Author, seq: int, out: Outbox) -> None:
        self._context.counters["batches_applied"] += 1
        name = self._context.name_of(author.swarm)
        out.trace(TraceKind.BATCH_APPLIED, swarm=name, term=author.term, seq=seq)

    def _forked(self, receipt: Receipt, out: Outbox) -> None:
        """A new proof: keep it, spread it, say it."""
        assert receipt.proof is not None, "a FORKED receipt carries its proof"
        context = self._context
        out.persist(RecordKind.FORK, receipt.proof)
        message = pack(MessageType.FORK, receipt.proof)
        out.add(Publish(topic=state_topic(context.federation), message=message))
        out.trace(TraceKind.FORK_FOUND, swarm=context.name_of(receipt.author.swarm), seq=receipt.seq)
        context.counters["forks_found"] += 1
        member = context.chain.member(receipt.author.swarm)
        if member is not None and member.term == receipt.author.term and member.swarm != context.me.swarm:
            out.blame(PeerId(member.peer), Offence.FORK, f"two records signed for place {receipt.seq}")

    def _acknowledge(self, source: Link, author: Author, out: Outbox) -> None:
        """Tell an author on its own link how far its log is held here."""
        head = self._context.replica.head(author)
        if source.swarm == author.swarm and head is not None:
            row = HeldRow(swarm=author.swarm, term=author.term, seq=head.seq, head=head.hash)
            out.send(source.peer, Channel.MESH, MessageType.HELD, Held(rows=(row,)))

    # sessions

    def met(self, link: Link, claimed: bool, now: Instant) -> None:
        """A link stands anew; `claimed`: the other side says that it holds more of our log than we do."""
        assert link.hello is not None, "an established link has said HELLO"
        if claimed:
            self.want(link.peer)
        elif link.hello.state_root == self._context.replica.root():
            self.agrees(link.peer)
        else:
            self.differs(link, link.hello.state_root, now)

    def agrees(self, peer: PeerId) -> None:
        """`peer` says that it holds what we hold: there is nothing to compare."""
        self._finished[peer] = None

    def want(self, peer: PeerId) -> None:
        """Open a session with `peer` as soon as bounds allow, whatever its state root is."""
        self.doubts.certain(peer)

    def differs(self, link: Link, root: bytes, now: Instant) -> None:
        """HELLO showed that the other end holds another state: open a session unless that is over by then."""
        self.doubts.differs(link.peer, root, now, patient=link.inbound)

    def compare_root(self, peer: PeerId, root: bytes, now: Instant) -> None:
        """A probe showed `peer`'s state root."""
        own = self._context.replica.root()
        self.doubts.probe(peer, root, own, now)
        if root == own:
            self.agrees(peer)

    def on_message(self, link: Link, code: int, payload: bytes, now: Instant, out: Outbox) -> bool:
        """One message of the sync channel; True when a session with that member is over by it."""
        active = self._active.get(link.peer) or self._prepared(now)
        active.progress_at = now
        try:
            events = active.session.receive_message(code, payload, self._context.wall_ms(now))
        except Exception:
            self._close(link.peer, now)
            raise
        if not active.session.met and link.peer not in self._active:  # left over from a session that is over here
            self._context.counters["sync_strays"] += 1
            return False
        self._active[link.peer] = active
        for event in events:
            self._act_on(event, out)
        for author in dict.fromkeys(event.author for event in events if not isinstance(event, ForkFound)):
            self._acknowledge(link, author, out)
        if active.session.failure is not None:
            self._close(link.peer, now)
            raise active.session.failure
        self._pump(link.peer, active, out)
        if active.session.finished:
            self.doubts.ended(link.peer, active.session.futile, now)
            self._finish(link, now, out)
        return active.session.finished

    def _act_on(self, event: SyncEvent, out: Outbox) -> None:
        match event:
            case BatchAccepted(author=author, seq=seq, batch=batch):
                out.persist(RecordKind.BATCH, batch)
                self._applied(author, seq, out)
            case SnapshotInstalled(author=author, seq=seq, blob=blob):
                out.add(SaveFile(name=owner_file(author), data=blob))
                name = self._context.name_of(author.swarm)
                out.trace(TraceKind.SNAPSHOT_INSTALLED, swarm=name, term=author.term, seq=seq)
            case ForkFound(receipt=receipt):
                self._forked(receipt, out)

    def _finish(self, link: Link, now: Instant, out: Outbox) -> None:
        self._close(link.peer, now)
        self._finished[link.peer] = None
        self._context.counters["sync_sessions"] += 1
        out.trace(TraceKind.SYNC_FINISHED, peer=link.peer)

    def compared(self) -> bool:
        """A session with some member has finished since its link was established."""
        return any(map(self._context.links.stands, self._finished))  # as a rule the first one stands

    def progress(self) -> tuple[int, int]:
        """(entries received, entries expected) over the sessions under way."""
        reports = [active.session.progress() for active in self._active.values()]
        return sum(report.received for report in reports), sum(report.expected for report in reports)

    def peer_down(self, peer: PeerId) -> None:
        """The link is gone, and with it the session."""
        self._active.pop(peer, None)
        self._pause_until.pop(peer, None)
        self.doubts.forget(peer)
        self._finished.pop(peer, None)

    def tick(self, now: Instant, out: Outbox) -> None:
        """Drop stalled sessions, start wanted ones, and the periodic round. May make pings due at once."""
        config = self._context.config
        for peer, active in list(self._active.items()):
            if now >= active.progress_at + config.sync_deadline:
                self._close(peer, now)
                self.want(peer)
        if now >= self._next_round:
            self._next_round = now + config.profile.sync_round
            peers = [link.peer for link in self._context.links.members()]
            for peer in self._context.rng.sample(peers, config.sync_fanout):
                self._ask(peer, now)
        if self.doubts and len(self._active) < config.sync_sessions:
            for peer in self.doubts.settled(self._context.replica.root(), now):
                self.agrees(peer)
            for peer in self.doubts.wanted() if now >= self.doubts.earliest() else ():
                if len(self._active) >= config.sync_sessions:
                    break
                self._start_wanted(peer, now, out)

    def next_deadline(self) -> Instant:
        config = self._context.config
        if not self._active and not self.doubts:
            return self._next_round
        soonest = self._next_round
        for active in self._active.values():
            soonest = min(soonest, active.progress_at + config.sync_deadline)
        return self._next_opening(soonest) if len(self._active) < config.sync_sessions else soonest

    def _next_opening(self, soonest: Instant) -> Instant:
        """When the first of the wanted sessions may begin, if that is before `soonest`; as a rule the first peers
        that one looks at can tell."""
        doubts = self.doubts
        earliest, ripe = doubts.earliest(), doubts.ripen()
        if ripe is not None:
            soonest = min(soonest, ripe)
        for peer in doubts.wanted() if earliest < soonest else ():
            if peer not in self._active:
                opening = max(self._pause_until.get(peer, 0), doubts.opens(peer))
                soonest = min(soonest, opening)
                if opening <= earliest:
                    break
        return soonest

    def _start_wanted(self, peer: PeerId, now: Instant, out: Outbox) -> None:
        link = self._context.links.get(peer)
        if link is None or not link.established:
            self.doubts.forget(peer)
            return
        if peer in self._active or now < max(self._pause_until.get(peer, 0), self.doubts.opens(peer)):
            return
        if self.doubts.old(peer, now):
            self._ask(peer, now)
            return
        self.doubts.begun(peer, now)
        self._active[peer] = active = self._prepared(now)
        out.trace(TraceKind.SYNC_STARTED, peer=peer)
        self._pump(peer, active, out)

    def _ask(self, peer: PeerId, now: Instant) -> None:
        """Let `peer` show its root before anything else."""
        self.doubts.ask(peer, now)
        self._context.links.ask(peer, now)

    def _prepared(self, now: Instant) -> _Active:
        """A session that nobody knows of yet."""
        context = self._context
        self._nonce = max(self._nonce + 1, now)
        session = SyncSession(
            context.replica,
            self._staging,
            epoch=context.chain.epoch,
            height=context.chain.height,
            nonce=self._nonce,
        )
        return _Active(session, now)

    def _pump(self, peer: PeerId, active: _Active, out: Outbox) -> None:
        while (message := active.session.generate_message()) is not None:
            out.add(Send(peer=peer, channel=Channel.SYNC, message=message))

    def _close(self, peer: PeerId, now: Instant) -> None:
        self._active.pop(peer, None)
        self._pause_until[peer] = now + self._context.config.sync_pause
