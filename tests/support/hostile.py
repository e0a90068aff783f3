"""A hostile libp2p peer: it has a valid identity and a working connection, and abuses both.

    async with connected_attacker(address, seed=9) as attacker:
        await MALFORMED["graft-topic-not-utf8"].strike(attacker)

It speaks below py-libp2p's own interfaces where those are too polite: raw Yamux frames, streams without a protocol,
gossip RPCs as bytes. Nothing in here knows what the victim is. `MALFORMED` is the table of messages that kill a
host as the library comes, or look as if they could; floods and stalls are methods, since they take parameters.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

import libp2p
import trio
from libp2p.abc import INetStream
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.pb import crypto_pb2
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_keys
from libp2p.custom_types import TProtocol
from libp2p.peer.envelope import seal_record
from libp2p.peer.id import ID
from libp2p.peer.peer_record import PeerRecord
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.validators import PUBSUB_SIGNING_PREFIX
from libp2p.stream_muxer.yamux.yamux import (
    FLAG_SYN,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
    Yamux,
    YamuxStream,
)
from multiaddr import Multiaddr

from tests.support.bare_libp2p import MESHSUB, BareHost, bare_host, ed25519_keys

MULTISTREAM = b"/multistream/1.0.0\n"
IDENTIFY = TProtocol("/ipfs/id/1.0.0")
NOT_UTF8 = b"\xff\xfe\xfd"
YAMUX_CHUNK = 64 * 1024  # bytes in a data frame


def varint(number: int) -> bytes:
    """Unsigned LEB128, which both multistream-select and gossip use for lengths."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(0x80 | number & 0x7F)
        number >>= 7
    return bytes([*encoded, number])


def prefixed(content: bytes) -> bytes:
    """`content` after its length."""
    return varint(len(content)) + content


def field(number: int, content: bytes) -> bytes:
    """A protobuf field with bytes in it: what text fields are on the wire, whether or not it is UTF-8."""
    return varint(number << 3 | 2) + prefixed(content)


@dataclass(frozen=True, slots=True)
class Attacker:
    """A connected stranger; `topic` is one that the victim subscribes to."""

    bare: BareHost
    victim: ID
    topic: str

    @property
    def muxer(self) -> Yamux:
        """The Yamux session, for frames that a polite peer would not send."""
        return self.bare.host.get_network().get_connections(self.victim)[0].muxed_conn

    @property
    def connected(self) -> bool:
        """Whether the victim has not thrown us out (yet)."""
        return any(not link.is_closed for link in self.bare.host.get_network().get_connections(self.victim))

    async def stream(self) -> YamuxStream:
        """A stream on which no protocol was agreed on."""
        return await self.muxer.open_stream()

    async def speak(self, protocol: str) -> INetStream:
        """A stream on which the victim has accepted `protocol`."""
        return await self.bare.host.new_stream(self.victim, [TProtocol(protocol)])

    async def send_rpc(self, *rpcs: bytes) -> None:
        """Send gossip RPCs, which need not be any, on one stream."""
        stream = await self.speak(MESHSUB)
        for rpc in rpcs:
            await stream.write(prefixed(rpc))

    async def frame(self, kind: int, flags: int, stream_id: int, length: int, content: bytes = b"") -> None:
        """Write one Yamux frame as it is."""
        await self.muxer._write_frame(struct.pack(YAMUX_HEADER_FORMAT, 0, kind, flags, stream_id, length) + content)

    async def flood_streams(self, count: int) -> None:
        """Open `count` streams and say nothing on them."""
        first = self.muxer.next_stream_id
        for number in range(count):
            await self.frame(TYPE_WINDOW_UPDATE, FLAG_SYN, first + 2 * number, 0)

    async def push(self, stream: INetStream, content: bytes) -> None:
        """Send `content` on a stream past any window, whether or not somebody reads at the other end."""
        for start in range(0, len(content), YAMUX_CHUNK):
            chunk = content[start : start + YAMUX_CHUNK]
            await self.frame(TYPE_DATA, 0, stream.muxed_stream.stream_id, len(chunk), chunk)

    def take(self, protocol: str) -> trio.MemoryReceiveChannel[INetStream]:
        """Accept `protocol` from the victim; the streams that it opens come out of the channel, unread."""
        taken, streams = trio.open_memory_channel[INetStream](1)

        async def keep(stream: INetStream) -> None:
            await taken.send(stream)
            await trio.sleep_forever()

        self.bare.host.set_stream_handler(TProtocol(protocol), keep)
        return streams

    def go_deaf(self) -> None:
        """Never again read from the connection, so that TCP holds the victim's writes back."""
        self.muxer.secured_conn.read = _never

    async def wait_thrown_out(self) -> None:
        """Until the victim has closed every connection to us."""
        while self.connected:
            await self.muxer.event_shutting_down.wait()


