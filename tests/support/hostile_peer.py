"""A hostile peer as a process of its own: `python -m tests.support.hostile_peer ATTACK VICTIM [TICKET]`.

It makes up an identity, becomes a member first if it is given a ticket (a member's keys in an attacker's hands), and
then does one thing of `ATTACKS` again and again, until its standard input ends. It says one line when it is about to
begin, its peer id, and one with `out` whenever the victim has thrown it out; a stranger then comes back under another
name. What the victim makes of it, the victim is asked.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import libp2p
import trio
from libp2p.abc import INetStream

from consensus.admission import JoinRequest, JoinResponse, JoinStatus
from consensus.certificates import YEAR_MS, make_member_cert
from consensus.tickets import Ticket, parse_ticket, peek_grant, seal_join
from crdt import batch
from crdt.batch import Header
from crdt.ops import Author, Op, OpKind, encode_op
from crdt.replica import Replica
from mesh.protocol.messages import Capabilities, Discovery, Hello, Ping
from mesh.protocol.topics import state_topic
from tests.support.bad_frames import BAD_FRAMES
from tests.support.bare_libp2p import MESHSUB
from tests.support.hostile import MALFORMED, Attacker, connected_attacker, prefixed, signed_by, tcp_to
from wire import cbor, cose
from wire.frame import LENGTH_SIZE, decode_frame, encode_frame, pack_message, unpack_message
from wire.ids import FederationId, PublicKey, SwarmId, peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey
from wire.time import hlc_of
from wire.types import KIB, Channel, ContentType, MessageType

HOUR_MS = 3_600_000
TURN_S = 0.05  # between two strokes, where many a second prove no more than a few
STRANGERS = 24
IDLE_CONNECTIONS = 400
COSTLY = 100  # messages to one RPC
Stroke = Callable[["Rogue"], Awaitable[None]]


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
    recorded: list[bytes] = field(default_factory=list)

    def replica(self) -> Replica:
        """An empty replica to compose its own log in."""
        return Replica(self.federation, _OwnKeys(self.author, self.queen))

    def batch(self, value: bytes = b"1", *, ahead_ms: int = 0) -> bytes:
        """The first batch of its own log; another `value` makes another first batch."""
        op = Op(collection="memory", key="rogue", kind=OpKind.PUT, value=value)
        return self.replica().compose(self.author, [op], hlc_of(now_ms() + ahead_ms), self.queen)

    def forged(self, author: Author, federation: bytes) -> bytes:
        """A batch in the name of `author`, signed by this peer's own queen key, for `federation`."""
        ops = batch.encode_ops([encode_op(Op(collection="memory", key="k", kind=OpKind.PUT, value=b"1"))])
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


# What it does, once; the loop in `main` does it again


async def garbage(rogue: Rogue) -> None:
    """Random bytes instead of a handshake, of a protocol name, and of a frame."""
    async with await tcp_to(rogue.address) as raw:
        await raw.send_all(os.urandom(KIB))
    stream = await rogue.attacker.stream()
    await stream.write(os.urandom(KIB))
    await rogue.write(Channel.MESH, (64).to_bytes(LENGTH_SIZE, "big") + os.urandom(64))


async def truncated(rogue: Rogue) -> None:
    await rogue.write(Channel.MESH, encode_frame([bytes(1000)], compress=False)[:-1])


async def wrong_federation(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.forged(rogue.author, b"x" * 32))


async def forged(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.forged(rogue.inviter, rogue.federation))


async def forged_gossip(rogue: Rogue) -> None:
    """Nothing was recorded as long as nobody writes; the forgery needs no recording."""
    with trio.move_on_after(2):
        await rogue.take_part()
    while True:
        await rogue.publish(MessageType.BATCH, rogue.forged(rogue.inviter, rogue.federation))
        await trio.sleep(TURN_S)


async def replay(rogue: Rogue) -> None:
    """What honest members said, again: on the link, and as news of one's own."""
    if not rogue.recorded:
        await rogue.take_part()
    await rogue.say(Channel.MESH, MessageType.BATCH, *rogue.recorded)
    for payload in rogue.recorded:
        await rogue.publish(MessageType.BATCH, payload)


async def forked(rogue: Rogue) -> None:
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.batch(b"1"), rogue.batch(b"2"))


async def early(rogue: Rogue) -> None:
    """A batch and an announcement of the next hour."""
    await rogue.say(Channel.MESH, MessageType.BATCH, rogue.batch(ahead_ms=HOUR_MS))
    body = Discovery(
        swarm=rogue.author.swarm,
        term=rogue.author.term,
        project_id="demo",
        addresses=(),
        capabilities=Capabilities(),
        timestamp_ms=now_ms() + HOUR_MS,
    )
    raw = cose.seal(ContentType.DISCOVERY, cbor.encode_struct(body), rogue.queen, rogue.federation)
    await rogue.say(Channel.MESH, MessageType.DISCOVERY, raw)


async def slow_loris(rogue: Rogue) -> None:
    """A frame, byte by byte."""
    lane = await rogue.attacker.speak(Channel.MESH)
    for byte in encode_frame([bytes(1000)], compress=False):
        await lane.write(bytes([byte]))
        await trio.sleep(0.2)


