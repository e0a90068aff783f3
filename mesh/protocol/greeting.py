"""From a secured connection to a member's link: HELLO, strangers, chain catch-up, probes.

    PeerUp ── known peer id ──► HELLO both ways ──► established: announcements, anti-entropy, probes
       └───── unknown ──► we dialled: HELLO; they did: wait ≤ 10 s for a HELLO or a join request
                             HELLO of another protocol version ──► a refusal that says which is spoken here
                             HELLO of another federation ──► a polite refusal, and no more dials
                             HELLO of ours with a longer chain ──► ask for the blocks: they may admit the stranger
                             still no member ──► refusal

The transport has proven the peer id, so HELLO proves nothing: it says where each side stands.
"""

from __future__ import annotations

from consensus.blocks import MAX_BLOCK, Block
from consensus.history import Record
from crdt.ops import Author
from mesh.protocol.context import Context
from mesh.protocol.effects import RecordKind, Trust
from mesh.protocol.leaping import CHAIN_BYTES, Leaping
from mesh.protocol.links import Link
from mesh.protocol.messages import (
    PROTOCOL_VERSION,
    BlockRecord,
    ChainBlocks,
    ChainRequest,
    HeldRow,
    Hello,
    Ping,
    Refusal,
)
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from mesh.protocol.versions import outdated
from wire import cbor
from wire.errors import Equivocation, ProtocolViolation, RemoteError
from wire.ids import PeerId, SwarmId
from wire.time import Instant
from wire.types import Channel, MessageType

SOFTWARE = "zenmesh/0.1"
OTHER_FEDERATION = "other-federation"
NOT_A_MEMBER = "not-a-member"
OTHER_VERSION = "other-version"


