"""Both directions of a connection full at once: neither side may wait for the other's reading with its own."""

from __future__ import annotations

import random
import struct

import trio
from libp2p.stream_muxer.yamux.yamux import FLAG_SYN, TYPE_PING, YAMUX_HEADER_FORMAT

from mesh.protocol.events import MessageReceived
from tests.support.bare_libp2p import within
from tests.support.station import ECHO, HONEST_SEEDS, Station, open_station
from wire.frame import pack_message
from wire.ids import PeerId
from wire.types import MIB, Channel, MessageType

PATIENCE_S = 120
LANES = (Channel.MESH, Channel.SYNC)
ROUNDS, AT_ONCE = 4, 6  # what is under way, with echoes, fits the bounds of a lane
INCOMPRESSIBLE = random.Random(1).randbytes(MIB)


async def talk(station: Station, peer: PeerId, lane: Channel) -> None:
    """Keep several large messages and their echoes under way on a lane, until all echoes are there."""
    for round_ in range(ROUNDS):
        texts = [b"%d.%d of %s" % (round_, number, station.peer.encode()) for number in range(AT_ONCE)]
        messages = [pack_message(MessageType.HELLO, text + INCOMPRESSIBLE) for text in texts]
        for message in messages:
            station.network.send(peer, lane, message)
        for message in messages:
            echo = pack_message(MessageType.HELLO, ECHO + message)
            await station.until(MessageReceived, channel=lane, message=echo)


async def ping(station: Station, peer: PeerId, until: trio.Event) -> None:
    """Ask for a pong again and again: its answer is written by the task that reads. A write may not be cancelled."""
    [link] = station.links(peer)
    while not until.is_set():
        await link.muxed_conn._write_frame(struct.pack(YAMUX_HEADER_FORMAT, 0, TYPE_PING, FLAG_SYN, 0, 7))


async def test_both_directions_full_and_pings_in_between() -> None:
    talked = trio.Event()
    with within(PATIENCE_S):
        async with open_station(HONEST_SEEDS[0]) as one, open_station(HONEST_SEEDS[1]) as other:
            await one.link(other.address)
            async with trio.open_nursery() as pings:
                pings.start_soon(ping, one, other.peer, talked)
                pings.start_soon(ping, other, one.peer, talked)
                async with trio.open_nursery() as talks:
                    for lane in LANES:
                        talks.start_soon(talk, one, other.peer, lane)
                        talks.start_soon(talk, other, one.peer, lane)
                talked.set()
            await one.converse(other.peer)
            await other.converse(one.peer)
