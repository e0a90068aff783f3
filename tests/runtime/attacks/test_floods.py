"""Peers that open, push or keep more than they should: what they cost is bounded, and only they pay."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress

import pytest
import trio
from libp2p.host.exceptions import StreamFailure
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, TYPE_WINDOW_UPDATE

from mesh.protocol.events import GossipReceived, PeerDown
from mesh.runtime import reader
from mesh.runtime.hardening import tcp
from tests.support.bare_libp2p import MESHSUB, within
from tests.support.hostile import IDENTIFY, connected_attacker, control, field, signed_by, subscriptions
from tests.support.station import EVERYBODY, HONEST_SEEDS, TOPIC, Station, open_station, serving
from wire.frame import encode_frame
from wire.ids import PeerId
from wire.types import MIB, Channel

PATIENCE_S = 120
INCOMPRESSIBLE = random.Random(1).randbytes(MIB)
PING = "/ipfs/ping/1.0.0"


def buffered(station: Station) -> int:
    """Bytes that the station holds for streams and that nobody has read, over all links."""
    return sum(len(buffer) for link in station.links() for buffer in link.muxed_conn.stream_buffers.values())


async def test_streams_opened_without_end_cost_the_opener_its_link() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                with suppress(Exception):  # being thrown out while it goes on is what it deserves
                    await attacker.flood_streams(1000)
                await attacker.wait_thrown_out()


@pytest.mark.parametrize("protocol", [IDENTIFY, PING, MESHSUB, Channel.MESH])
async def test_what_nobody_reads_is_not_kept(protocol: str) -> None:
    most = 0
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                with suppress(Exception):
                    stream = await attacker.speak(protocol)
                    for _ in range(64):
                        await attacker.push(stream, bytes(MIB))
                        most = max(most, buffered(victim))
                    await attacker.speak(IDENTIFY)  # answered after all that was pushed
                    most = max(most, buffered(victim))
    assert most < 32 * MIB


async def test_a_node_that_does_not_keep_up_makes_its_members_wait() -> None:
    sent = 0
    with within(PATIENCE_S):
        async with open_station(1, deaf=True) as victim, connected_attacker(victim.address) as attacker:
            victim.network.set_trusted(PeerId(str(attacker.bare.peer)), True)
            lane = await attacker.speak(Channel.MESH)
            with suppress(Exception):  # the writer gives up once no window has been granted for a while
                while sent < 256:
                    await lane.write(encode_frame([bytes(MIB)], compress=False))
                    sent += 1
    assert 0 < sent < 32


@pytest.mark.parametrize("window", [0, 256 * MIB], ids=["no-window", "no-tcp"])
async def test_a_peer_that_reads_nothing_is_dropped_and_others_are_served_meanwhile(
    monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """It stops at a stream's window, or grants a huge one and lets TCP fill up."""
    monkeypatch.setattr(tcp, "USER_TIMEOUT_MS", 2_000)
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker:
            peer = str(attacker.bare.peer)
            streams = attacker.take(Channel.MESH)
            await (await attacker.speak(Channel.MESH)).write(encode_frame([b"hello"]))
            stream = await streams.receive()  # on which the answer comes
            await attacker.frame(TYPE_WINDOW_UPDATE, 0, stream.muxed_stream.stream_id, window)
            attacker.go_deaf()
            async with serving(victim.address):
                for _ in range(16):
                    victim.network.send(peer, Channel.MESH, INCOMPRESSIBLE)
            await victim.until(PeerDown, peer=peer)


async def test_pings_from_a_peer_that_reads_nothing_end_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "USER_TIMEOUT_MS", 1_000 * 2 * PATIENCE_S)  # so it is not TCP that ends it
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker:
            peer = str(attacker.bare.peer)
            streams = attacker.take(Channel.MESH)
            await (await attacker.speak(Channel.MESH)).write(encode_frame([b"hello"]))
            stream = await streams.receive()
            await attacker.frame(TYPE_WINDOW_UPDATE, 0, stream.muxed_stream.stream_id, 256 * MIB)
            attacker.go_deaf()
            for _ in range(16):
                victim.network.send(peer, Channel.MESH, INCOMPRESSIBLE)
            with suppress(Exception):
                while attacker.connected:
                    await attacker.frame(TYPE_PING, FLAG_SYN, 0, 7)
            await victim.until(PeerDown, peer=peer)