class Greeting:
    """Brings links up to membership and keeps them probed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.leaping = Leaping(context)
        self.foreign: dict[PeerId, bytes] = {}  # peers that turned out to belong to another federation (bounded)

    # links

    def peer_up(self, peer: PeerId, address: str, inbound: bool, now: Instant, out: Outbox) -> None:
        context = self._context
        if context.links.get(peer) is not None:
            context.dialer.linked(peer, address, inbound)  # a dial crossed with another: the link stands already
            return
        if self._too_many_strangers(peer) or len(context.links) >= context.config.max_links:
            out.disconnect(peer, "too many links")
            self._make_room(out)
            return
        link = context.links.up(peer, address, inbound, now)
        context.dialer.linked(peer, address, inbound)
        self._place(link)
        out.trace(TraceKind.LINK_UP, peer=peer, inbound=inbound, member=link.swarm is not None)
        if link.swarm is not None:
            out.add(Trust(peer=peer, trusted=True))
        if link.swarm is not None or not inbound:
            self.greet(link, now, out)

    def greet(self, link: Link, now: Instant, out: Outbox) -> None:
        """Say HELLO, once per link."""
        if link.greeted:
            return
        link.greeted, link.greeted_at = True, now
        context = self._context
        hello = Hello(
            protocol_version=PROTOCOL_VERSION,
            federation=context.federation,
            swarm=context.me.swarm,
            term=context.me.term,
            boot_nonce=context.me.boot_nonce,
            epoch=context.chain.epoch,
            height=context.chain.height,
            state_root=context.replica.root(),
            wall_ms=context.wall_ms(now),
            yours=self._held_of(link.swarm),
            name=context.me.name,
            software=SOFTWARE,
        )
        out.send(link.peer, Channel.PRIORITY, MessageType.HELLO, hello)

    def on_hello(self, link: Link, hello: Hello, now: Instant, out: Outbox) -> bool:
        """Book a HELLO; True when the link became established by it."""
        context = self._context
        if hello.protocol_version != PROTOCOL_VERSION:
            rule = f"this node speaks protocol version {PROTOCOL_VERSION}, not {hello.protocol_version}"
            self.refuse(link, OTHER_VERSION, f"{rule}: update the older", out)
            return False
        if hello.federation != context.federation:
            self._remember_foreign(link.peer, hello.federation)
            self.refuse(link, OTHER_FEDERATION, "this node belongs to another federation", out)
            return False
        link.height = max(link.height, hello.height)
        if link.swarm is not None and hello.swarm != link.swarm:
            raise ProtocolViolation("HELLO names another swarm than the chain does")
        fresh = link.hello is None
        # The other side lost the link and made it anew before we noticed: it knows nothing of what we said.
        anew = not fresh and now >= link.greeted_at + context.config.stranger_deadline // 2
        context.links.heard(link, hello)
        if anew or (fresh and link.greeted_early):
            link.greeted = False  # to a joiner we spoke before it listened
        if hello.height > context.chain.height:
            self.request_chain(link, out)
        elif link.swarm is None and hello.height < context.chain.height and context.chain.belonged(link.peer):
            self.greet(link, now, out)  # our height says that there are blocks; they say why it is a stranger now
            return False
        elif link.swarm is None:
            self.refuse(link, NOT_A_MEMBER, "the federation's chain names no such member", out)
            return False
        self.greet(link, now, out)
        return (fresh or anew) and link.established

    def refuse(self, link: Link, code: str, reason: str, out: Outbox) -> None:
        """Say why, then close."""
        out.send(link.peer, Channel.PRIORITY, MessageType.REFUSAL, Refusal(code=code, reason=reason))
        out.disconnect(link.peer, code)

    def on_refusal(self, link: Link, refusal: Refusal, out: Outbox) -> None:
        """The other side closes the link and says why."""
        if refusal.code == OTHER_FEDERATION:
            self._remember_foreign(link.peer, b"")
        self._context.dialer.refused(link.peer, refusal.reason)
        out.trace(TraceKind.LINK_DOWN, peer=link.peer, reason=f"refused: {refusal.code}: {refusal.reason}")

    # the chain

    def request_chain(self, link: Link, out: Outbox) -> None:
        """Ask for the blocks that we lack."""
        out.send(link.peer, Channel.MESH, MessageType.CHAIN_REQUEST, self.leaping.request(link.peer))

    def request_block(self, link: Link, height: int, out: Outbox) -> None:
        """Ask for a block that is another than ours."""
        out.send(link.peer, Channel.MESH, MessageType.CHAIN_REQUEST, ChainRequest(height))

    def on_chain_request(self, link: Link, request: ChainRequest, out: Outbox) -> None:
        """Serve blocks: to members freely, to a stranger that speaks of our federation just as well (no secret)."""
        if link.swarm is None and link.asked_chain and not self._context.chain.belonged(link.peer):
            raise ProtocolViolation("a stranger asked for the chain twice")
        link.asked_chain = True
        course = self.leaping.course(request)
        if course:
            self._send_records(link, course, out)
        else:
            self.send_blocks(link, request.from_height, out)

    def send_blocks(self, link: Link, from_height: int, out: Outbox) -> None:
        """As many blocks as a message takes."""
        blocks = self._context.chain.blocks(from_height, CHAIN_BYTES)
        self._send_records(link, [Record(block, certificate) for block, certificate in blocks], out)

    def _send_records(self, link: Link, records: list[Record], out: Outbox) -> None:
        blocks = tuple(BlockRecord(*record) for record in records)
        news = ChainBlocks(height=self._context.chain.height, blocks=blocks)
        out.send(link.peer, Channel.MESH, MessageType.CHAIN_BLOCKS, news)

    def on_chain_blocks(self, link: Link, message: ChainBlocks, out: Outbox) -> bool:
        """Append what is new, durably; True when the chain grew. Who is told of a later block asks first. Raises
        RemoteError for a first block that may not be; a later one undoes nothing."""
        chain = self._context.chain
        link.height = max(link.height, message.height)
        if self.leaping.concerns(link.peer, message):
            grew, more = self.leaping.take(link.peer, message, out)
            if more:
                self.request_chain(link, out)
            return grew
        grew = False
        first = cbor.decode_as(message.blocks[0].block, Block, MAX_BLOCK).height if message.blocks else 0
        if first > chain.height + 1:
            self.request_chain(link, out)
            return False
        for record in message.blocks:
            try:
                appended = chain.append(record.block, record.certificate)
            except Equivocation as fork:
                self._alarm(link, record, fork, out)
                return grew
            except RemoteError as error:
                if not grew:
                    raise
                out.blame(link.peer, error.offence, error.detail)
                return True
            if appended:
                out.persist(RecordKind.BLOCK, cbor.encode_struct(record))
                out.trace(TraceKind.BLOCK_APPLIED, height=chain.height, epoch=chain.epoch)
                grew = True
            if outdated(self._context):
                return grew
        if grew and link.height > chain.height:
            self.request_chain(link, out)
        return grew

    def _alarm(self, link: Link, record: BlockRecord, fork: Equivocation, out: Outbox) -> None:
        """Two blocks are certified at one height: more lie than the rules can bear, and only people can tell which
        chain is theirs. Nobody is blamed for showing it."""
        height = cbor.decode_as(record.block, Block, MAX_BLOCK).height
        if self._context.forked_at is None:
            self._context.forked_at = height
            shown_by = link.peer if link.swarm is None else self._context.name_of(link.swarm)
            out.trace(TraceKind.CHAIN_FORKED, height=height, shown_by=shown_by, detail=fork.detail)

    def chain_grew(self, now: Instant, out: Outbox) -> list[Link]:
        """The chain changed: links may have become members' (returned when established) or strangers'."""
        context = self._context
        context.dialer.want(self._wanted(), now)
        established: list[Link] = []
        for link in context.links.all():
            swarm = context.swarm_of(link.peer)
            was = link.swarm
            if (swarm, self._queen(link.peer)) == (was, link.queen):
                continue
            self._place(link)
            if swarm == was:
                continue
            out.add(Trust(peer=link.peer, trusted=swarm is not None))
            if swarm is None:
                context.links.wait_on(link, now)  # for the blocks to arrive that say so; then its time is up
                self.send_blocks(link, link.height + 1, out)
            elif was is None:
                link.greeted_early = link.hello is None
                self.greet(link, now, out)
                if link.hello is not None:
                    established.append(link)
        return established

    # probes

    def tick(self, now: Instant, out: Outbox) -> None:
        """Ping who is due, close who fell silent or never said HELLO, send strangers off whose time is up."""
        context = self._context
        due, lost = context.links.due_pings(now)
        for link in due:
            out.send(link.peer, Channel.PRIORITY, MessageType.PING, self._probe(link.ping_nonce, now))
        for link in lost:
            out.disconnect(link.peer, f"no answer to {link.missed} probes")
        for link in context.links.overdue(now):
            if link.swarm is not None:
                context.links.wait_on(link, now)
                out.disconnect(link.peer, "no HELLO in time: a full lane may have dropped it")
            else:
                context.counters["strangers_timed_out"] += 1
                self.refuse(link, NOT_A_MEMBER, "no HELLO of a member and no join request in time", out)
                context.links.down(link.peer)
                context.dialer.closed(link.peer, False, "no HELLO of a member", now)

    def on_ping(self, link: Link, ping: Ping, now: Instant, out: Outbox) -> None:
        self._context.links.pinged(link, now)
        out.send(link.peer, Channel.PRIORITY, MessageType.PONG, self._probe(ping.nonce, now))
        self._compare(link, ping, out)

    def on_pong(self, link: Link, pong: Ping, now: Instant, out: Outbox) -> None:
        if not self._context.links.pong(link, pong, self._context.wall_ms(now), now):
            self._context.counters["late_pongs"] += 1  # the answer to a probe given up already is no offence
        self._compare(link, pong, out)

    def _compare(self, link: Link, probe: Ping, out: Outbox) -> None:
        news = probe.height > max(link.height, self._context.chain.height)
        link.height = max(link.height, probe.height)
        if news:
            self.request_chain(link, out)

    def _probe(self, nonce: int, now: Instant) -> Ping:
        context = self._context
        return Ping(
            nonce=nonce,
            wall_ms=context.wall_ms(now),
            height=context.chain.height,
            state_root=context.replica.root(),
        )

    # helpers

    def _wanted(self) -> list[PeerId]:
        chain = self._context.chain
        if self._context.has_left():
            return []
        swarms = [*self._context.neighbours(), self._context.me.swarm]  # a backup keeps a link with its own queen
        members = (chain.member(swarm) for swarm in swarms)
        return [m.peer for m in members if m is not None and m.peer != self._context.me.peer]

    def _queen(self, peer: PeerId) -> bool:
        return self._context.chain.member_by_peer(peer) is not None

    def _place(self, link: Link) -> None:
        """Whose link it is, and whether a queen's, by the chain."""
        self._context.links.belongs(link, self._context.swarm_of(link.peer), self._queen(link.peer))

    def _held_of(self, swarm: SwarmId | None) -> HeldRow | None:
        """What we hold of the newest term of the peer's own log."""
        member = self._context.chain.member(swarm) if swarm is not None else None
        newest = self._context.replica.row(Author(member.swarm, member.term)) if member is not None else None
        if newest is None:  # of this term, nothing yet
            rows = [row for row in self._context.replica.heads() if row.swarm == swarm]
            newest = max(rows, key=lambda row: row.term, default=None)
        if newest is None:
            return None
        return HeldRow(swarm=newest.swarm, term=newest.term, seq=newest.seq, head=newest.hash)

    def _make_room(self, out: Outbox) -> None:
        """The longest visit of a member that is no neighbour ends. Who was sent off now comes again."""
        neighbours = frozenset(self._context.neighbours())
        visitor = next((link for link in self._context.links.members() if link.swarm not in neighbours), None)
        if visitor is not None:
            out.disconnect(visitor.peer, "its place is needed")

    def _too_many_strangers(self, peer: PeerId) -> bool:
        context = self._context
        stranger = context.swarm_of(peer) is None
        return stranger and len(context.links.strangers()) >= context.config.max_strangers

    def _remember_foreign(self, peer: PeerId, federation: bytes) -> None:
        if len(self.foreign) >= self._context.config.max_book:
            del self.foreign[next(iter(self.foreign))]
        self.foreign[peer] = federation
