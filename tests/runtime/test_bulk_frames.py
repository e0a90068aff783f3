"""Large messages leave in Yamux frames that fill a Noise message each: one encryption and one write, not two."""

from __future__ import annotations

import random
import struct

import pytest
from libp2p.security.noise.io import NoiseTransportReadWriter
from libp2p.stream_muxer.yamux.yamux import HEADER_SIZE, TYPE_DATA, YAMUX_HEADER_FORMAT

from mesh.protocol.events import MessageReceived
from tests.support.bare_libp2p import within
from tests.support.station import HONEST_SEEDS, open_station
from wire.frame import pack_message
from wire.types import MIB, Channel, MessageType

PATIENCE_S = 60
YAMUX_VERSION = b"\0"
INCOMPRESSIBLE = random.Random(1).randbytes(MIB)


async def test_a_frame_is_one_noise_message(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    encrypt = NoiseTransportReadWriter.encrypt

    def listening(self: NoiseTransportReadWriter, data: bytes) -> bytes:
        if data.startswith(YAMUX_VERSION):  # else it is from before Yamux was agreed on
            written.append(data)
        return encrypt(self, data)

    monkeypatch.setattr(NoiseTransportReadWriter, "encrypt", listening)
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