async def test_silent_joiners_do_not_keep_others_from_joining() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, AsyncExitStack() as strangers:
            for seed in range(66, 75):
                attacker = await strangers.enter_async_context(connected_attacker(victim.address, seed=seed))
                for _ in range(4):
                    with suppress(StreamFailure):  # refused once there are too many
                        await attacker.speak(Channel.JOIN)
            async with open_station(80) as newcomer:
                answered = False
                while not answered:  # refused while the silent ones have the time that they are given
                    newcomer.events.clear()
                    peer = await newcomer.link(victim.address)
                    with trio.move_on_after(1):
                        await newcomer.converse(peer, Channel.JOIN)
                        answered = True


async def test_a_joiner_may_be_silent_between_two_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "JOIN_S", 0.2)
    with within(PATIENCE_S):
        async with open_station(1) as victim, open_station(80) as joiner:
            peer = await joiner.link(victim.address)
            await joiner.converse(peer, Channel.JOIN)
            [link] = victim.network._links.values()
            while link.inbound[Channel.JOIN]:
                await trio.lowlevel.checkpoint()
            await joiner.converse(peer, Channel.JOIN)
            assert not [event for event in joiner.events if isinstance(event, PeerDown)]


async def test_gossip_in_the_name_of_thousands_does_not_pile_up() -> None:
    with within(PATIENCE_S):
        async with open_station(1, deaf=True) as victim, connected_attacker(victim.address, TOPIC) as attacker:
            await attacker.speak(IDENTIFY)  # the victim knows the link now
            for peer in EVERYBODY:
                victim.network.set_trusted(peer, True)
            rpcs = (
                b"".join(signed_by(number, TOPIC) for number in range(first, first + 100))
                for first in range(0, 3000, 100)
            )
            await attacker.send_rpc(*rpcs)
            while victim.network.stats["gossip_received"] + victim.network.stats["dropped_gossip"] < 3000:
                await trio.lowlevel.checkpoint()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(victim.pump)
                async with open_station(HONEST_SEEDS[0]) as honest:
                    await honest.converse(await honest.link(victim.address))
                nursery.cancel_scope.cancel()
            kept = sum(isinstance(event, GossipReceived) for event in victim.events)
            assert 0 < kept < 2000


# Gossip's own books


def weight(thing: object) -> int:
    """Entries and bytes in the collections that hang on an object, two levels deep."""
    collections = [value for value in vars(thing).values() if isinstance(value, dict | set | list)]
    inner = [entry for outer in collections if isinstance(outer, dict) for entry in outer.values()]
    nested = [entry for entry in inner if isinstance(entry, dict | set | list)]
    keys = [key for outer in (*collections, *nested) for key in outer]
    return sum(len(key) if isinstance(key, str | bytes) else 1 for key in keys)


def topics() -> Iterator[bytes]:
    return (b"%d" % number * 100 for number in itertools.count())


BOOKS: dict[str, Callable[[list[bytes]], bytes]] = {
    "subscriptions": lambda names: subscriptions(name.decode() for name in names),
    "ihave": lambda names: b"".join(control(1, field(1, b"topic") + field(2, name)) for name in names),
    "ihave-topics": lambda names: b"".join(control(1, field(1, name) + field(2, name)) for name in names),
    "iwant": lambda names: b"".join(control(2, field(1, name)) for name in names),
    "graft": lambda names: b"".join(control(3, field(1, name)) for name in names),
    "prune": lambda names: b"".join(control(4, field(1, name)) for name in names),
    "idontwant": lambda names: b"".join(control(5, field(1, name)) for name in names),
    "publish": lambda names: b"".join(field(2, field(4, name) + field(2, name)) for name in names),
}


@pytest.mark.parametrize("kind", BOOKS)
async def test_gossip_does_not_keep_books_on_what_a_stranger_makes_up(kind: str) -> None:
    names = topics()
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                before = weight(victim.gossip) + weight(victim.gossip.router)
                with suppress(Exception):
                    for _ in range(100):
                        await attacker.send_rpc(BOOKS[kind](list(itertools.islice(names, 100))))
                    await attacker.speak(IDENTIFY)
                grown = weight(victim.gossip) + weight(victim.gossip.router) - before
    assert grown < 1_000_000
