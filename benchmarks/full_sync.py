"""Anti-entropy: a full sync of 10 MB to an empty node over real libp2p, and what few differences cost.

The baseline streams the same bytes raw over the same kind of lane in the same run.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

import trio

from benchmarks.report import Figure, milliseconds
from crdt.ops import Author, Op, OpKind
from crdt.owner_log import Limits
from crdt.replica import Replica
from crdt.sync.session import SyncSession
from crdt.sync.staging import Staging
from mesh.protocol.events import MessageReceived, PeerUp
from mesh.runtime.network import Libp2pNetwork, NetworkConfig, open_network
from wire.frame import pack_message, unpack_message
from wire.ids import FederationId, PublicKey, SwarmId
from wire.keys import SigningKey
from wire.types import Channel, MessageType

FEDERATION = FederationId(b"b" * 32)
WALL_MS = 1 << 50
HARD_LIMIT_S = 1.0
CHUNK = 256 * 1024
ROUNDS = 7  # of which the median counts


class _Ring:
    def __init__(self, owners: int) -> None:
        self.keys = {
            Author(SwarmId(n.to_bytes(16, "big")), 1): SigningKey(n.to_bytes(32, "big")) for n in range(owners)
        }

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        key = self.keys.get(Author(swarm, term))
        return key.public if key else None

    def close_of(self, swarm: SwarmId, term: int) -> None:
        return None


def _filled(ring: _Ring, entries: int, size: int, limits: Limits | None = None) -> Replica:
    replica = Replica(FEDERATION, ring, limits)
    each = entries // len(ring.keys)
    for author, key in ring.keys.items():
        for first in range(0, each, 100):
            ops = [
                Op(collection="memory", key=f"k{number}", kind=OpKind.PUT, value=os.urandom(size), observed=())
                for number in range(first, min(first + 100, each))
            ]
            replica.compose(author, ops, first + 1, key)
    return replica


async def _linked(networks: tuple[Libp2pNetwork, Libp2pNetwork]) -> None:
    one, other = networks
    one.dial(other.peer_id, other.addresses)
    for network in networks:
        while not isinstance(await network.receive(), PeerUp):
            pass
    one.set_trusted(other.peer_id, True)
    other.set_trusted(one.peer_id, True)


async def _raw(networks: tuple[Libp2pNetwork, Libp2pNetwork], size: int) -> float:
    sender, receiver = networks
    # Each message is another one: repeated ones would be compressed away where they share a frame.
    messages = [pack_message(MessageType.SYNC_BATCHES, os.urandom(CHUNK)) for _ in range(size // CHUNK)]
    start = time.perf_counter()
    for message in messages:
        sender.send(receiver.peer_id, Channel.SYNC, message)
    for _ in messages:
        await receiver.receive()
    return time.perf_counter() - start


async def _sync(networks: tuple[Libp2pNetwork, Libp2pNetwork], full: Replica, empty: Replica) -> float:
    """Seconds until `empty` holds what `full` holds."""
    sessions = [
        SyncSession(replica, Staging(), epoch=0, height=0, nonce=nonce)
        for nonce, replica in enumerate((full, empty), start=1)
    ]
    start = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for side in (0, 1):
            nursery.start_soon(_drive, networks[side], networks[1 - side].peer_id, sessions[side])
    took = time.perf_counter() - start
    assert full.root() == empty.root(), "the sync did not bring both to one state"
    return took


async def _drive(network: Libp2pNetwork, peer: str, session: SyncSession) -> None:
    while True:
        while (message := session.generate_message()) is not None:
            network.send(network.peer_id.__class__(peer), Channel.SYNC, message)
        if session.finished:
            return
        event = await network.receive()
        if isinstance(event, MessageReceived):
            session.receive_message(*unpack_message(event.message), WALL_MS)


async def _measure(entries: int, size: int, aim: float, hard: bool) -> Figure:
    ring = _Ring(100)
    full = _filled(ring, entries, size)
    config = NetworkConfig(listen=("/ip4/127.0.0.1/tcp/0",))
    raw, full_sync = [], []
    async with (
        open_network(config, os.urandom(32), lambda *_: True) as one,
        open_network(config, os.urandom(32), lambda *_: True) as other,
    ):
        await _linked((one, other))
        for _ in range(ROUNDS):
            raw.append(await _raw((one, other), entries * size))
            full_sync.append(await _sync((one, other), full, Replica(FEDERATION, ring)))
    took, baseline = statistics.median(full_sync), statistics.median(raw)
    broken = f"OVER {HARD_LIMIT_S:g} s" if hard and took > HARD_LIMIT_S else ""
    name = f"full sync of {entries // 1000}k × {size} B, 100 owners"
    return Figure(name=name, value=milliseconds(took), ratio=took / baseline, aim=f"≤ {aim} ×", broken=broken)


def _few_differences() -> Figure:
    ring = _Ring(1)
    roomy = Limits(retained_bytes=0, bytes_per_owner=1 << 30)
    full = _filled(ring, 10_000, 200, roomy)
    behind = Replica(FEDERATION, ring, roomy)
    _exchange(full, behind)
    author, key = next(iter(ring.keys.items()))
    for number in range(10):
        op = Op(collection="memory", key=f"k{number * 997}", kind=OpKind.PUT, value=b"changed", observed=())
        full.compose(author, [op], 1_000_000 + number, key)
    size = _exchange(full, behind)
    broken = "OVER 32 KB" if size > 32 * 1024 else ""
    return Figure(
        name="10 differing entries of 10k, on the wire", value=f"{size} bytes", aim="< 32 KB", broken=broken
    )


def _exchange(one: Replica, other: Replica) -> int:
    """Sync two replicas without a network; the bytes that passed."""
    sessions = [
        SyncSession(replica, Staging(), epoch=0, height=0, nonce=nonce)
        for nonce, replica in enumerate((one, other), start=1)
    ]
    size = 0
    while not all(session.finished for session in sessions):
        for side in (0, 1):
            while (message := sessions[side].generate_message()) is not None:
                size += len(message)
                sessions[1 - side].receive_message(*unpack_message(message), WALL_MS)
    assert one.root() == other.root(), "the sync did not bring both to one state"
    return size


def run() -> Iterator[Figure]:
    """All figures of this module."""
    yield trio.run(_measure, 10_000, 1000, 2.5, True)
    yield trio.run(_measure, 50_000, 200, 5.0, False)
    yield _few_differences()
