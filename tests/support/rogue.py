"""Somebody who came in to do harm: a connected peer with the keys of a member, or with keys that mean nothing.

    async with rogue_at(address, ticket) as rogue:  # a member once it joined by `ticket`
        await rogue.say(Channel.MESH, MessageType.BATCH, rogue.forged(rogue.inviter, rogue.federation))

It can say whatever a member can and seal whatever it likes; what it does with that is in `hostile_peer`.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import libp2p
import trio
from libp2p.abc import INetStream

from consensus.admission import JoinRequest, JoinResponse, JoinStatus
from consensus.certificates import YEAR_MS, make_member_cert
from consensus.tickets import Ticket, peek_grant, seal_join
from crdt import batch
from crdt.batch import Header
from crdt.ops import Author, Op, OpKind, encode_op
from crdt.replica import Replica
from mesh.protocol.messages import Hello
from mesh.protocol.topics import state_topic
from tests.support.hostile import Attacker, connected_attacker
from wire import cbor
from wire.frame import LENGTH_SIZE, decode_frame, encode_frame, pack_message, unpack_message
from wire.ids import FederationId, PublicKey, SwarmId, peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey
from wire.time import hlc_of
from wire.types import Channel, MessageType


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class _OwnKeys:
    """A ring that knows one author, for composing its log."""

    def __init__(self, author: Author, key: SigningKey) -> None:
        self._author, self._key = author, key

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        return self._key.public if (swarm, term) == self._author else None

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        return None


@dataclass(slots=True)
class Rogue:
    """A connected attacker, with the keys of a member or with keys that mean nothing to anybody."""

    attacker: Attacker
    address: str
    node: SigningKey
    queen: SigningKey
    author: Author
    federation: FederationId
    inviter: Author
    probes: trio.MemoryReceiveChannel[INetStream]
    recorded: list[bytes] = field(default_factory=list)

    def replica(self) -> Replica:
        """An empty replica to compose its own log in."""
        return Replica(self.federation, _OwnKeys(self.author, self.queen))

    def batch(self, value: bytes = b"1", *, ahead_ms: int = 0) -> bytes:
        """The first batch of its own log; another `value` makes another first batch."""
        op = Op(collection="memory", key="rogue", kind=OpKind.PUT, value=value, observed=())
        return self.replica().compose(self.author, [op], hlc_of(now_ms() + ahead_ms), self.queen)

    def forged(self, author: Author, federation: bytes) -> bytes:
        """A batch in the name of `author`, signed by this peer's own queen key, for `federation`."""
        ops = batch.encode_ops(
            [encode_op(Op(collection="memory", key="k", kind=OpKind.PUT, value=b"1", observed=()))]
        )
        header = Header(
            federation=federation,
            swarm=author.swarm,
            term=author.term,
            seq=1,
            prev_hash=bytes(32),
            hlc=hlc_of(now_ms()),
            ops_hash=sha256(ops),
            state_root=bytes(32),
        )
        return batch.build(header, ops, self.queen)

    async def write(self, channel: Channel, *frames: bytes) -> None:
        """Write `frames`, which need not be any, on a stream of their own."""
        lane = await self.attacker.speak(channel)
        for frame in frames:
            await lane.write(frame)
        await lane.close()

    async def say(self, channel: Channel, kind: MessageType, *payloads: bytes) -> None:
        """Say messages of one type, in one frame."""
        await self.write(channel, encode_frame([pack_message(kind, payload) for payload in payloads]))

    async def greet(self, swarm: SwarmId) -> None:
        """Say HELLO in the name of `swarm`."""
        hello = Hello(
            protocol_version=1,
            federation=self.federation,
            swarm=swarm,
            term=1,
            boot_nonce=bytes(16),
            epoch=0,
            height=0,
            state_root=bytes(32),
            wall_ms=now_ms(),
            yours=None,
            name="x",
            software="x",
        )
        await self.say(Channel.PRIORITY, MessageType.HELLO, cbor.encode_struct(hello))

    async def answer_probes(self) -> None:
        """Answer each PING, as a member in good health does."""
        stream = await self.probes.receive()
        while True:
            for message in await _read_frame(stream):
                code, payload = unpack_message(message)
                if code == MessageType.PING:
                    await self.say(Channel.PRIORITY, MessageType.PONG, payload)

    async def publish(self, kind: MessageType, payload: bytes) -> None:
        """Publish on the federation's topic."""
        await self.attacker.bare.pubsub.publish(self.attacker.topic, pack_message(kind, payload))

    async def take_part(self) -> None:
        """Join the topic's mesh, and record what is said there."""
        pubsub = self.attacker.bare.pubsub
        subscription = await pubsub.subscribe(self.attacker.topic)
        await pubsub.wait_for_mesh(self.attacker.victim, self.attacker.topic)
        while len(self.recorded) < 3:
            code, payload = unpack_message((await subscription.get()).data)
            if code == MessageType.BATCH:
                self.recorded.append(payload)


def stranger_at(address: str) -> AbstractAsyncContextManager[Attacker]:
    return connected_attacker(address, keys=libp2p.create_identity_from_seed(os.urandom(32)))


@asynccontextmanager
async def rogue_at(address: str, ticket: Ticket | None) -> AsyncIterator[Rogue]:
    """A rogue connected to the victim; a member once it joined by `ticket`."""
    node, queen, root = (SigningKey(os.urandom(32)) for _ in range(3))
    federation = FederationId(bytes(32)) if ticket is None else ticket.federation
    grant = None if ticket is None else peek_grant(ticket.grant)
    inviter = Author(SwarmId(bytes(16)), 1) if grant is None else Author(SwarmId(grant.inviter), grant.inviter_term)
    keys = libp2p.create_identity_from_seed(node.seed)
    async with connected_attacker(address, state_topic(federation), keys=keys) as attacker:
        author = Author(swarm_id_of(root.public), 1)
        for channel in (Channel.MESH, Channel.SYNC):
            attacker.take(channel)
        probes = attacker.take(Channel.PRIORITY)
        rogue = Rogue(attacker, address, node, queen, author, federation, inviter, probes)
        if ticket is not None:
            await _join(rogue, ticket, root)
        yield rogue


async def _join(rogue: Rogue, ticket: Ticket, root: SigningKey) -> None:
    answers = rogue.attacker.take(Channel.JOIN)
    certificate = make_member_cert(
        federation=ticket.federation,
        name=f"rogue{rogue.node.public.hex()[:8]}",
        project="demo",
        root=root,
        term=1,
        queen_key=rogue.queen.public,
        peer=peer_id_of(rogue.node.public),
        not_after_ms=now_ms() + YEAR_MS,
    )
    request = JoinRequest(ticket.federation, ticket.grant, certificate, seal_join(ticket, certificate))
    await rogue.say(Channel.JOIN, MessageType.JOIN_REQUEST, cbor.encode_struct(request))
    stream = await answers.receive()
    [message] = await _read_frame(stream)
    response = cbor.decode_as(unpack_message(message)[1], JoinResponse)
    assert response.status is JoinStatus.ACCEPTED, response.reason


async def _read_frame(stream: INetStream) -> list[bytes]:
    return decode_frame(await _read(stream, int.from_bytes(await _read(stream, LENGTH_SIZE), "big")))


async def _read(stream: INetStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.read(size - len(data))
    return data
