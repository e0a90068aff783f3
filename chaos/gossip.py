"""Gossip as GossipSub spreads it: a sparse mesh per topic, relays that check, IHAVE and IWANT for what was missed.

Each subscriber keeps up to `DEGREE` mesh neighbours among those that trust it and that it trusts. A message goes to
them, each relays it once if its node finds it authentic, and once a heartbeat tells a few others what it has seen
lately. Every hop passes a link and its conditions, here also with duplicates and out of order. So a lying or silent
relay, a cut, a lossy link show here as they would on a real network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from chaos.host import Host
from chaos.links import MAX_WAITING
from chaos.trace import Kind, type_name
from mesh.protocol.events import GossipReceived, StreamOffence
from wire.errors import RemoteError
from wire.ids import PeerId

if TYPE_CHECKING:
    from chaos.world import World

DEGREE, DEGREE_LOW, DEGREE_HIGH, LAZY = 6, 4, 12, 6
HEARTBEAT = 1_000_000
WINDOW = 3  # heartbeats for which a message is told of
MAX_SEEN = 4_096  # message ids remembered
_REORDERED = 50_000  # microseconds that a message may be overtaken by


@dataclass(frozen=True, slots=True)
class Letter:
    """A published message; its number is its id."""

    number: int
    author: PeerId
    topic: str
    message: bytes


@dataclass(slots=True)
class _Subscriber:
    host: Host
    topic: str
    mesh: dict[str, Host] = field(default_factory=dict)
    seen: dict[int, None] = field(default_factory=dict)
    recent: deque[list[Letter]] = field(default_factory=lambda: deque([[]], maxlen=WINDOW))


class Gossip:
    """Every topic of a world (there is one per federation)."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng.split("gossip")
        self._subscribers: dict[str, _Subscriber] = {}

    def subscribe(self, host: Host, topic: str) -> None:
        """`host` takes part from now on."""
        subscriber = self._subscribers[host.name] = _Subscriber(host, topic)
        self._world.later(self._rng.randbelow(HEARTBEAT), lambda: self._heartbeat(subscriber))

    def gone(self, host: Host) -> None:
        """`host` takes part no more."""
        self._subscribers.pop(host.name, None)

    def publish(self, host: Host, topic: str, message: bytes) -> None:
        """Spread a message of `host`'s own."""
        subscriber = self._subscribers.get(host.name)
        if subscriber is None:
            return
        world = self._world
        letter = Letter(world.number(), host.peer, topic, message)
        world.trace.note(world.now, host.name, Kind.PUBLISHED, letter.number, topic, type_name(message), len(message))
        world.trace.content(message)
        self._remember(subscriber, letter)
        self._spread(subscriber, letter, None)

    def _spread(self, subscriber: _Subscriber, letter: Letter, source: str | None) -> None:
        if len(subscriber.mesh) < DEGREE_LOW:
            self._fill(subscriber)
        host, linked = subscriber.host, self._world.links.linked
        for name, neighbour in subscriber.mesh.items():
            other = self._subscribers.get(name)
            has = other is not None and letter.number in other.seen  # then it says IDONTWANT
            if name != source and not has and linked(host, neighbour):
                self._pass(host, neighbour, letter)

    def _pass(self, source: Host, target: Host, letter: Letter) -> None:
        world, way = self._world, self._world.links.conditions(source, target)
        if way.clogs:
            if len(way.behind) < MAX_WAITING:
                way.behind.append(partial(self._pass, source, target, letter))
            return
        for message in world.rules.spoken(source, letter.message, target.name):
            copies = 2 if way.duplicate and self._rng.random() < way.duplicate else 1
            sent = (
                letter if message is letter.message else Letter(world.number(), letter.author, letter.topic, message)
            )
            for _ in range(copies):
                delay = world.links.delay(way, len(message))
                if delay is None or (way.corrupt and self._rng.random() < way.corrupt):
                    continue
                if way.reorder and self._rng.random() < way.reorder:
                    delay += self._rng.randbelow(_REORDERED)
                world.later(delay, partial(self._arrive, target, source, sent))

    def _arrive(self, host: Host, source: Host, letter: Letter) -> None:
        subscriber = self._subscribers.get(host.name)
        process = host.process
        if subscriber is None or process is None or letter.number in subscriber.seen:
            return
        if process.paused or letter.author == host.peer or not self._world.links.trusts(host, source):
            return
        self._remember(subscriber, letter, relayed=False)
        self._world.trace.note(self._world.now, host.name, Kind.ARRIVED, letter.number, source.name)
        try:
            authentic = process.node.check_gossip(source.peer, letter.topic, letter.message)
        except RemoteError as error:
            process.feed(StreamOffence(peer=source.peer, offence=error.offence, detail=f"gossip: {error.detail}"))
            return
        if authentic:
            subscriber.recent[-1].append(letter)
            self._spread(subscriber, letter, source.name)
            process.feed(GossipReceived(forwarder=letter.author, topic=letter.topic, message=letter.message))

    def _remember(self, subscriber: _Subscriber, letter: Letter, relayed: bool = True) -> None:
        if len(subscriber.seen) >= MAX_SEEN:
            del subscriber.seen[next(iter(subscriber.seen))]
        subscriber.seen[letter.number] = None
        if relayed:
            subscriber.recent[-1].append(letter)

    # the mesh

    def _fill(self, subscriber: _Subscriber) -> None:
        """Drop who is gone; when few are left, graft others, who take us into their mesh too."""
        host, mesh = subscriber.host, subscriber.mesh
        passes = self._world.links.gossip_passes
        for name in [n for n, other in mesh.items() if n not in self._subscribers or not passes(host, other)]:
            del mesh[name]
        if len(mesh) >= DEGREE_LOW:
            return
        neighbours = self._world.links.neighbours(host)
        others = [other for other in neighbours if other.name not in mesh and other.name in self._subscribers]
        for other in self._rng.sample(others, DEGREE - len(mesh)):
            peer_mesh = self._subscribers[other.name].mesh
            if len(peer_mesh) < DEGREE_HIGH:
                mesh[other.name] = other
                peer_mesh[host.name] = host

    def _heartbeat(self, subscriber: _Subscriber) -> None:
        if self._subscribers.get(subscriber.host.name) is not subscriber:
            return
        self._world.later(HEARTBEAT, lambda: self._heartbeat(subscriber))
        process = subscriber.host.process
        if process is None or process.paused:
            return
        self._fill(subscriber)
        letters = [letter for beat in subscriber.recent for letter in beat]
        subscriber.recent.append([])
        numbers = {letter.number for letter in letters}
        for other in self._listeners(subscriber) if letters else ():
            listener = self._subscribers.get(other.name)
            if listener is None or numbers <= listener.seen.keys():
                continue  # as a rule it has seen them all
            if self._world.links.gossip_passes(subscriber.host, other):
                for letter in (letter for letter in letters if letter.number not in listener.seen):
                    self._pass(subscriber.host, other, letter)

    def _listeners(self, subscriber: _Subscriber) -> Iterator[Host]:
        """A few hosts linked outside the mesh, to tell what was seen lately."""
        drawn = self._world.links.some_ends(subscriber.host, self._rng, LAZY + len(subscriber.mesh))
        return islice((other for other in drawn if other.name not in subscriber.mesh), LAZY)
