"""Every message of the table, at a network with the whole of libp2p and at a lean one: nobody else notices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.support.bare_libp2p import within
from tests.support.hostile import MALFORMED, connected_attacker
from tests.support.station import EVERYBODY, TOPIC, open_station, serving

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60
LEAN_STATION = """
from mesh.runtime.stubs import import_libp2p_lean
assert import_libp2p_lean()
import sys
import trio
from tests.support.station import EVERYBODY, open_station

async def main():
    async with open_station(1, trusts=EVERYBODY) as station:
        print(station.address, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(main)
"""


@asynccontextmanager
async def lean_station() -> AsyncIterator[str]:
    """The address of a station in a process of its own, which has to end well."""
    command = [sys.executable, "-c", LEAN_STATION]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdin
    assert process.stdout
    try:
        address = (await process.stdout.receive_some()).decode().strip()
        assert address, "the station did not start"
        yield address
        await process.stdin.aclose()
        assert await process.wait() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("name", MALFORMED)
async def test_one_message_changes_nothing_for_others(name: str) -> None:
    with within(PATIENCE_S):
        async with open_station(1, trusts=EVERYBODY) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                await MALFORMED[name].strike(attacker)


async def test_nor_do_all_of_them_where_half_of_libp2p_is_hollow() -> None:
    with within(PATIENCE_S):
        async with lean_station() as address, serving(address):
            for seed, malformed in enumerate(MALFORMED.values(), start=1):
                async with connected_attacker(address, TOPIC, seed=seed) as attacker:
                    await malformed.strike(attacker)
