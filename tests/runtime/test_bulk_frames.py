"""Large messages travel in few steps: a Yamux frame fills a Noise message, and windows are renewed now and then."""

from __future__ import annotations

import random
import struct

import pytest
from libp2p.security.noise.io import NoiseTransportReadWriter
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    HEADER_SIZE,
    TYPE_DATA,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
)

from mesh.protocol.events import MessageReceived
from mesh.runtime.hardening.yamux import RENEWALS
from tests.support.bare_libp2p import within
from tests.support.station import HONEST_SEEDS, open_station
from wire.frame import pack_message
from wire.types import MIB, Channel, MessageType

PATIENCE_S = 60
YAMUX_VERSION = b"\0"
INCOMPRESSIBLE = random.Random(1).randbytes(MIB)


Header = tuple[int, int, int, int, int]  # version, type, flags, stream, length


async def a_message_passes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Header, bytes]]:
    """The Yamux frames that two stations wrote to bring a message of 1 MiB across, with their headers."""
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
    return [(struct.unpack(YAMUX_HEADER_FORMAT, data[:HEADER_SIZE]), data) for data in written]


async def test_a_frame_is_one_noise_message(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = await a_message_passes(monkeypatch)
    sizes = [length if kind == TYPE_DATA else 0 for (_, kind, _, _, length), _ in frames]
    assert [len(data) - HEADER_SIZE for _, data in frames] == sizes
    assert max(sizes) > 32 * 1024


async def test_a_window_is_renewed_when_a_part_of_it_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = await a_message_passes(monkeypatch)
    renewals = [length for (_, kind, flags, _, length), _ in frames if kind == TYPE_WINDOW_UPDATE and not flags]
    assert min(renewals) >= DEFAULT_WINDOW_SIZE // RENEWALS
