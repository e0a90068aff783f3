"""A world in which nobody runs a node: in each host sits an `Ear` that hears what the world tells its process.

    world = quiet(3)
    meet(world, "s1", "s2")                             # they are linked and trust each other
    say(world, "s1", "s2", b"first", b"second")
    assert heard(world, "s2") == [b"first", b"second"]   # once time has passed: world.run(…)

So what links, gossip and faults do is seen without a node that does something about it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from chaos.host import Host
from chaos.process import Process
from chaos.rules import Rules
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from mesh.protocol.events import GossipReceived, InEvent, MessageReceived, PeerDown
from wire.errors import DecodeError
from wire.ids import PeerId
from wire.types import Channel

TOPIC = "state"


class Ear:
    """Stands where a process would, and writes down what it is told."""

    def __init__(self, host: Host, world: World) -> None:
        self.host = host
        self.paused = False
        self.fuse: int | None = None
        self.told: list[tuple[int, InEvent]] = []
        self.node = SimpleNamespace(check_gossip=self._check)
        self.refuses: tuple[bytes, ...] = ()  # gossip that it finds not authentic
        self.hates: tuple[bytes, ...] = ()  # gossip that it finds an offence
        self._world = world

    def feed(self, event: InEvent) -> None:
        self.told.append((self._world.now, event))

    def _check(self, forwarder: PeerId, topic: str, message: bytes) -> bool:
        if message in self.hates:
            raise DecodeError("garbage")
        return message not in self.refuses


def quiet(swarms: int, seed: int = 1, rules: type[Rules] = Rules) -> World:
    """A world with an ear in every host."""
    world = World(Scenario(seed=seed, swarms=swarms), rules=rules, keep=True)
    for host in world.hosts.values():
        awake(world, host)
    return world


def awake(world: World, host: Host) -> Ear:
    """Another process in `host`: a new ear."""
    new = Ear(host, world)
    host.process = cast(Process, new)
    return new


def ear(world: World, name: str) -> Ear:
    return cast(Ear, world.hosts[name].process)


def meet(world: World, *names: str) -> None:
    """All of these are linked and trust each other, and nothing was heard yet."""
    hosts = [world.hosts[name] for name in names]
    pairs = [(one, other) for one in hosts for other in hosts if one is not other]
    for one, other in pairs:
        world.links.dial(one, other.peer, (other.address,))
        world.run(world.now + SECOND)
    for one, other in pairs:
        world.links.trust(one, other.peer, True)
    for name in names:
        ear(world, name).told.clear()


def say(world: World, source: str, target: str, *messages: bytes, channel: Channel = Channel.MESH) -> None:
    """Send from host to host."""
    for message in messages:
        world.links.send(world.hosts[source], world.hosts[target].peer, channel, message)


def heard(world: World, name: str) -> list[bytes]:
    """The messages that came on links, in their order."""
    return [event.message for _, event in ear(world, name).told if isinstance(event, MessageReceived)]


def arrivals(world: World, name: str) -> list[int]:
    """When these messages came."""
    return [at for at, event in ear(world, name).told if isinstance(event, MessageReceived)]


def gossip_of(world: World, name: str) -> list[bytes]:
    """The gossip that came, in its order."""
    return [event.message for _, event in ear(world, name).told if isinstance(event, GossipReceived)]


def losses(world: World, name: str) -> list[str]:
    """Why links of a host ended, in its order."""
    return [event.reason for _, event in ear(world, name).told if isinstance(event, PeerDown)]
