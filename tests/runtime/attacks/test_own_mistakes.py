"""Faults of our own side, or of the library's books, stay where they happen: they are not for a peer to trigger."""

from __future__ import annotations

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.host.exceptions import StreamFailure
from libp2p.network.stream.exceptions import StreamEOF, StreamReset
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from tests.support.bare_libp2p import within
from tests.support.hostile import IDENTIFY, connected_attacker
from tests.support.station import open_station, serving

PATIENCE_S = 60
FAULTY = TProtocol("/faulty/1")


@pytest.mark.parametrize("fault", [ZeroDivisionError, trio.TooSlowError, StreamReset, StreamEOF, AssertionError])
async def test_a_handler_that_raises_ends_its_stream_only(fault: type[Exception]) -> None:
    async def handle(stream: INetStream) -> None:
        raise fault

    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            victim.host.set_stream_handler(FAULTY, handle)
            async with connected_attacker(victim.address) as attacker:
                for _ in range(3):
                    with pytest.raises((StreamReset, StreamEOF, StreamFailure)):  # it may be gone before we know it
                        await (await attacker.speak(FAULTY)).read(1)
                await attacker.speak(IDENTIFY)
                assert attacker.connected


async def test_thousands_of_known_peers_do_not_push_out_our_own_key() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            books = victim.host.get_peerstore()
            for number in range(2000):
                stranger = ID(b"\x12\x20" + number.to_bytes(32, "big"))
                books.add_addrs(stranger, [Multiaddr("/ip4/192.0.2.1/tcp/1")], ttl=600)
            async with connected_attacker(victim.address) as attacker:
                await attacker.speak(IDENTIFY)
