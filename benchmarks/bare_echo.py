"""What the network alone costs: round trips between two py-libp2p hosts as the library makes them, in two processes.

`python -m benchmarks.bare_echo` is the far side: it prints its address and sends back whatever comes, on a stream and
on a gossip topic, until its standard input ends.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from libp2p.abc import INetStream, ISubscriptionAPI
from libp2p.custom_types import TProtocol

from tests.support.bare_libp2p import BareHost, bare_host, ed25519_keys

ECHO = TProtocol("/echo/1")
TOPIC = "echo"
BACK = b"back: "
SIZE = 400  # bytes, about those of a batch with one small op
PAUSE_S = 0.15  # the library's gossip refuses more than ten messages a second
NEAR, FAR = 1, 2  # seeds


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Seconds there and back."""

    stream: list[float]
    gossip: list[float]


def measure(count: int, cores: set[int] | None = None) -> RoundTrips:
    """`count` round trips of each kind; the far side is pinned to `cores`."""
    command = [sys.executable, "-m", "benchmarks.bare_echo"]
    if cores is not None:
        command = ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as far:
        assert far.stdout is not None
        try:
            return trio.run(_near, far.stdout.readline().strip(), count)
        finally:
            far.kill()


def stream_trips(count: int) -> list[float]:
    """`count` round trips on a stream that stays open, one after the other; seconds."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as far:
        assert far.stdout is not None
        try:
            return trio.run(_stream_alone, far.stdout.readline().strip(), count)
        finally:
            far.kill()


async def _stream_alone(address: str, count: int) -> list[float]:
    async with bare_host(ed25519_keys(NEAR)) as host:
        stream = await host.host.new_stream(await host.connect(address), [ECHO])

        async def there_and_back(message: bytes) -> None:
            await stream.write(message)
            await exactly(stream, SIZE)

        return await _timed(there_and_back, count, pause_s=0.0)


async def _near(address: str, count: int) -> RoundTrips:
    async with bare_host(ed25519_keys(NEAR)) as host:
        peer = await host.connect(address)
        stream = await host.host.new_stream(peer, [ECHO])
        subscription = await host.pubsub.subscribe(TOPIC)
        await host.pubsub.wait_for_mesh(peer, TOPIC)

        async def by_stream(message: bytes) -> None:
            await stream.write(message)
            await exactly(stream, SIZE)

        async def by_gossip(message: bytes) -> None:
            await host.pubsub.publish(TOPIC, message)
            while (await subscription.get()).data != BACK + message:
                pass

        return RoundTrips(await _timed(by_stream, count), await _timed(by_gossip, count))


async def _timed(trip: Callable[[bytes], Awaitable[None]], count: int, pause_s: float = PAUSE_S) -> list[float]:
    took = []
    for number in range(count):
        message = b"%0*d" % (SIZE, number)
        start = time.perf_counter()
        await trip(message)
        took.append(time.perf_counter() - start)
        await trio.sleep(pause_s)
    return took


async def exactly(stream: INetStream, size: int) -> bytes:
    """The next so many bytes of a stream."""
    data = b""
    while len(data) < size:
        data += await stream.read(size - len(data))
    return data


async def _far() -> None:
    async with bare_host(ed25519_keys(FAR)) as host, trio.open_nursery() as nursery:
        host.host.set_stream_handler(ECHO, _echo_stream)
        nursery.start_soon(_echo_gossip, host, await host.pubsub.subscribe(TOPIC))
        sys.stdout.write(host.address + "\n")
        sys.stdout.flush()
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


async def _echo_stream(stream: INetStream) -> None:
    while True:
        await stream.write(await exactly(stream, SIZE))


async def _echo_gossip(host: BareHost, subscription: ISubscriptionAPI) -> None:
    while True:
        message = await subscription.get()
        if not message.data.startswith(BACK):
            await host.pubsub.publish(TOPIC, BACK + message.data)


if __name__ == "__main__":
    trio.run(_far)
