"""Gossip streams and the trust that they wait for."""

from __future__ import annotations

import trio
import trio.testing

from mesh.runtime.trust import MAX_VISITS, Trust
from wire.ids import PeerId

PEER, OTHER = PeerId("peer"), PeerId("other")


class Streams:
    """Visits under way: which were read, and how each that is over ended."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.forgotten: list[PeerId] = []
        self.trust = Trust(self.forgotten.append)
        self.read: list[int] = []
        self.ended: dict[int, bool] = {}
        self._nursery = nursery

    async def open(self, number: int, peer: PeerId = PEER) -> None:
        async def read() -> None:
            self.read.append(number)
            await trio.sleep_forever()

        async def visit() -> None:
            self.ended[number] = await self.trust.visit(peer, read)

        self._nursery.start_soon(visit)
        await trio.testing.wait_all_tasks_blocked()


async def test_a_stream_is_read_once_its_peer_is_trusted() -> None:
    async with trio.open_nursery() as nursery:
        streams = Streams(nursery)
        await streams.open(1)
        await streams.open(2, OTHER)
        assert streams.read == []
        streams.trust.give(PEER)
        await trio.testing.wait_all_tasks_blocked()
        assert streams.read == [1]
        await streams.open(3)
        assert streams.read == [1, 3]
        nursery.cancel_scope.cancel()


async def test_streams_end_with_trust_and_with_the_link() -> None:
    async with trio.open_nursery() as nursery:
        streams = Streams(nursery)
        streams.trust.give(PEER)
        await streams.open(1)
        await streams.open(2, OTHER)
        streams.trust.withdraw(PEER)
        streams.trust.withdraw(OTHER)
        await trio.testing.wait_all_tasks_blocked()
        assert streams.ended == {1: False, 2: False}
        assert streams.forgotten == [PEER]
        await streams.open(3)
        assert streams.read == [1], "it waits for trust anew"
        nursery.cancel_scope.cancel()


async def test_few_streams_wait_and_one_that_ends_makes_room() -> None:
    async with trio.open_nursery() as nursery:
        streams = Streams(nursery)
        for number in range(MAX_VISITS + 1):
            await streams.open(number)
        assert streams.ended == {MAX_VISITS: False}
        await streams.open(7, OTHER)
        assert 7 not in streams.ended, "another peer has room of its own"
        streams.trust.withdraw(PEER)
        await trio.testing.wait_all_tasks_blocked()
        await streams.open(8)
        assert 8 not in streams.ended
        nursery.cancel_scope.cancel()


async def test_a_stream_that_ends_by_itself_ended_well() -> None:
    trust = Trust(lambda peer: None)
    trust.give(PEER)
    assert await trust.visit(PEER, trio.lowlevel.checkpoint)
