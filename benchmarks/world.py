"""How fast the simulated world is: a federation forms on simulated hosts, then lives with a write a second in all.

Every node is the real one, so that the figures say two things: how long a scenario takes, and what the protocol costs
a node. The links of a full mesh grow with the square of the members, and all are made in the first moment.

All times are of the CPU, since one core is what a world takes and others may be at work beside it. Each world has a
budget of them and ends when it is used up; the figures say how much virtual time that was.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from functools import partial

import msgspec

from benchmarks.report import Figure
from chaos.actions import Remove, Write
from chaos.checkers import ALL, Broken, Panel
from chaos.faults import perform
from chaos.generator import generate, users
from chaos.runner import rare_collections
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from mesh.protocol.commands import MemoryPut
from mesh.protocol.config import ProfileName
from wire.rng import Rng

LIVES = ((10, 60, 60), (100, 60, 60), (1_000, 60, 600))  # swarms, virtual seconds, CPU seconds at most
TORTURED, TORTURED_S, AIM_S, LIMIT_S = 100, 600, 30, 120
_STEP = SECOND // 50  # how often the budget is looked at


def run() -> Iterator[Figure]:
    """All figures of this module."""
    with rare_collections():
        yield _torture()
        for swarms, seconds, budget in LIVES:
            gc.collect()  # a world is full of cycles, and slows the next one down while it lies about
            yield from _life(swarms, seconds, budget)


def _life(swarms: int, seconds: int, budget: int) -> Iterator[Figure]:
    began = time.process_time()
    world = World(Scenario(seed=1, swarms=swarms, profile=ProfileName.WAN))
    for host in world.hosts.values():
        world.start(host)
    yield Figure(name=f"{swarms} nodes start", value=f"{time.process_time() - began:.1f} s")
    hosts = list(world.hosts.values())
    for second in range(seconds):
        turn = hosts[second % swarms], MemoryPut(key=f"k{second}", value=b"%d" % second)
        world.at(second * SECOND, partial(world.ask, *turn))
    took = _until(world, seconds * SECOND, budget)
    virtual = world.now / SECOND
    yield Figure(name=f"{swarms} swarms: virtual time that was run", value=f"{virtual:.2f} of {seconds} s")
    yield Figure(name=f"{swarms} swarms: events a second", value=f"{world.events / took:,.0f}")
    yield Figure(name=f"{swarms} swarms: virtual / CPU time", value=f"{virtual / took:.3f}")


def _torture() -> Figure:
    """Faults as the generator draws them, all checkers on; what is not done within the limit breaks it."""
    scenario = tortured()
    world = World(scenario, (Panel([checker() for checker in ALL]),))
    for action in scenario.actions:
        world.at(action.at_ms * 1_000, partial(perform, world, action))
    for host in list(world.hosts.values()):
        world.start(host)
    broken = ""
    try:
        took = _until(world, TORTURED_S * SECOND, LIMIT_S)
    except Broken as violation:
        took, broken = float("nan"), str(violation)
    if not broken and world.now < TORTURED_S * SECOND:
        broken = f"only {world.now / SECOND:.0f} virtual s within the limit of {LIMIT_S} s"
    return Figure(
        name=f"{TORTURED} swarms, faults and checkers, {TORTURED_S} virtual s",
        value=f"{took:.1f} s",
        aim=f"under {AIM_S} s",
        broken=broken,
    )


def tortured() -> Scenario:
    """A scenario as fuzzing draws it, over the internet, with one write a second in all."""
    drawn = generate(1, TORTURED, faults_s=TORTURED_S)
    faults = [action for action in drawn.actions if not isinstance(action, Write | Remove)]
    writes = users(Rng(1), [f"s{number}" for number in range(1, TORTURED + 1)], TORTURED_S, 1)
    actions = tuple(sorted(faults + writes, key=lambda action: action.at_ms))
    return msgspec.structs.replace(drawn, profile=ProfileName.WAN, actions=actions)


def _until(world: World, end: int, budget: int) -> float:
    """Run to `end`, or until the budget is used up; the CPU seconds that it took."""
    began = time.process_time()
    while world.now < end and time.process_time() - began < budget:
        world.run(min(end, world.now + _STEP))
    return time.process_time() - began