async def silence(rogue: Rogue) -> None:
    """A connection, the beginning of a join, and not a word."""
    await rogue.attacker.speak(Channel.JOIN)
    await rogue.attacker.wait_thrown_out()


async def lies_in_hello(rogue: Rogue) -> None:
    """A member that claims to be another one."""
    hello = Hello(
        protocol_version=1,
        federation=rogue.federation,
        swarm=rogue.inviter.swarm,
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
    await rogue.say(Channel.PRIORITY, MessageType.HELLO, cbor.encode_struct(hello))


async def flood(rogue: Rogue) -> None:
    """Well-formed messages of a member, as fast as they are taken."""
    frames = [
        (channel, encode_frame([pack_message(kind, payload)] * 50))
        for channel, kind, payload in (
            (Channel.PRIORITY, MessageType.PING, cbor.encode_struct(Ping(1, now_ms(), 0, bytes(32)))),
            (Channel.MESH, MessageType.BATCH, rogue.batch()),
        )
    ]
    async with trio.open_nursery() as nursery:
        for channel, frame in frames:
            nursery.start_soon(_for_ever, await rogue.attacker.speak(channel), frame)


async def _for_ever(lane: INetStream, frame: bytes) -> None:
    while True:
        await lane.write(frame)


async def gossip_flood(rogue: Rogue) -> None:
    """Well-formed gossip of a member, in the name of thousands that it made up, as fast as it is taken."""
    lane = await rogue.attacker.speak(MESHSUB)
    message = pack_message(MessageType.BATCH, rogue.batch())
    for first in itertools.count(0, COSTLY):
        numbers = range(first, first + COSTLY)
        await lane.write(prefixed(b"".join(signed_by(number, rogue.attacker.topic, message) for number in numbers)))


async def stranger_flood(rogue: Rogue) -> None:
    """A stranger that sends more than it may."""
    lane = await rogue.attacker.speak(Channel.MESH)
    await _for_ever(lane, encode_frame([pack_message(999, os.urandom(256 * KIB))]))


async def streams(rogue: Rogue) -> None:
    """Streams without end."""
    await rogue.attacker.flood_streams(1000)
    await rogue.attacker.wait_thrown_out()


async def connections(rogue: Rogue) -> None:
    """Whole connections under ever new names, and hundreds that say nothing."""
    async with AsyncExitStack() as held:
        for _ in range(STRANGERS):
            with suppress(Exception):
                await held.enter_async_context(_stranger(rogue.address))
        for _ in range(IDLE_CONNECTIONS):
            with suppress(OSError):
                await held.enter_async_context(await tcp_to(rogue.address))
        await rogue.attacker.wait_thrown_out()


async def malformed(rogue: Rogue) -> None:
    """Every message that would kill the library's own host."""
    for attack in MALFORMED.values():
        if attack.deadly:
            with suppress(Exception):
                await attack.strike(rogue.attacker)


def _frames(*names: str) -> Stroke:
    async def stroke(rogue: Rogue) -> None:
        for name in names:
            await rogue.write(Channel.MESH, BAD_FRAMES[name][0])

    return stroke


ATTACKS: dict[str, Stroke] = {
    "garbage": garbage,
    "truncated": truncated,
    "oversized": _frames("length-4-gib", "length-over-limit", "length-zero"),
    "zstd-bomb": _frames("zstd-bomb-declared", "zstd-bomb-undeclared"),
    "cbor-bomb": _frames("cbor-nested-deep", "cbor-array-of-2-to-the-60", "array-too-long"),
    "wrong-federation": wrong_federation,
    "forged": forged,
    "forged-gossip": forged_gossip,
    "lies-in-hello": lies_in_hello,
    "replay": replay,
    "fork": forked,
    "early": early,
    "slow-loris": slow_loris,
    "silence": silence,
    "flood": flood,
    "gossip-flood": gossip_flood,
    "stranger-flood": stranger_flood,
    "streams": streams,
    "connections": connections,
    "malformed": malformed,
}


# Coming in


def _stranger(address: str) -> AbstractAsyncContextManager[Attacker]:
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
        rogue = Rogue(attacker, address, node, queen, author, federation, inviter)
        for channel in (Channel.MESH, Channel.PRIORITY, Channel.SYNC):
            attacker.take(channel)
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
    [message] = decode_frame(await _read(stream, int.from_bytes(await _read(stream, LENGTH_SIZE), "big")))
    response = cbor.decode_as(unpack_message(message)[1], JoinResponse)
    assert response.status is JoinStatus.ACCEPTED, response.reason


async def _read(stream: INetStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await stream.read(size - len(data))
    return data


def tell(line: str) -> None:
    """Say it to whoever started this."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(attack: str, address: str, ticket: Ticket | None) -> None:
    """Come in, begin, go on; come in again."""
    while True:
        with suppress(Exception):
            async with rogue_at(address, ticket) as rogue:
                tell(str(rogue.attacker.bare.peer))
                while rogue.attacker.connected:
                    with suppress(Exception):
                        await ATTACKS[attack](rogue)
                    await trio.sleep(TURN_S)
        if ticket is not None:
            return  # its ticket is used
        tell("out")
        await trio.sleep(TURN_S)


async def until_told() -> None:
    """Attack until standard input ends."""
    attack, address, *ticket = sys.argv[1:]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(main, attack, address, parse_ticket(ticket[0]) if ticket else None)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(until_told)
