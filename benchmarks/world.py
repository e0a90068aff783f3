"""How fast the simulated world is: a federation forms on simulated hosts, then lives with a write a second in all.

Every node is the real one, so that the figures say two things: how long a scenario takes, and what the protocol costs
a node. The links of a full mesh grow with the square of the members, and all are made in the first moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.report import Figure
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from mesh.protocol.commands import MemoryPut
from mesh.protocol.config import ProfileName

LIVES = ((10, 60), (100, 10))  # swarms, virtual seconds


def run() -> Iterator[Figure]:
    """All figures of this module."""
    for swarms, seconds in LIVES:
        start = time.perf_counter()
        world = World(Scenario(seed=1, swarms=swarms, profile=ProfileName.WAN))
        for host in world.hosts.values():
            world.start(host)
        started = time.perf_counter()
        live(world, seconds)
        took = time.perf_counter() - started
        yield Figure(name=f"{swarms} nodes start", value=f"{started - start:.1f} s")
        yield Figure(name=f"{swarms} swarms: events a second", value=f"{world.events / took:,.0f}")
        yield Figure(name=f"{swarms} swarms: virtual / real time", value=f"{seconds / took:.2f}")


def live(world: World, seconds: int) -> None:
    """One write a second in all, by one swarm after another."""
    hosts = list(world.hosts.values())
    for second in range(seconds):
        world.ask(hosts[second % len(hosts)], MemoryPut(key=f"k{second}", value=b"%d" % second))
        world.run(world.now + SECOND)
