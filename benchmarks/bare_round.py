"""What a decision costs a machine when the library carries the messages and nobody looks at them.

As many processes as there are nodes, each a py-libp2p host linked to every other, exchange what a decision exchanges:
as many messages, one after the other where one waits for another, an fsync before each, and no other work. There is
no signature, no block and no line of zenmesh in it. So nothing that decides by the same messages on this machine and
library can be much quicker; what a decision takes beyond it is ours.

    to all      proposal, ballots to the leader, block, PREPARE and COMMIT from everyone to everyone
    collected   the same, but votes go to the leader, who hands a certificate of each phase on
    fewest      the same, but a single phase: what SBFT (Gueta et al. 2019) sends when nobody is down

`python -m benchmarks.bare_round N SELF PATTERN ROUNDS` is one of the processes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, StrEnum

import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID

from benchmarks.bare_echo import exactly
from benchmarks.floor import RECORD
from tests.support.bare_libp2p import bare_host, ed25519_keys

ROUND = TProtocol("/round/1")
SIZE = 400  # bytes, about those of a vote
ASKER, LEADER = 0, 1
SEED = 1  # of the first node's key


class Who(Enum):
    """Who sends in a step, or hears."""

    ASKER = "the asker"
    LEADER = "the leader"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Step:
    """A message of each sender to each hearer, who goes on when it has a quorum of them (of one sender: that one)."""

    by: Who
    to: Who


class Pattern(StrEnum):
    """Which messages."""

    TO_ALL = "to all"
    COLLECTED = "collected"
    FEWEST = "fewest"


_PROPOSED = (Step(Who.ASKER, Who.EACH), Step(Who.EACH, Who.LEADER), Step(Who.LEADER, Who.EACH))
_TO_ALL = (Step(Who.EACH, Who.EACH),)
_COLLECTED = (Step(Who.EACH, Who.LEADER), Step(Who.LEADER, Who.EACH))
PATTERNS = {
    Pattern.TO_ALL: _PROPOSED + 2 * _TO_ALL,
    Pattern.COLLECTED: _PROPOSED + 2 * _COLLECTED,
    Pattern.FEWEST: _PROPOSED + _COLLECTED,
}


def rounds(nodes: int, pattern: Pattern, count: int) -> list[float]:
    """Seconds of `count` rounds among `nodes` processes, one round after the other."""
    with ExitStack() as stack:
        command = [sys.executable, "-m", "benchmarks.bare_round", str(nodes)]
        far = []
        for number in range(nodes):
            process = subprocess.Popen(
                [*command, str(number), pattern, str(count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            far.append(process)
        addresses = json.dumps([_line(process) for process in far])
        for process in far:
            _tell(process, addresses)
        for process in far:
            assert _line(process) == "linked", "every process has a stream to every other"
        _tell(far[ASKER], "begin")
        took: list[float] = json.loads(_line(far[ASKER]))
        return took


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None, "its output is a pipe"
    return process.stdout.readline().strip()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None, "its input is a pipe"
    process.stdin.write(line + "\n")
    process.stdin.flush()


class _Node:
    """One process: it sends what its step says as soon as the step before is over."""

    def __init__(self, nodes: int, me: int, steps: tuple[Step, ...], file: int) -> None:
        self._nodes = nodes
        self._me = me
        self._steps = steps
        self._file = file
        self._heard: Counter[tuple[int, int]] = Counter()  # by (round, step)
        self.streams: dict[int, INetStream] = {}
        self.linked = trio.Event()
        self.over = trio.Event()

    async def take(self, stream: INetStream) -> None:
        """One of the others, numbered below, has made its stream to us."""
        await self.link(_peers(self._nodes).index(stream.muxed_conn.peer_id), stream)

    async def link(self, peer: int, stream: INetStream) -> None:
        """Hear `peer` on its stream, and speak on it, for as long as it stands."""
        self.streams[peer] = stream
        if len(self.streams) == self._nodes - 1:
            self.linked.set()
        while True:
            number, step = divmod(int(await exactly(stream, SIZE)), len(self._steps))
            await self._hear(number, step)

    async def begin(self, number: int) -> None:
        """As the asker: round `number`."""
        self.over = trio.Event()
        await self._send(number, 0)

    async def _hear(self, number: int, step: int) -> None:
        self._heard[number, step] += 1
        needed = 2 * self._nodes // 3 + 1 if self._steps[step].by is Who.EACH else 1
        if self._heard[number, step] != needed:
            return
        if step + 1 < len(self._steps):
            await self._send(number, step + 1)
            return
        self._persist()
        self.over.set()

    async def _send(self, number: int, step: int) -> None:
        if not self._among(self._steps[step].by, self._me):
            return
        self._persist()
        message = b"%0*d" % (SIZE, number * len(self._steps) + step)
        for peer, stream in self.streams.items():
            if self._among(self._steps[step].to, peer):
                await stream.write(message)
        if self._among(self._steps[step].to, self._me):
            await self._hear(number, step)

    def _persist(self) -> None:
        os.write(self._file, bytes(RECORD))
        os.fsync(self._file)

    @staticmethod
    def _among(who: Who, node: int) -> bool:
        return who is Who.EACH or node == {Who.ASKER: ASKER, Who.LEADER: LEADER}[who]


async def _run(nodes: int, me: int, pattern: Pattern, count: int) -> None:
    with tempfile.TemporaryFile(buffering=0) as file:
        node = _Node(nodes, me, PATTERNS[pattern], file.fileno())
        async with bare_host(ed25519_keys(me + SEED)) as host, trio.open_nursery() as nursery:
            host.host.set_stream_handler(ROUND, node.take)
            _say(host.address)
            for number, address in enumerate(json.loads(await _told())[me + 1 :], me + 1):
                stream = await host.host.new_stream(await host.connect(address), [ROUND])
                nursery.start_soon(node.link, number, stream)
            await node.linked.wait()
            _say("linked")
            await _told()
            if me == ASKER:
                _say(json.dumps([await _timed(node, number) for number in range(count)]))
                await _told()
            nursery.cancel_scope.cancel()


def _peers(nodes: int) -> list[ID]:
    return [ID.from_pubkey(ed25519_keys(number + SEED).public_key) for number in range(nodes)]


async def _timed(node: _Node, number: int) -> float:
    start = time.perf_counter()
    await node.begin(number)
    await node.over.wait()
    return time.perf_counter() - start


async def _told() -> str:
    return await trio.to_thread.run_sync(sys.stdin.readline)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    trio.run(_run, int(sys.argv[1]), int(sys.argv[2]), Pattern(sys.argv[3]), int(sys.argv[4]))
