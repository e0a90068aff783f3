"""A member that lies: the real node of a home, with a crooked tongue between it and its network.

    python -m bootstrap.live.liar --home HOME [--listen ADDRESS] [--trace FILE] [--mdns | --no-mdns]

It holds a member's keys, so that links, greetings and signatures are its own and true. What it then says is changed,
cut, repeated or replaced by garbage at a rate, on links and in gossip alike, as the hosts that lie in the simulated
world do it. It is started by `zenmesh chaos live byzantine` and by nobody else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.home import Home
from bootstrap.options import RunOptions
from chaos.rules import Rules
from wire.rng import Rng

if TYPE_CHECKING:
    from mesh.protocol.events import NetworkEvent
    from mesh.runtime.loop import Network
    from wire.ids import PeerId
    from wire.types import Channel

RATE = 0.3  # of all messages


@dataclass(frozen=True, slots=True)
class _Speaker:
    name: str


_MYSELF = _Speaker("liar")


class CrookedTongue:
    """A network that hears everything as it is, and says something else at `rate`."""

    def __init__(self, network: Network, rng: Rng, rate: float = RATE) -> None:
        self._network = network
        self._rules = Rules(rng)
        self._rules.lies[_MYSELF.name] = rate

    def send(self, peer: PeerId, channel: Channel, message: bytes) -> None:
        """Say it to a peer, or something else."""
        for said in self._rules.spoken(_MYSELF, message):
            self._network.send(peer, channel, said)

    def publish(self, topic: str, message: bytes) -> None:
        """Say it to all, or something else."""
        for said in self._rules.spoken(_MYSELF, message):
            self._network.publish(topic, said)

    async def receive(self) -> NetworkEvent:
        """The next event."""
        return await self._network.receive()

    def subscribe(self, topic: str) -> None:
        """Join a topic."""
        self._network.subscribe(topic)

    def dial(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        """Connect to a peer."""
        self._network.dial(peer, addresses)

    def disconnect(self, peer: PeerId, reason: str) -> None:
        """Let go of a peer."""
        self._network.disconnect(peer, reason)

    def set_trusted(self, peer: PeerId, trusted: bool) -> None:
        """Lift or restore a peer's limits."""
        self._network.set_trusted(peer, trusted)


def main(arguments: Sequence[str]) -> None:
    """Be the liar until told to stop."""
    parser = argparse.ArgumentParser(prog="liar")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--listen", action="append", default=[])
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--mdns", action=argparse.BooleanOptionalAction)
    told = parser.parse_args(arguments)
    options = RunOptions(listen=tuple(told.listen), trace=told.trace, mdns=told.mdns)

    from mesh.runtime.stubs import import_libp2p_lean

    import_libp2p_lean()  # before anything that libp2p would share with us is there for real
    from bootstrap.daemon import run_daemon

    rng = Rng(os.urandom(32))
    run_daemon(Home.open(told.home), options, between=lambda network: CrookedTongue(network, rng))


if __name__ == "__main__":
    main(sys.argv[1:])
