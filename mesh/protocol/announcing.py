"""What a swarm says about itself: DISCOVERY (where and with what) and HEARTBEAT (how far), both signed.

DISCOVERY goes to each new link and on gossip when something changed, else now and then (`Profile.announce`); while
the federation is small also straight to each member. What it heard of others a node tells who asks
(`mesh.protocol.seeking`).

HEARTBEAT is the digest of a swarm's state on gossip: who misses something sees it there. It goes out at the profile's
pace while the swarm has news, and one that would say the same again as rarely as an announcement: gossip passes each
through every node several times, and a hundred swarms that are at rest have nothing to say.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from mesh.protocol.context import Context
from mesh.protocol.effects import Publish
from mesh.protocol.links import Link
from mesh.protocol.messages import Discovery, Heartbeat
from mesh.protocol.outbox import Outbox, pack
from mesh.protocol.topics import state_topic
from wire import cbor, cose
from wire.errors import BadSignature, Offence, ProtocolViolation, RemoteError
from wire.ids import ZERO_DIGEST, PeerId, SwarmId
from wire.time import Instant
from wire.types import REGISTRY, Channel, ContentType, MessageType

FUTURE_TOLERANCE_MS = 5_000
_P2P = "/p2p/"
MAX_HELD = 64
_TWICE = 256  # bodies kept: what is judged before it is relayed is read again at once, where it is booked


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """The latest DISCOVERY of one swarm, as received."""

    body: Discovery
    raw: bytes


class Announcing:
    """Speaks for this swarm, listens to the others."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.announcements: dict[SwarmId, Announcement] = {}
        self.heartbeats: dict[SwarmId, Heartbeat] = {}
        self._next_announce: Instant = context.started
        self._next_heartbeat: Instant = context.started
        self._news: tuple[int, ...] = ()  # what the latest HEARTBEAT told of this swarm
        self._repeat_at: Instant = context.started
        self._own: bytes | None = None
        self._booked: dict[bytes, None] = {}  # the bytes of `announcements`: most that come are known already
        self._held: dict[SwarmId, bytes] = {}

    @property
    def held(self) -> int:
        """How many DISCOVERY of swarms wait that the chain does not name (yet)."""
        return len(self._held)

    # speaking

    def changed(self, now: Instant) -> None:
        """Addresses or capabilities changed: announce at the next tick."""
        self._next_announce = now

    def urge(self, now: Instant) -> None:
        """There is something that others should know at once: send a HEARTBEAT at the next tick."""
        self._next_heartbeat = now

    def tick(self, now: Instant, signing: bool, out: Outbox) -> None:
        """Announce and beat when due; nothing is signed while `signing` is off."""
        if not signing:
            return
        context = self._context
        if now >= self._next_announce:
            self._next_announce = self._after(context.config.profile.announce, now)
            self._own = self._sign(ContentType.DISCOVERY, cbor.encode_struct(self._discovery(now)))
            self._publish(MessageType.DISCOVERY, self._own, out)
            small = len(context.chain.members()) <= context.config.direct_members
            for link in context.links.members() if small else ():
                out.send(link.peer, Channel.MESH, MessageType.DISCOVERY, self._own)
        if now >= self._next_heartbeat:
            self._next_heartbeat = self._after(context.config.profile.heartbeat, now)
            self._beat(now, out)

    def _beat(self, now: Instant, out: Outbox) -> None:
        """Publish a HEARTBEAT that tells something new, or the same again after long enough."""
        context, body = self._context, self._heartbeat()
        news = (body.epoch, body.term, body.incarnation, body.seq, body.height, body.load_permille)
        if news == self._news and now < self._repeat_at:
            return
        refuted = bool(self._news) and body.incarnation != self._news[2]
        self._news, self._repeat_at = news, now + context.config.profile.announce
        beat = self._sign(ContentType.HEARTBEAT, cbor.encode_struct(body))
        self._publish(MessageType.HEARTBEAT, beat, out)
        for link in context.links.members() if refuted else ():
            out.send(link.peer, Channel.MESH, MessageType.HEARTBEAT, beat)

    def _publish(self, kind: MessageType, raw: bytes, out: Outbox) -> None:
        """Say it on gossip, if anybody is there: the first link makes a node announce itself anew."""
        if self._context.links.established:
            out.add(Publish(topic=state_topic(self._context.federation), message=pack(kind, raw)))

    def _after(self, period: int, now: Instant) -> Instant:
        """About a period from now: a little sooner or later each time, so that swarms do not speak all at once."""
        return now + round(period * self._context.rng.uniform(0.9, 1.1))

    def introduce(self, link: Link, out: Outbox) -> None:
        """Tell a new link where we are."""
        if self._own is not None:
            out.send(link.peer, Channel.MESH, MessageType.DISCOVERY, self._own)

    def next_deadline(self) -> Instant:
        return min(self._next_announce, self._next_heartbeat)

    # listening

    def on_discovery(self, raw: bytes, now: Instant) -> bool:
        """Book a DISCOVERY and its addresses; True when it is newer than what was known.

        One of a swarm that the chain does not name (yet) is held until the chain grows.

        Raises:
            RemoteError: forged, or from the future.
        """
        if raw in self._booked or raw == self._own:
            return False
        envelope = self._open(raw, ContentType.DISCOVERY, MessageType.DISCOVERY)
        body = _discovery_of(envelope.payload)
        if not self._by_queen(envelope, body.swarm, body.term):
            self._held[SwarmId(body.swarm)] = raw
            while len(self._held) > MAX_HELD:
                del self._held[next(iter(self._held))]
            return False
        known = self.announcements.get(SwarmId(body.swarm))
        own = envelope.kid == self._context.me.queen_key.public
        if own or (known and known.body.timestamp_ms >= body.timestamp_ms):
            return False
        if body.timestamp_ms > self._context.wall_ms(now) + FUTURE_TOLERANCE_MS:
            raise ProtocolViolation("DISCOVERY from the future", Offence.FUTURE_CLOCK)
        if known is not None:
            del self._booked[known.raw]
        self.announcements[SwarmId(body.swarm)] = Announcement(body=body, raw=raw)
        self._booked[raw] = None
        member = self._context.chain.member(SwarmId(body.swarm))
        assert member is not None, "a queen key belongs to a member"
        suffix = _P2P + member.peer
        addresses = [a.removesuffix(suffix) for a in body.addresses if a.endswith(suffix)]
        self._context.dialer.learn(PeerId(member.peer), addresses, "announcement", now)
        return True

    def chain_grew(self, now: Instant) -> None:
        """What could not be judged before may be now; what turns out forged is dropped."""
        held, self._held = self._held, {}
        for raw in held.values():
            with suppress(RemoteError):
                self.on_discovery(raw, now)

    def on_heartbeat(self, raw: bytes) -> Heartbeat | None:
        """Book a HEARTBEAT; the body when it is newer than what was known. Raises RemoteError when forged."""
        envelope = self._open(raw, ContentType.HEARTBEAT, MessageType.HEARTBEAT)
        body = _heartbeat_of(envelope.payload)
        if body.federation != self._context.federation:
            raise BadSignature("HEARTBEAT names another federation", Offence.FEDERATION)
        if not self._by_queen(envelope, body.swarm, body.term):
            return None
        known = self.heartbeats.get(SwarmId(body.swarm))
        if known and _age(known) >= _age(body):
            return None
        self.heartbeats[SwarmId(body.swarm)] = body
        return body

    def verify(self, kind: MessageType, raw: bytes) -> bool:
        """A DISCOVERY or HEARTBEAT is authentic; books nothing (for relaying). Raises RemoteError when forged."""
        content = ContentType.DISCOVERY if kind is MessageType.DISCOVERY else ContentType.HEARTBEAT
        envelope = self._open(raw, content, kind)
        read = _discovery_of if kind is MessageType.DISCOVERY else _heartbeat_of
        body: Discovery | Heartbeat = read(envelope.payload)
        return self._by_queen(envelope, body.swarm, body.term)

    # helpers

    def _open(self, raw: bytes, content: ContentType, kind: MessageType) -> cose.Envelope:
        context = self._context
        limit = REGISTRY[kind].limit
        return cose.open_as(raw, content, context.federation, limit=limit, verify=context.verify)

    def _by_queen(self, envelope: cose.Envelope, swarm: bytes, term: int) -> bool:
        """Signed by the current queen of a member; False when the chain held here cannot tell, or knows a newer term.

        Raises:
            BadSignature: signed by somebody else.
        """
        member = self._context.chain.member(SwarmId(swarm))
        if member is None or member.term != term:
            return False
        if envelope.kid != member.queen_key:
            raise BadSignature(f"{envelope.content_type} is not signed by the swarm's current queen")
        return True

    def _sign(self, content: ContentType, payload: bytes) -> bytes:
        return cose.seal(content, payload, self._context.me.queen_key, self._context.federation)

    def _discovery(self, now: Instant) -> Discovery:
        context = self._context
        return Discovery(
            swarm=context.me.swarm,
            term=context.me.term,
            project_id=context.me.project,
            addresses=tuple(f"{address}{_P2P}{context.me.peer}" for address in context.addresses[:16]),
            capabilities=context.config.capabilities,
            timestamp_ms=context.wall_ms(now),
        )

    def _heartbeat(self) -> Heartbeat:
        context = self._context
        head = context.replica.head(context.me.author)
        return Heartbeat(
            federation=context.federation,
            epoch=context.chain.epoch,
            swarm=context.me.swarm,
            term=context.me.term,
            incarnation=context.incarnation,
            seq=head.seq if head else 0,
            hlc=head.hlc if head else 0,
            height=context.chain.height,
            view=0,
            head=head.hash if head else ZERO_DIGEST,
            state_root=context.replica.root(),
            load_permille=context.config.capabilities.current_load_permille,
            chain_head=context.chain.head_hash,
        )


def _age(body: Heartbeat) -> tuple[int, ...]:
    """By what the newer of two heartbeats of a swarm is told."""
    return body.term, body.incarnation, body.hlc, body.seq


@lru_cache(maxsize=_TWICE)
def _discovery_of(payload: bytes) -> Discovery:
    return cbor.decode_as(payload, Discovery)


@lru_cache(maxsize=_TWICE)
def _heartbeat_of(payload: bytes) -> Heartbeat:
    return cbor.decode_as(payload, Heartbeat)
