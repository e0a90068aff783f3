"""Hostile hosts: a copied home, selective silence, garbage, and queens that say what is not so.

Whoever does any of it is *byzantine* from then on, for good: it may repent, and nothing is expected of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.actions import Action, Cut, Deceive, Lie, Silence, Twin
from chaos.deceits import Deceiver
from chaos.disk import SimulatedDisk
from chaos.host import Host
from chaos.ways import MILLISECOND, cut
from chaos.world import World
from consensus.chain import Chain


def _twin(world: World, action: Twin) -> None:
    host = world.hosts.get(action.host)
    name = f"{action.host}'"
    if host is None or name in world.hosts:
        return
    twin = world.settle_in(host.home, name)
    twin.disk = SimulatedDisk.holding(host.disk.image(), twin.disk.rng)
    twin.boots = host.boots
    twin.byzantine = host.byzantine = True
    world.start(twin)


def _silence(world: World, action: Silence) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        host.byzantine = True
        cut(world, Cut(at_ms=0, sources=(action.host,), targets=action.towards, for_ms=action.for_ms, both=False))


def _lie(world: World, action: Lie) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        host.byzantine = True
        world.rules.lies[host.name] = action.rate

        def repent() -> None:
            world.rules.lies.pop(action.host, None)

        world.later(action.for_ms * MILLISECOND, repent)


def _deceive(world: World, action: Deceive) -> None:
    host = world.hosts.get(action.host)
    if host is None:
        return
    host.byzantine = True
    liar = world.rules.deceivers.get(host.name)
    if liar is None:
        liar = world.rules.deceivers[host.name] = _deceiver(world, host)
    liar.lies[action.lie] = action.rate

    def repent() -> None:
        liar.lies.pop(action.lie, None)

    world.later(action.for_ms * MILLISECOND, repent)


def _deceiver(world: World, host: Host) -> Deceiver:
    """A liar with the keys of `host`, who knows what its node does."""

    def chain() -> Chain | None:
        return None if host.process is None else host.process.node.context.chain

    def wall_ms() -> int:
        return host.clocks.wall_ms(world.now)

    return Deceiver(host.home.swarm, host.home.queen, world.colony.federation, chain, wall_ms)


HOSTILITY: dict[type[Action], Callable[[World, Any], None]] = {
    Twin: _twin,
    Silence: _silence,
    Lie: _lie,
    Deceive: _deceive,
}