async def _never(*_: object) -> bytes:
    await trio.sleep_forever()
    raise AssertionError


@asynccontextmanager
async def connected_attacker(
    address: str, topic: str = "topic", *, seed: int = 66, keys: KeyPair | None = None
) -> AsyncIterator[Attacker]:
    """A stranger connected to the victim at `address` (with /p2p/…)."""
    async with bare_host(keys or ed25519_keys(seed)) as bare:
        yield Attacker(bare, await bare.connect(address), topic)


# Messages

Strike = Callable[[Attacker], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A message (or a few) that no honest peer sends; `deadly` when it kills a host as the library comes."""

    strike: Strike
    deadly: bool = False


async def _name_a_protocol(name: bytes, attacker: Attacker) -> None:
    stream = await attacker.stream()
    await stream.write(prefixed(MULTISTREAM) + prefixed(name + b"\n"))


async def _rpc(rpc: bytes, attacker: Attacker) -> None:
    await attacker.send_rpc(rpc)


async def _about_topic(number: int, rest: bytes, attacker: Attacker) -> None:
    await attacker.send_rpc(control(number, field(1, attacker.topic.encode()) + rest))


async def _message(attacker: Attacker, **fields: bytes) -> None:
    message = {
        "from_id": attacker.bare.peer.to_bytes(),
        "data": b"x",
        "seqno": b"12345678",
        "signature": b"x",
    } | fields
    await attacker.send_rpc(
        rpc_pb2.RPC(publish=[rpc_pb2.Message(topicIDs=[attacker.topic], **message)]).SerializeToString()
    )


def _hashed_peer(key: bytes) -> bytes:
    """A peer id that does not contain its key, so that the key in the message is looked at."""
    return b"\x12\x20" + hashlib.sha256(key).digest()


async def _message_with_key(key: bytes, attacker: Attacker) -> None:
    await _message(attacker, from_id=_hashed_peer(key), key=key)


async def _message_signed_with_rsa(attacker: Attacker) -> None:
    keys = create_rsa_keys(2048)
    message = rpc_pb2.Message(
        from_id=ID.from_pubkey(keys.public_key).to_bytes(), data=b"x", seqno=b"12345678", topicIDs=[attacker.topic]
    )
    message.signature = keys.private_key.sign(PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString())
    message.key = keys.public_key.serialize()
    await attacker.send_rpc(rpc_pb2.RPC(publish=[message]).SerializeToString())


def control(number: int, content: bytes) -> bytes:
    """An RPC with one control message: 1 IHAVE, 2 IWANT, 3 GRAFT, 4 PRUNE, 5 IDONTWANT, 6 extensions."""
    return field(3, field(number, content))


_GARBAGE_RSA_KEY = crypto_pb2.PublicKey(key_type=crypto_pb2.KeyType.RSA, data=b"not DER").SerializeToString()
_GARBAGE_ED25519_KEY = crypto_pb2.PublicKey(key_type=crypto_pb2.KeyType.Ed25519, data=b"short").SerializeToString()
_BOGUS_RECORD = b"\x0a\x03abc"

MALFORMED: dict[str, Malformed] = {
    "protocol-name-not-utf8": Malformed(strike=partial(_name_a_protocol, NOT_UTF8), deadly=True),
    "protocol-name-empty": Malformed(strike=partial(_name_a_protocol, b"")),
    "protocol-name-64k": Malformed(strike=partial(_name_a_protocol, b"/" + b"a" * 65536)),
    "rpc-not-protobuf": Malformed(strike=partial(_rpc, b"\xff" * 20), deadly=True),
    "rpc-empty": Malformed(strike=partial(_rpc, b"")),
    "rpc-record-garbage": Malformed(strike=partial(_rpc, field(4, _BOGUS_RECORD))),
    "subscription-topic-not-utf8": Malformed(strike=partial(_rpc, field(1, b"\x08\x01" + field(2, NOT_UTF8)))),
    "publish-topic-not-utf8": Malformed(strike=partial(_rpc, field(2, field(4, NOT_UTF8)))),
    "ihave-topic-not-utf8": Malformed(strike=partial(_rpc, control(1, field(1, NOT_UTF8)))),
    "ihave-id-garbage": Malformed(strike=partial(_about_topic, 1, field(2, NOT_UTF8))),
    "iwant-id-garbage": Malformed(strike=partial(_rpc, control(2, field(1, NOT_UTF8)))),
    "graft-topic-not-utf8": Malformed(strike=partial(_rpc, control(3, field(1, NOT_UTF8))), deadly=True),
    "graft-unknown-topic": Malformed(strike=partial(_rpc, control(3, field(1, b"nobody subscribes to this")))),
    "prune-topic-not-utf8": Malformed(strike=partial(_rpc, control(4, field(1, NOT_UTF8)))),
    "prune-backoff-huge": Malformed(strike=partial(_about_topic, 4, b"\x18" + b"\xff" * 9 + b"\x01")),
    "idontwant-id-garbage": Malformed(strike=partial(_rpc, control(5, field(1, NOT_UTF8)))),
    "publish-key-undecodable": Malformed(strike=partial(_message_with_key, b"\xff\xff"), deadly=True),
    "publish-key-rsa-garbage": Malformed(strike=partial(_message_with_key, _GARBAGE_RSA_KEY), deadly=True),
    "publish-key-ed25519-garbage": Malformed(strike=partial(_message_with_key, _GARBAGE_ED25519_KEY), deadly=True),
    "publish-author-garbage": Malformed(strike=partial(_message, from_id=NOT_UTF8, key=b"\xff"), deadly=True),
    "publish-author-empty": Malformed(strike=partial(_message, from_id=b"")),
    "publish-unsigned": Malformed(strike=partial(_message, signature=b"")),
    "publish-seqno-empty": Malformed(strike=partial(_message, seqno=b"")),
    "publish-signed-with-rsa": Malformed(strike=_message_signed_with_rsa),
}


def prune_with_exchange(topic: str, decoy: BareHost, addresses: Iterable[str]) -> bytes:
    """A PRUNE that recommends `decoy` at `addresses`, with the record that `decoy` signed of itself."""
    record = PeerRecord(decoy.peer, [Multiaddr(address) for address in addresses])
    envelope = seal_record(record, decoy.host.get_private_key())
    peer = rpc_pb2.PeerInfo(peerID=decoy.peer.to_bytes(), signedPeerRecord=envelope.marshal_envelope())
    prune = rpc_pb2.ControlPrune(topicID=topic, peers=[peer])
    return rpc_pb2.RPC(control=rpc_pb2.ControlMessage(prune=[prune])).SerializeToString()


def signed_by(number: int, topic: str, data: bytes = b"x") -> bytes:
    """An RPC with one message whose author is a key made for the purpose, properly signed."""
    keys = libp2p.create_identity_from_seed(number.to_bytes(32, "big"))
    author = ID.from_pubkey(keys.public_key).to_bytes()
    message = rpc_pb2.Message(from_id=author, data=data, seqno=b"12345678", topicIDs=[topic])
    message.signature = keys.private_key.sign(PUBSUB_SIGNING_PREFIX.encode() + message.SerializeToString())
    return rpc_pb2.RPC(publish=[message]).SerializeToString()


def subscriptions(topics: Iterable[str]) -> bytes:
    """An RPC that subscribes to all of `topics`."""
    return b"".join(field(1, b"\x08\x01" + field(2, topic.encode())) for topic in topics)


# Below libp2p


async def tcp_to(address: str) -> trio.SocketStream:
    """A bare TCP connection to a multiaddr."""
    parts = Multiaddr(address)
    host = next(parts.value_for_protocol(name) for name in ("ip4", "ip6") if f"/{name}/" in address)
    return await trio.open_tcp_stream(str(host), int(str(parts.value_for_protocol("tcp"))))


@asynccontextmanager
async def tarpit() -> AsyncIterator[str]:
    """The address of something that agrees to speak Noise and then says nothing more."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, _agree_and_swallow, listeners)
        yield f"/ip4/127.0.0.1/tcp/{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _agree_and_swallow(stream: trio.SocketStream) -> None:
    async with stream:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(prefixed(MULTISTREAM) + prefixed(b"/noise\n"))
            async for _ in stream:
                pass
