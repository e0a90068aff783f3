"""Links between hosts, as TCP, Noise and Yamux make them, and what may be wrong with them.

A connection carries one ordered stream per channel and direction. So faults of the network show as delay, as a
connection that breaks, or as messages that never leave a full lane, not as disorder within a stream. Each direction
between two hosts has its own `Conditions`. Where a direction is cut, what is sent waits (TCP tries on) until the cut
heals or an end gives up; where it is clogged, gossip waits as well. An end that nobody can tell of the other's going
keeps a half-open link until it is told, probes time out, or the other comes back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from chaos.host import Host
from chaos.trace import Kind, type_name
from mesh.protocol.events import DialFailed, MessageReceived, PeerDown, PeerUp
from wire.frame import code_of
from wire.ids import PeerId
from wire.rng import Rng
from wire.types import Channel, MessageType

if TYPE_CHECKING:
    from chaos.world import World

DIAL_TIMEOUT = 5_000_000
MAX_WAITING = 4_096  # messages in one direction of a cut link
_LANES = {channel: channel.name for channel in Channel}
_LOSSLESS = (Channel.SYNC, Channel.JOIN)  # a lane that drops nothing: what does not fit breaks the link


@dataclass(slots=True)
class Conditions:
    """One direction between two hosts; times in microseconds, probabilities per message."""

    delay: int = 300
    jitter: int = 400
    bytes_per_s: int | None = None
    loss: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    cuts: int = 0  # how many cuts lie over it
    clogs: int = 0  # and how many queues before it are full
    behind: list[Callable[[], None]] = field(default_factory=list)  # gossip that waits in them
    healed: bool = False  # for good: nothing makes it worse any more
    busy_until: int = 0

    @property
    def open(self) -> bool:
        return not self.cuts and not self.clogs


@dataclass(eq=False, slots=True)
class Connection:
    """A secured connection. `standing` holds who still thinks that it stands; `arrivals` keeps each stream in order.

    By the name of a host: who is `beyond` it, and the conditions of its `way` to there.
    """

    beyond: dict[str, Host]
    ways: dict[str, Conditions]
    standing: set[str]
    arrivals: dict[tuple[str, Channel], int] = field(default_factory=dict)
    waiting: dict[str, list[tuple[Channel, bytes, int]]] = field(default_factory=dict)

    def other(self, host: Host) -> Host | None:
        """The other end, if it still stands there."""
        other = self.beyond[host.name]
        return other if other.name in self.standing else None


class Links:
    """All connections of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng.split("links")
        self._conditions: dict[tuple[str, str], Conditions] = {}
        self._links: defaultdict[str, dict[PeerId, Connection]] = defaultdict(dict)
        self._trusted: defaultdict[str, dict[PeerId, None]] = defaultdict(dict)

    # reading

    def conditions(self, source: Host, target: Host) -> Conditions:
        """Of the direction from `source` to `target`; change it to make the way worse."""
        pair = (source.name, target.name)
        found = self._conditions.get(pair)
        if found is None:
            found = self._conditions[pair] = Conditions()
        return found

    def of(self, host: Host) -> dict[PeerId, Connection]:
        """The links that a host thinks it has."""
        return self._links[host.name]

    def trusts(self, host: Host, other: Host) -> bool:
        """A host lets another one into its gossip."""
        return other.peer in self._trusted[host.name]

    def neighbours(self, host: Host) -> Iterator[Host]:
        """Hosts that gossip may pass to and from: linked and trusted at both ends."""
        for connection in self.of(host).values():
            other = connection.other(host)
            if other is not None and self.trusts(host, other) and self.trusts(other, host):
                yield other

    def some_ends(self, host: Host, rng: Rng, count: int) -> list[Host]:
        """Up to so many other ends of the links of `host`, drawn at random."""
        ends = (connection.other(host) for connection in rng.sample(list(self.of(host).values()), count))
        return [end for end in ends if end is not None]

    def gossip_passes(self, host: Host, other: Host) -> bool:
        """`other` is one of the neighbours of `host`."""
        return self.linked(host, other) and self.trusts(host, other) and self.trusts(other, host)

    def linked(self, host: Host, other: Host) -> bool:
        """A link of `host` leads to `other`, who still knows of it."""
        connection = self._links[host.name].get(other.peer)
        return connection is not None and connection.beyond[host.name] is other and other.name in connection.standing

    def delay(self, way: Conditions, size: int) -> int | None:
        """How long `size` bytes take on a way that is open; None when they are lost."""
        if not way.open or (way.loss and self._rng.random() < way.loss):
            return None
        delay = way.delay + (self._rng.randbelow(way.jitter) if way.jitter else 0)
        if way.bytes_per_s is not None:
            now = self._world.now
            way.busy_until = max(way.busy_until, now) + size * 1_000_000 // way.bytes_per_s
            delay += way.busy_until - now
        return delay

    # messages

    def send(self, host: Host, peer: PeerId, channel: Channel, message: bytes) -> None:
        """Send on a link, if there is one."""
        world, name = self._world, host.name
        connection = self._links[name].get(peer)
        if connection is None:
            return
        number = world.number()
        other = connection.beyond[name]
        world.trace.note(
            world.now, name, Kind.SENT, number, other.name, _LANES[channel], type_name(message), len(message)
        )
        world.trace.content(message)
        if not connection.ways[name].open:
            self._hold(host, connection, channel, message, number)
        elif other.name not in connection.standing:
            self._broken(host, connection, "the other side knows of no such connection")
        else:
            self._pass(host, other, connection, channel, message, number)

    def _hold(self, host: Host, connection: Connection, channel: Channel, message: bytes, number: int) -> None:
        waiting = connection.waiting.setdefault(host.name, [])
        if len(waiting) < MAX_WAITING:
            waiting.append((channel, message, number))
        elif channel in _LOSSLESS:
            self._broken(host, connection, f"it does not read what it asked for on {channel}")

    def _pass(
        self, host: Host, other: Host, connection: Connection, channel: Channel, message: bytes, number: int
    ) -> None:
        world, way = self._world, connection.ways[host.name]
        if other.byzantine and code_of(message) == MessageType.HEARD:
            return  # who lies does not let itself be reminded
        for forged in world.rules.spoken(host, message, other.name):
            message = forged
            delay = self.delay(way, len(message))
            corrupted = bool(way.corrupt) and self._rng.random() < way.corrupt
            if corrupted or (delay is None and channel in _LOSSLESS):
                world.trace.note(world.now, host.name, Kind.LOST, number, "the connection broke")
                self._broken(host, connection, "the connection broke")
                return
            if delay is None:
                world.trace.note(world.now, host.name, Kind.LOST, number, "its lane was full")
                continue
            stream = (host.name, channel)
            at = max(world.now + delay, connection.arrivals.get(stream, 0) + 1)
            connection.arrivals[stream] = at
            event = MessageReceived(peer=host.peer, channel=channel, message=message)
            world.at(at, partial(self._arrive, other, connection, event, number, host.name))

    def _arrive(self, host: Host, connection: Connection, event: MessageReceived, number: int, source: str) -> None:
        if host.process is None or host.name not in connection.standing:
            return
        self._world.trace.note(self._world.now, host.name, Kind.ARRIVED, number, source)
        host.process.feed(event)

    # connections

    def dial(self, host: Host, peer: PeerId, addresses: tuple[str, ...]) -> None:
        """Try the addresses one after another, as the runtime does."""
        if peer not in self.of(host):
            self._try(host, peer, list(addresses))

    def _try(self, host: Host, peer: PeerId, addresses: list[str]) -> None:
        world = self._world
        address = addresses.pop(0)
        target = world.at_address(address)
        reachable = target is not None and self._both_open(host, target)
        delay = 2_000 + (self.conditions(host, target).delay * 4 if target is not None else 0)
        if target is not None and reachable and target.process is not None and target.peer == peer:
            world.later(delay, lambda: self._connect(host, target, address))
            return
        cause = "refused" if reachable else "timed out"
        pause = delay if reachable else DIAL_TIMEOUT
        world.later(pause, lambda: self._failed(host, peer, address, cause, addresses))

    def _failed(self, host: Host, peer: PeerId, address: str, cause: str, rest: list[str]) -> None:
        if host.process is None or peer in self.of(host):
            return
        host.process.feed(DialFailed(peer=peer, address=address, cause=cause, final=not rest))
        if rest and host.process is not None and peer not in self.of(host):
            self._try(host, peer, rest)

    def _connect(self, host: Host, target: Host, address: str) -> None:
        if host.process is None or target.peer in self.of(host):
            return
        if target.process is None or not self._both_open(host, target):
            self._failed(host, target.peer, address, "reset", [])
            return
        stale = self.of(target).get(host.peer)
        if stale is not None:
            if stale.other(target) is host:
                return  # two dials crossed: the first stays
            if stale.other(target) is not None:
                self._failed(host, target.peer, address, "reset", [])  # its twin is connected
                return
            self._end(target, stale, "replaced by a new connection")
        connection = Connection(
            beyond={host.name: target, target.name: host},
            ways={host.name: self.conditions(host, target), target.name: self.conditions(target, host)},
            standing={host.name, target.name},
        )
        self.of(host)[target.peer] = connection
        self.of(target)[host.peer] = connection
        host.process.feed(PeerUp(peer=target.peer, address=address, inbound=False))
        if target.process is not None:
            target.process.feed(PeerUp(peer=host.peer, address=host.address, inbound=True))

    def disconnect(self, host: Host, peer: PeerId, reason: str) -> None:
        """Close the link, on this side at once."""
        connection = self.of(host).get(peer)
        if connection is not None:
            self._broken(host, connection, reason)

    def hang_up(self, host: Host, other: Host) -> None:
        """The connection of two hosts breaks."""
        connection = self.of(host).get(other.peer)
        if connection is not None:
            self._broken(host, connection, "the connection broke")

    def gone(self, host: Host, silently: bool) -> None:
        """The process of `host` is no more; `silently` when no kernel is left that closes its connections."""
        for connection in list(self.of(host).values()):
            connection.standing.discard(host.name)
            other = connection.other(host)
            if other is not None and not silently:
                self._tell(host, other, connection, "the other side went away")
        self._links[host.name] = {}
        self._trusted[host.name] = {}

    def healed(self, source: Host, target: Host) -> None:
        """The way from `source` to `target` is open again: what waited passes, and half-open links are noticed."""
        connection = self.of(source).get(target.peer)
        if connection is not None and connection.other(source) is target:
            for channel, message, number in connection.waiting.pop(source.name, ()):
                self._pass(source, target, connection, channel, message, number)
        half = self.of(target).get(source.peer)
        if half is not None and half.other(target) is None:
            self._tell(source, target, half, "the other side went away")
        way = self.conditions(source, target)
        behind, way.behind = way.behind, []
        for pass_on in behind:
            pass_on()

    def trust(self, host: Host, peer: PeerId, trusted: bool) -> None:
        """A host lets a peer into its gossip, or no more."""
        book = self._trusted[host.name]
        if trusted and peer in self.of(host):
            book[peer] = None
        elif not trusted:
            book.pop(peer, None)

    def _both_open(self, host: Host, target: Host) -> bool:
        return self.conditions(host, target).open and self.conditions(target, host).open

    def _broken(self, host: Host, connection: Connection, reason: str) -> None:
        """`host` closes: it knows at once, the other end once word of it gets through."""
        other = connection.other(host)
        self._world.later(0, lambda: self._end(host, connection, reason))
        if other is not None:
            self._world.later(0, lambda: self._tell(host, other, connection, "the other side closed"))

    def _tell(self, source: Host, target: Host, connection: Connection, reason: str) -> None:
        way = self.conditions(source, target)
        if way.open:
            self._world.later(way.delay, lambda: self._end(target, connection, reason))

    def _end(self, host: Host, connection: Connection, reason: str) -> None:
        """`host` learns that a connection is no more."""
        if host.name not in connection.standing:
            return
        connection.standing.discard(host.name)
        links = self.of(host)
        for peer in [peer for peer, link in links.items() if link is connection]:
            del links[peer]
            self._trusted[host.name].pop(peer, None)
            if host.process is not None:
                host.process.feed(PeerDown(peer=peer, reason=reason))
