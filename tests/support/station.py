"""A network of a node without the node: what the tests of the libp2p layer talk to, and what attackers attack.

A station answers every message on a lane with the same message behind `ECHO`, and every gossip message likewise. So
one round trip of an honest station shows that the other accepts, reads, writes, and forwards gossip.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import trio
from libp2p.abc import IHost, INetConn
from libp2p.peer.id import ID
from libp2p.pubsub.pubsub import Pubsub

from mesh.protocol.events import DialFailed, GossipReceived, MessageReceived, NetworkEvent, PeerUp
from mesh.runtime.network import Libp2pNetwork, NetworkConfig, open_network
from wire.frame import pack_message
from wire.ids import PeerId, peer_id_of
from wire.keys import SigningKey
from wire.types import Channel, MessageType

TOPIC = "topic"
ECHO = b"echo of "
LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)
REPUBLISH_S = 0.2
HONEST_SEEDS = (200, 201)


def peers(*seeds: int) -> frozenset[PeerId]:
    """The peer ids of the stations (or attackers) with these seeds."""
    return frozenset(peer_id_of(SigningKey(bytes([seed]) * 32).public) for seed in seeds)


HONEST = peers(1, 2, *HONEST_SEEDS)
EVERYBODY = peers(*range(256))  # so attackers are members that went bad

Check = Callable[[PeerId, str, bytes], bool]


@dataclass(slots=True)
class Station:
    """A running network and all that it has reported."""

    network: Libp2pNetwork
    trusts: Container[PeerId] = HONEST
    events: list[NetworkEvent] = field(default_factory=list)
    _news: trio.Event = field(default_factory=trio.Event)
    _numbers: Any = field(default_factory=count)

    @property
    def peer(self) -> PeerId:
        return self.network.peer_id

    @property
    def address(self) -> str:
        """Where it listens, with its peer id."""
        return f"{self.network.addresses[0]}/p2p/{self.peer}"

    @property
    def host(self) -> IHost:
        """The libp2p host inside, for tests that have to look behind the network."""
        return self.network._host.libp2p

    @property
    def gossip(self) -> Pubsub:
        """The gossip inside."""
        return self.network._host.pubsub

    def links(self, peer: PeerId | None = None) -> list[INetConn]:
        """Its open connections (to `peer`)."""
        return self.host.get_network().get_connections(peer and ID.from_base58(peer))

    async def until(self, kind: Any, **wanted: object) -> Any:
        """Wait for an event of `kind` with these fields; one that came before counts."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in wanted.items()):
                    return event
            seen = len(self.events)
            await self._news.wait()

    async def pump(self) -> None:
        """Collect events and echo what arrives, for ever."""
        while True:
            event = await self.network.receive()
            self.events.append(event)
            self._news.set()
            self._news = trio.Event()
            match event:
                case PeerUp(peer=peer) if peer in self.trusts:
                    self.network.set_trusted(peer, True)
                case MessageReceived(message=message) if ECHO not in message:
                    self.network.send(event.peer, event.channel, pack_message(MessageType.HELLO, ECHO + message))
                case GossipReceived(message=message) if ECHO not in message and event.forwarder != self.peer:
                    self.network.publish(event.topic, ECHO + message)

    async def link(self, address: str) -> PeerId:
        """Dial a multiaddr that ends in /p2p/… until the connection stands."""
        place, _, peer = address.rpartition("/p2p/")
        while not self.links(PeerId(peer)):
            self.network.dial(PeerId(peer), (place,))
            if isinstance(await self.until(PeerUp | DialFailed, peer=peer), DialFailed):
                self.events.clear()
        return PeerId(peer)

    async def converse(self, peer: PeerId, channel: Channel = Channel.MESH) -> None:
        """One round trip on a lane and, but for who only joins, one by gossip."""
        text = b"%d from %s" % (next(self._numbers), self.peer.encode())
        message = pack_message(MessageType.HELLO, text)
        self.network.send(peer, channel, message)
        await self.until(MessageReceived, peer=peer, message=pack_message(MessageType.HELLO, ECHO + message))
        heard = channel is Channel.JOIN
        while not heard:  # gossip is lossy, and the first messages may be early
            self.network.publish(TOPIC, text)
            with trio.move_on_after(REPUBLISH_S):
                await self.until(GossipReceived, topic=TOPIC, message=ECHO + text)
                heard = True


@asynccontextmanager
async def open_station(
    seed: int,
    *,
    deaf: bool = False,
    check: Check = lambda forwarder, topic, message: True,
    trusts: Container[PeerId] = HONEST,
    **settings: Any,
) -> AsyncIterator[Station]:
    """A station on loopback that is subscribed to TOPIC; `settings` are fields of NetworkConfig.

    It trusts whom `trusts` holds. A deaf one takes no event from its network until somebody runs its `pump`.
    """
    config = NetworkConfig(**{"listen": LOOPBACK, "announce": (), "max_links": 64, "max_strangers": 16} | settings)
    async with open_network(config, bytes([seed]) * 32, check) as network, trio.open_nursery() as nursery:
        station = Station(network, trusts)
        network.subscribe(TOPIC)
        if not deaf:
            nursery.start_soon(station.pump)
        yield station
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(address: str) -> AsyncIterator[None]:
    """Around an attack: an honest peer that was served before is served afterwards, and so is a new one."""
    regular_seed, newcomer_seed = HONEST_SEEDS
    async with open_station(regular_seed) as regular:
        victim = await regular.link(address)
        await regular.converse(victim)
        yield
        await regular.converse(victim)
        async with open_station(newcomer_seed) as newcomer:
            await newcomer.converse(await newcomer.link(address))
