"""From a message to the machine that understands it.

The registry (`wire.types`) says on which channels a type may arrive, how large it may be, and whether a stranger may
send it; the table below says who handles it. A banned member is heard on the priority lane only; an unknown type is
counted and ignored, so that a federation can be upgraded node by node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from consensus.bft.messages import Heard
from consensus.bft.replica import MESSAGES
from crdt import batch, fork
from mesh.protocol.links import Link
from mesh.protocol.messages import (
    ChainBlocks,
    ChainRequest,
    Held,
    Hello,
    JoinForward,
    JoinOutcome,
    Ping,
    ProbeReport,
    ProbeRequest,
    Refusal,
    Seek,
)
from mesh.protocol.outbox import Outbox
from mesh.protocol.topics import state_topic
from wire import cbor
from wire.errors import DecodeError, Offence, ProtocolViolation
from wire.frame import unpack_message
from wire.ids import PeerId, SwarmId
from wire.memo import read_once
from wire.time import Instant
from wire.types import REGISTRY, Channel, MessageType

if TYPE_CHECKING:
    from mesh.protocol.node import Node

Handler = Callable[[Link, bytes, Instant, Outbox], None]

FIRST_SYNC, LAST_SYNC = MessageType.SYNC_HELLO, MessageType.SYNC_HEADER
_TYPES: dict[int, MessageType] = {kind.value: kind for kind in MessageType}
_unpack_once = read_once(unpack_message)  # gossip: it is read to relay it, then to use it
_RECEIVED = {kind: f"received_{kind.name.lower()}" for kind in MessageType}  # names of counters


class Dispatch:
    """The node's switchboard."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._handlers: dict[MessageType, Handler] = {
            MessageType.HELLO: self._hello,
            MessageType.REFUSAL: self._refusal,
            MessageType.PING: self._ping,
            MessageType.PONG: self._pong,
            MessageType.CHAIN_REQUEST: self._chain_request,
            MessageType.CHAIN_BLOCKS: self._chain_blocks,
            MessageType.BATCH: self._batch,
            MessageType.FORK: self._fork,
            MessageType.HELD: self._held,
            MessageType.DISCOVERY: self._discovery,
            MessageType.HEARTBEAT: self._heartbeat,
            MessageType.SEEK: self._seek,
            MessageType.JOIN_REQUEST: self._join_request,
            MessageType.JOIN_FORWARD: self._join_forward,
            MessageType.JOIN_OUTCOME: self._join_outcome,
            MessageType.TX_SUBMIT: self._transaction,
            MessageType.SUPPORT: self._support,
            MessageType.HEARD: self._heard,
            MessageType.ACCUSE: self._accuse,
            MessageType.PROBE_REQUEST: self._probe_request,
            MessageType.PROBE_REPORT: self._probe_report,
        }

    def message(self, peer: PeerId, channel: Channel, message: bytes, now: Instant, out: Outbox) -> None:
        """One message of a link."""
        link = self._node.context.links.get(peer)
        if link is None:
            return  # closed meanwhile
        link.last_heard = now
        if channel is not Channel.PRIORITY and self._node.context.scores.banned(peer, now):
            self._node.context.counters["messages_of_banned"] += 1
            return
        kind, payload = self._unpack(message, channel)
        if kind is None:
            return
        if link.swarm is None and not REGISTRY[kind].stranger:
            self._node.context.counters["messages_of_strangers"] += 1
            return  # no offence: one side may know of the membership before the other does
        if FIRST_SYNC <= kind <= LAST_SYNC:
            over = self._node.syncing.on_message(link, kind, payload, now, out)
            if over and link.swarm is not None:
                self._node.startup.void(link.swarm)
        elif kind in MESSAGES:
            self._node.deciding.on_message(link, kind, payload, now, out)
        elif kind in self._handlers:
            self._handlers[kind](link, payload, now, out)
        else:
            self._node.context.counters["unexpected_messages"] += 1  # a JOIN_RESPONSE that came after another one

    def gossip(self, topic: str, message: bytes, now: Instant, out: Outbox) -> None:
        """One message of a topic. It was checked before it was relayed, and is again where it is used."""
        if topic != state_topic(self._node.context.federation):
            return
        kind, payload = self._unpack(message, Channel.GOSSIP)
        match kind:
            case MessageType.BATCH:
                self._node.syncing.on_batch(None, payload, now, out)
            case MessageType.FORK:
                self._node.syncing.on_fork(payload, out)
            case MessageType.DISCOVERY:
                self._node.announcing.on_discovery(payload, now)
            case MessageType.HEARTBEAT:
                self._on_heartbeat(payload, now, out)
            case MessageType.ACCUSE:
                self._on_accusation(payload, now, out)
            case _:
                pass  # an unknown type, counted by _unpack

    def check_gossip(self, forwarder: PeerId, topic: str, message: bytes, now: Instant) -> bool:
        """Relay only what is authentic; what cannot be judged is not relayed and not scored.

        Raises:
            RemoteError: what a member would not have handed on, since it checks as we do.
        """
        context = self._node.context
        if topic != state_topic(context.federation) or context.swarm_of(forwarder) is None:
            return False
        if context.scores.banned(forwarder, now):
            context.counters["gossip_of_banned"] += 1
            return False
        return self._authentic(*self._unpack(message, Channel.GOSSIP))

    def _authentic(self, kind: MessageType | None, payload: bytes) -> bool:
        """Signed by whom it names; False when that cannot be told here. Raises RemoteError when forged."""
        replica = self._node.context.replica
        match kind:
            case MessageType.BATCH:
                return replica.verify_header(batch.parse(payload).signed)
            case MessageType.FORK:
                return replica.verify_fork(fork.parse(payload))
            case MessageType.DISCOVERY | MessageType.HEARTBEAT:
                return self._node.announcing.verify(kind, payload)
            case MessageType.ACCUSE:
                return self._node.detector.verify(payload)
            case _:
                return False

    def _unpack(self, message: bytes, channel: Channel) -> tuple[MessageType | None, bytes]:
        """(type, payload) of a message that may travel here; type None for one that this version does not know."""
        code, payload = (_unpack_once if channel is Channel.GOSSIP else unpack_message)(message)
        kind = _TYPES.get(code)
        if kind is None:
            self._node.context.counters["unknown_messages"] += 1
            return None, b""
        spec = REGISTRY[kind]
        if channel not in spec.channels:
            raise ProtocolViolation(f"{kind.name} on channel {channel}")
        if len(payload) > spec.limit:
            raise DecodeError(f"{kind.name} of {len(payload)} bytes, {spec.limit} are allowed", Offence.OVERSIZE)
        self._node.context.counters[_RECEIVED[kind]] += 1
        return kind, payload

    # handlers

    def _hello(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        if self._node.greeting.on_hello(link, cbor.decode_as(payload, Hello), now, out):
            self._node.established(link, now, out)

    def _refusal(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.greeting.on_refusal(link, cbor.decode_as(payload, Refusal), out)

    def _ping(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        ping = cbor.decode_as(payload, Ping)
        self._node.greeting.on_ping(link, ping, now, out)
        self._node.syncing.compare_root(link.peer, ping.state_root, now)

    def _pong(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        pong = cbor.decode_as(payload, Ping)
        self._node.greeting.on_pong(link, pong, now, out)
        self._node.detector.watching.on_pong(link, out)
        self._node.syncing.compare_root(link.peer, pong.state_root, now)

    def _chain_request(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.greeting.on_chain_request(link, cbor.decode_as(payload, ChainRequest), out)

    def _chain_blocks(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        if self._node.greeting.on_chain_blocks(link, cbor.decode_as(payload, ChainBlocks), out):
            self._node.chain_grew(now, out)
        whole = link.height <= self._node.context.chain.height
        if whole and link.swarm is None and link.hello is not None:
            self._node.greeting.refuse(link, "not-a-member", "the federation's chain names no such member", out)

    def _batch(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.syncing.on_batch(link, payload, now, out)

    def _fork(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.syncing.on_fork(payload, out)

    def _held(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        if link.swarm is not None and link.queen:
            self._node.writer.on_held(link.swarm, cbor.decode_as(payload, Held), out)

    def _discovery(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.announcing.on_discovery(payload, now)

    def _seek(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.seeking.on_seek(link, cbor.decode_as(payload, Seek), now, out)

    def _heartbeat(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._on_heartbeat(payload, now, out)

    def _on_heartbeat(self, payload: bytes, now: Instant, out: Outbox) -> None:
        """A heartbeat that names more than we hold means that something was missed: compare with its author. One that
        names another block than ours: have it shown."""
        beat = self._node.announcing.on_heartbeat(payload)
        if beat is None:
            return
        self._node.detector.on_heartbeat(SwarmId(beat.swarm), beat.term, beat.incarnation, payload)
        context = self._node.context
        link = context.links.of_swarm(SwarmId(beat.swarm))
        if link is not None and context.chain.contradicted(beat.height, beat.chain_head):
            self._node.greeting.request_block(link, beat.height, out)
        author = context.author_of(SwarmId(beat.swarm))
        head = context.replica.head(author)
        missed = beat.seq > (head.seq if head else 0)
        if link is not None and missed and not context.replica.early(author, context.wall_ms(now)):
            self._node.syncing.want(link.peer)

    def _join_request(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        link.greeted_early = link.hello is None  # whoever asks does not listen to a HELLO yet
        if self._node.admission.on_request(link.peer, payload, now, self._node.may_sign(now), out):
            self._node.chain_grew(now, out)

    def _join_forward(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        forward = cbor.decode_as(payload, JoinForward)
        if self._node.admission.on_forward(link.peer, forward, now, self._node.may_sign(now), out):
            self._node.chain_grew(now, out)

    def _join_outcome(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.admission.on_outcome(link.swarm if link.queen else None, cbor.decode_as(payload, JoinOutcome), out)

    def _transaction(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        if self._node.context.chain.governed:
            self._node.deciding.on_transaction(payload, now, out)
            self._node.voting.heard(payload, now, out)
        elif self._node.admission.on_transaction(payload, now, self._node.may_sign(now), out):
            self._node.chain_grew(now, out)

    def _heard(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.reminding.on_heard(cbor.decode_as(payload, Heard), out)

    def _accuse(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._on_accusation(payload, now, out)

    def _on_accusation(self, payload: bytes, now: Instant, out: Outbox) -> None:
        """A refutation is to be heard before others come to believe it."""
        before = self._node.context.incarnation
        self._node.detector.on_accusation(payload, now, out)
        if self._node.context.incarnation != before:
            self._node.announcing.urge(now)

    def _probe_request(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.detector.watching.on_request(link, cbor.decode_as(payload, ProbeRequest), now)

    def _probe_report(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.detector.watching.on_report(cbor.decode_as(payload, ProbeReport))

    def _support(self, link: Link, payload: bytes, now: Instant, out: Outbox) -> None:
        self._node.handover.on_support(link, payload)
