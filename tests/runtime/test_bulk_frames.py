"""Frames of Yamux: a large message fills a Noise message with each; many small ones need few besides their own."""

from __future__ import annotations

import random
import struct

import pytest
from libp2p.security.noise.io import NoiseTransportReadWriter
from libp2p.stream_muxer.yamux.yamux import (
    HEADER_SIZE,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
)

from mesh.protocol.events import MessageReceived
from tests.support.bare_libp2p import within
from tests.support.station import HONEST_SEEDS, open_station
from wire.frame import pack_message
from wire.types import MIB, Channel, MessageType

PATIENCE_S = 60
SMALL = 40  # messages
YAMUX_VERSION = b"\0"
INCOMPRESSIBLE = random.Random(1).randbytes(MIB)


def overheard(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All frames that anybody here writes from now on."""
    written: list[bytes] = []
    encrypt = NoiseTransportReadWriter.encrypt

    def listening(self: NoiseTransportReadWriter, data: bytes) -> bytes:
        if data.startswith(YAMUX_VERSION):  # else it is from before Yamux was agreed on
            written.append(data)
        return encrypt(self, data)

    monkeypatch.setattr(NoiseTransportReadWriter, "encrypt", listening)
    return written


async def test_a_frame_is_one_noise_message(monkeypatch: pytest.MonkeyPatch) -> None:
    written = overheard(monkeypatch)
    with within(PATIENCE_S):
        async with open_station(HONEST_SEEDS[0]) as one, open_station(HONEST_SEEDS[1]) as other:
            await one.link(other.address)
            message = pack_message(MessageType.HELLO, INCOMPRESSIBLE)
            one.network.send(other.peer, Channel.SYNC, message)
            await other.until(MessageReceived, message=message)
    headers = [struct.unpack(YAMUX_HEADER_FORMAT, data[:HEADER_SIZE]) for data in written]
    sizes = [length if kind == TYPE_DATA else 0 for _, kind, _, _, length in headers]
    assert [len(data) - HEADER_SIZE for data in written] == sizes
    assert max(sizes) > 32 * 1024


async def test_who_reads_small_messages_gives_room_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    with within(PATIENCE_S):
        async with open_station(HONEST_SEEDS[0]) as one, open_station(HONEST_SEEDS[1]) as other:
            await one.link(other.address)
            await one.converse(other.peer)
            written = overheard(monkeypatch)
            for number in range(SMALL):
                message = pack_message(MessageType.HELLO, b"%d" % number)
                one.network.send(other.peer, Channel.MESH, message)
                await other.until(MessageReceived, message=message)
    kinds = [struct.unpack(YAMUX_HEADER_FORMAT, data[:HEADER_SIZE])[1] for data in written]
    assert kinds.count(TYPE_DATA) >= SMALL
    assert kinds.count(TYPE_WINDOW_UPDATE) < SMALL // 4


async def test_more_than_a_window_passes() -> None:
    with within(PATIENCE_S):
        async with open_station(HONEST_SEEDS[0]) as one, open_station(HONEST_SEEDS[1]) as other:
            await one.link(other.address)
            for number in range(8):
                message = pack_message(MessageType.HELLO, b"%d" % number + INCOMPRESSIBLE)
                one.network.send(other.peer, Channel.SYNC, message)
                await other.until(MessageReceived, message=message)
