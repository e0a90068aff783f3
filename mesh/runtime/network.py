"""The network of a node: links, lanes, gossip and dials over a hardened libp2p host.

    async with open_network(config, node_seed, validate) as network:
        network.dial(peer, ("/ip4/192.0.2.1/tcp/4150",))
        event = await network.receive()           # PeerUp, MessageReceived, GossipReceived, DialFailed, …

Everything that sends is a plain call which returns at once and never fails because of the peer: what cannot be sent
is dropped by its lane's policy or ends the link, and the node hears of it as an event. Every peer is a stranger, kept
within narrow limits, until the node trusts it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from mesh.protocol.events import (
    AddressesChanged,
    DialFailed,
    GossipReceived,
    NetworkEvent,
    PeerDown,
    PeerUp,
    StreamOffence,
)
from mesh.runtime.dialling import dial_cause, resolved
from mesh.runtime.host import Host, open_host
from mesh.runtime.inbox import Inbox
from mesh.runtime.interfaces import dialable, interface_addresses
from mesh.runtime.lanes import Lane
from mesh.runtime.notifee import Notifee, remote_address
from mesh.runtime.reader import Bucket, Reader
from wire.errors import Offence, RemoteError
from wire.ids import PeerId
from wire.types import Channel

LANES = (Channel.PRIORITY, Channel.MESH, Channel.SYNC, Channel.JOIN)
DIAL_S = 5.0
FLUSH_S = 0.5  # for last words before a link is closed
LINGER_S = 0.1  # for what was written to be read
ADDRESS_POLL_S = 2.0
MAX_JOINS = 8  # join conversations at once
STREAMS_PER_LANE = {Channel.PRIORITY: 4, Channel.MESH: 4, Channel.SYNC: 4, Channel.JOIN: 1}  # a restart overlaps

Validate = Callable[[PeerId, str, bytes], bool]

_LOGGER = logging.getLogger("zenmesh.network")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """Where to listen (multiaddrs without /p2p/), what to tell others instead, and how many links to keep."""

    listen: tuple[str, ...]
    announce: tuple[str, ...] = ()
    max_links: int = 256
    max_strangers: int = 16


@dataclass(slots=True)
class _Link:
    """A peer that at least one connection stands to."""

    lanes: dict[Channel, Lane] = field(default_factory=dict)
    scopes: list[trio.CancelScope] = field(default_factory=list)  # of the tasks of its lanes
    bucket: Bucket = field(default_factory=Bucket)
    inbound: Counter[Channel] = field(default_factory=Counter)
    leaving: bool = False
    reason: str = "the connection was closed"


@contextlib.asynccontextmanager
async def open_network(config: NetworkConfig, node_seed: bytes, validate: Validate) -> AsyncIterator[Libp2pNetwork]:
    """A running network. `validate(publisher's forwarder, topic, message)` decides what gossip is relayed.

    Raises:
        ConfigError: an address cannot be listened on.
    """
    stats: Counter[str] = Counter()
    async with open_host(config.listen, node_seed, config.max_links, stats) as host:
        async with trio.open_nursery() as nursery:
            network = Libp2pNetwork(config, host, stats, validate, nursery)
            nursery.start_soon(network.watch_addresses)
            try:
                yield network
            finally:
                nursery.cancel_scope.cancel()


class Libp2pNetwork:
    """What the node loop drives."""

    def __init__(
        self, config: NetworkConfig, host: Host, stats: Counter[str], validate: Validate, nursery: trio.Nursery
    ) -> None:
        self.stats = stats
        self.peer_id = PeerId(str(host.libp2p.get_id()))
        self._config = config
        self._host = host
        self._validate = validate
        self._nursery = nursery
        self._inbox = Inbox()
        self._links: dict[PeerId, _Link] = {}
        self._trust = host.pubsub.trust
        self._joins = 0
        self._topics: dict[str, None] = {}
        self.addresses = self._dialable()
        self._inbox.post("", AddressesChanged(addresses=self.addresses))
        for channel in LANES:
            host.libp2p.set_stream_handler(TProtocol(channel.value), self._handler(channel))
        host.network.register_notifee(Notifee(self))
        host.pubsub.on_flood = functools.partial(self._blame, offence=Offence.FLOOD, detail="too much gossip")

    # receiving

    async def receive(self) -> NetworkEvent:
        """The next event, fairly between peers."""
        return await self._inbox.get()

    def _handler(self, channel: Channel) -> Callable[[Any], Any]:
        async def handle(stream: Any) -> None:
            peer = PeerId(str(stream.muxed_conn.peer_id))
            link = self._links.get(peer) or self.link_up(peer, stream.muxed_conn, None)
            crowded = channel is Channel.JOIN and self._joins >= MAX_JOINS
            if crowded or link.inbound[channel] >= STREAMS_PER_LANE[channel]:
                self.stats["streams_refused"] += 1
                await stream.reset()
                return
            link.inbound[channel] += 1
            self._joins += channel is Channel.JOIN
            try:
                reader = Reader(peer, channel, self._inbox, self.stats, lambda: peer in self._trust)
                await reader.run(stream, link.bucket)
            finally:
                link.inbound[channel] -= 1
                self._joins -= channel is Channel.JOIN

        return handle

    # sending

    def send(self, peer: PeerId, channel: Channel, message: bytes) -> None:
        """Queue a message for a linked peer; without a link it is dropped, and the node knows that already."""
        link = self._links.get(peer)
        if link is None:
            self.stats["dropped_unlinked"] += 1
            return
        lane = link.lanes.get(channel)
        if lane is None:
            lane = link.lanes[channel] = Lane(peer, channel, self.stats)
            self._nursery.start_soon(self._run_lane, peer, link, channel, lane)
        if not lane.put(message):
            self._break(peer, link, f"it does not read what it asked for on {channel}")

    async def _run_lane(self, peer: PeerId, link: _Link, channel: Channel, lane: Lane) -> None:
        target = ID.from_base58(peer)

        async def open_stream() -> Any:
            return await self._host.libp2p.new_stream(target, [TProtocol(channel.value)])

        scope = trio.CancelScope()
        link.scopes.append(scope)
        with scope:
            try:
                await lane.run(open_stream)
            except Exception as error:
                _LOGGER.debug("lane %s to %s ended: %r", channel, peer, error)
                if self._links.get(peer) is link:
                    self._break(peer, link, f"{channel} broke: {type(error).__name__}")

    def publish(self, topic: str, message: bytes) -> None:
        """Publish on a topic; best effort."""
        self._nursery.start_soon(self._publish, topic, message)

    async def _publish(self, topic: str, message: bytes) -> None:
        try:
            await self._host.pubsub.publish(topic, message)
            self.stats["gossip_published"] += 1
        except Exception:
            self.stats["gossip_failed"] += 1
            _LOGGER.debug("publishing failed", exc_info=True)

    def subscribe(self, topic: str) -> None:
        """Join a topic for the life of the process."""
        if topic not in self._topics:
            self._topics[topic] = None
            self._host.pubsub.set_topic_validator(topic, self._valid(topic), is_async_validator=False)
            self._nursery.start_soon(self._subscription, topic)

    def _valid(self, topic: str) -> Callable[[Any, Any], bool]:
        def valid(forwarder: Any, message: Any) -> bool:
            try:
                if ID(message.from_id) == self._host.libp2p.get_id():
                    return True
                return self._validate(PeerId(str(forwarder)), topic, message.data)
            except RemoteError as error:
                self._blame(forwarder, error.offence, f"gossip: {error.detail}")
                return False
            except Exception:
                self.stats["gossip_malformed"] += 1
                return False

        return valid

    def _blame(self, forwarder: Any, offence: Offence, detail: str) -> None:
        peer = PeerId(str(forwarder))
        self._inbox.offer(peer, StreamOffence(peer=peer, offence=offence, detail=detail))

    async def _subscription(self, topic: str) -> None:
        subscription = await self._host.pubsub.subscribe(topic)
        while True:
            message = await subscription.get()
            author = PeerId(str(ID(message.from_id)))
            if author == self.peer_id:
                continue
            source = author if author in self._links else "others"  # anybody can make up authors
            event = GossipReceived(forwarder=author, topic=topic, message=message.data)
            taken = self._inbox.offer(f"gossip of {source}", event)
            self.stats["gossip_received" if taken else "dropped_gossip"] += (
                1  # lossy by contract; the node repairs it
            )

    # links

    def link_up(self, peer: PeerId, muxed: Any, connection: Any) -> _Link:
        """A connection to `peer` stands: its link, made now if it is the first."""
        link = self._links.get(peer)
        if link is not None:
            return link
        link = self._links[peer] = _Link()
        self._inbox.post(
            peer, PeerUp(peer=peer, address=remote_address(connection, muxed), inbound=not muxed.is_initiator)
        )
        self._bound_strangers()
        return link

    def _bound_strangers(self) -> None:
        """Send off the stranger that came first: a member is known by its greeting, soon after it came."""
        strangers = [peer for peer, link in self._links.items() if peer not in self._trust and not link.leaving]
        if len(strangers) > self._config.max_strangers:
            oldest = strangers[0]
            self.stats["strangers_refused"] += 1
            self._break(oldest, self._links[oldest], "too many strangers are connected")

    def link_down(self, peer: PeerId) -> None:
        """A connection is gone; when it was the last, so is the link."""
        link = self._links.get(peer)
        if link is None or self._host.network.get_connections(ID.from_base58(peer)):
            return
        del self._links[peer]
        self._trust.withdraw(peer)
        for scope in link.scopes:
            scope.cancel()
        self._inbox.post(peer, PeerDown(peer=peer, reason=link.reason))

    def set_trusted(self, peer: PeerId, trusted: bool) -> None:
        """Lift (or restore) a stranger's limits, for as long as the link stands."""
        if trusted and peer in self._links:
            self._trust.give(peer)
        elif not trusted:
            self._trust.withdraw(peer)

    def disconnect(self, peer: PeerId, reason: str) -> None:
        """Close every connection to `peer`, once what was said to it is written."""
        link = self._links.get(peer)
        if link is not None:
            link.reason = reason
            self._nursery.start_soon(self._close_politely, peer, link)

    def _break(self, peer: PeerId, link: _Link, reason: str) -> None:
        link.reason, link.leaving = reason, True
        self._nursery.start_soon(self._close, peer)

    async def _close_politely(self, peer: PeerId, link: _Link) -> None:
        with trio.move_on_after(FLUSH_S):
            for channel in (Channel.PRIORITY, Channel.JOIN, Channel.MESH):
                lane = link.lanes.get(channel)
                if lane is not None:
                    await lane.drained()
            await trio.sleep(LINGER_S)
        if self._links.get(peer) is link:
            await self._close(peer)

    async def _close(self, peer: PeerId) -> None:
        with contextlib.suppress(Exception):
            await self._host.network.close_peer(ID.from_base58(peer))
        self.link_down(peer)

    # dialling

    def dial(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        """Try the addresses one after another until one connects."""
        self._nursery.start_soon(self._dial, peer, addresses)

    async def _dial(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        if peer in self._links:
            return
        target = ID.from_base58(peer)
        for index, address in enumerate(addresses):
            final = index == len(addresses) - 1
            try:
                with trio.fail_after(DIAL_S):
                    for place in await resolved(address):
                        await self._host.network._dial_addr_single_attempt(Multiaddr(place), target)
                return
            except Exception as error:
                if peer in self._links:
                    return
                cause = dial_cause(error, DIAL_S)
                self._inbox.post(peer, DialFailed(peer=peer, address=address, cause=cause, final=final))

    # addresses

    async def watch_addresses(self) -> None:
        """Tell the node when this machine's addresses change."""
        while True:
            await trio.sleep(ADDRESS_POLL_S)
            addresses = self._dialable()
            if addresses != self.addresses:
                self.addresses = addresses
                self._inbox.post("", AddressesChanged(addresses=addresses))

    def _dialable(self) -> tuple[str, ...]:
        if self._config.announce:
            return self._config.announce
        found: dict[str, None] = {}
        for listening in self._host.libp2p.get_addrs():
            _, family, host, _, port = str(listening).split("/")[:5]
            version = 6 if family == "ip6" else 4
            wildcard = host in ("0.0.0.0", "::")
            hosts = dialable(interface_addresses(), version) if wildcard else (host,)
            found |= dict.fromkeys(f"/{family}/{address}/tcp/{port}" for address in hosts)
        return tuple(found)
