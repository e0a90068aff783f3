"""What the attacks do to a bare py-libp2p host: without this, surviving them would prove nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from tests.support.bare_libp2p import BareHost, bare_host, ed25519_keys
from tests.support.hostile import IDENTIFY, MALFORMED, YAMUX_CHUNK, Attacker, connected_attacker

PATIENCE_S = 30
TOPIC = "topic"
DEADLY = [name for name, malformed in MALFORMED.items() if malformed.deadly]


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[BareHost, Attacker]]:
    async with bare_host(ed25519_keys(1)) as victim:
        await victim.pubsub.subscribe(TOPIC)
        async with connected_attacker(victim.address, TOPIC) as attacker:
            yield victim, attacker


@pytest.mark.parametrize("name", DEADLY)
async def test_one_message_ends_the_host(name: str) -> None:
    with pytest.raises(BaseExceptionGroup), trio.fail_after(PATIENCE_S):
        async with attacked() as (_, attacker):
            await MALFORMED[name].strike(attacker)
            await trio.sleep_forever()


async def test_a_stream_that_nobody_reads_takes_what_is_pushed_into_it() -> None:
    size = 200 * YAMUX_CHUNK
    with trio.fail_after(PATIENCE_S):
        async with attacked() as (victim, attacker):
            await attacker.push(await attacker.speak(IDENTIFY), bytes(size))
            muxer = victim.host.get_network().get_connections(attacker.bare.peer)[0].muxed_conn
            while max(map(len, muxer.stream_buffers.values()), default=0) < size:
                await trio.lowlevel.checkpoint()
            assert attacker.connected
