"""The mDNS service: tells the LAN about this node, and tells the node about the LAN.

One task per socket reads, one task sends, and one keeps the agenda: it looks at the interfaces and at our own
advertisement each second, asks (three times quickly, then ever slower up to once a minute), announces unasked at the
start and after each change, and multicasts the answers that fell due. Answers wait 20–120 ms so that many hosts do
not speak at once, and go out at most once a second per link (RFC 6762 §6). On leaving, a goodbye is sent.

Whoever asks but has never answered (js-libp2p does not announce itself) is asked in turn a second later, so that both
sides know each other soon, whichever started first.

Links differ in what is said there: loopback addresses are told on the loopback interface only, where nodes of one
machine meet; everything else on all links. Other programs' packets are a stranger's word: bounded in size, number and
rate, and an answer says no more than where to try; the handshake proves who is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address

import trio

from mesh.protocol.events import PeerFound
from mesh.runtime.interfaces import InterfaceAddress, interface_addresses
from mesh.runtime.mdns import codec
from mesh.runtime.mdns.codec import Advertisement, Query
from mesh.runtime.mdns.dnsaddr import parse_address
from mesh.runtime.mdns.pace import JITTER_S, QueryPace, SourceLimiter, Strangers
from mesh.runtime.mdns.sockets import MDNS_PORT, Datagram, Link, LinkSocket, MulticastSocket, explain, links_of
from mesh.runtime.mdns.table import PeerTable, Source
from wire.errors import DecodeError
from wire.rng import Rng

POLL_S = 1.0
ANNOUNCE_GAP_S = 1.0  # between the two unasked announcements, RFC 6762 §8.3
MIN_ANSWER_GAP_S = 1.0  # §6: a record is multicast at most once a second
FRESH_S = codec.TTL_S / 4  # §5.4: multicast this lately, a unicast answer is enough
RATE_PER_S, BURST, MAX_SOURCES = 50.0, 100.0, 512
MAX_OUTGOING = 128
GOODBYE_S = 0.5
RETRY_S = 0.2  # after a socket error

_LABEL_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_LABEL_SIZE = 32


@dataclass(slots=True)
class MdnsStats:
    """Packets and peers since the start."""

    received: int = 0
    sent: int = 0
    malformed: int = 0
    refused: int = 0  # well-formed answers that name no usable peer
    limited: int = 0  # over a sender's rate
    off_link: int = 0  # unicast from outside the LAN
    failed: int = 0  # could not be sent or read
    found: int = 0


@dataclass(frozen=True, slots=True)
class _Outgoing:
    data: bytes
    link: Link
    to: tuple[str, int] | None = None


class Mdns:
    """A running service, made by `open_mdns`."""

    def __init__(
        self,
        advertisement: Callable[[], Advertisement | None],
        found: Callable[[PeerFound], None],
        rng: Rng,
        interfaces: Callable[[], tuple[InterfaceAddress, ...]],
        open_socket: Callable[[int, int], LinkSocket],
        port: int,
    ) -> None:
        now = trio.current_time()
        self._advertisement = advertisement
        self._found = found
        self._rng = rng.split("timing")
        self._interfaces = interfaces
        self._open_socket = open_socket
        self._port = port
        naming = rng.split("name")
        self._label = "".join(naming.choice(_LABEL_ALPHABET) for _ in range(_LABEL_SIZE))
        self._own_key = codec.key_of(self._label)
        self._pace = QueryPace(rng.split("pace"), now)
        self._limiter = SourceLimiter(RATE_PER_S, BURST, MAX_SOURCES)
        self._table = PeerTable()
        self._sockets: dict[int, LinkSocket] = {}
        self._addresses: tuple[InterfaceAddress, ...] = ()
        self._links: tuple[Link, ...] = ()
        self._told: Advertisement | None = None
        self._announce_at: list[float] = []
        self._answer_at: dict[Link, float] = {}
        self._types_at: dict[Link, float] = {}
        self._multicast_at: dict[Link, float] = {}
        self._strangers = Strangers()
        self._next_poll = now
        self._wake = trio.Event()
        self._outbox, self._outgoing = trio.open_memory_channel[_Outgoing](MAX_OUTGOING)
        self.stats = MdnsStats()
        self.problems: tuple[str, ...] = ()

    def refresh(self) -> None:
        """Look at the interfaces and the advertisement now instead of at the next poll."""
        self._next_poll = trio.current_time()
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send)
            while True:
                now = trio.current_time()
                if now >= self._next_poll:
                    self._poll(now, nursery)
                self._speak(now)
                with trio.move_on_at(self._next_at()):
                    await self._wake.wait()
                self._wake = trio.Event()

    def _next_at(self) -> float:
        pending = [*self._announce_at, *self._answer_at.values(), *self._types_at.values()]
        return min([self._next_poll, self._pace.next_at, self._strangers.next_at(), *pending])

    def _poll(self, now: float, nursery: trio.Nursery) -> None:
        """Follow the interfaces and our own advertisement; a change of either is announced."""
        self._next_poll = now + POLL_S
        self._table.expire(now)
        addresses = self._interfaces()
        changed = addresses != self._addresses
        self._addresses, self._links = addresses, links_of(addresses)
        problems = self._open(nursery)
        for multicast in self._sockets.values():
            problems += multicast.follow(self._links)
        self.problems = tuple(problems)
        if changed:
            for pending in (self._answer_at, self._types_at, self._multicast_at):
                for link in [link for link in pending if link not in self._links]:
                    del pending[link]
            self._pace.restart(now)
        advertisement = self._advertisement()
        if advertisement != self._told or changed:
            self._announce_at = [now + self._rng.uniform(*JITTER_S) + step * ANNOUNCE_GAP_S for step in range(2)]
            if self._told is not None and advertisement is not None:
                self._remind(advertisement)
            self._told = advertisement

    def _open(self, nursery: trio.Nursery) -> list[str]:
        problems = []
        for version in (4, 6):
            if version in self._sockets or not any(link.version == version for link in self._links):
                continue
            try:
                self._sockets[version] = self._open_socket(version, self._port)
            except OSError as error:
                if (problem := explain(version, self._port, error)) is not None:
                    problems.append(problem)
                continue
            nursery.start_soon(self._receive, self._sockets[version])
        return problems

    def _remind(self, advertisement: Advertisement) -> None:
        """We say something new about ourselves: who was of no interest before may be now."""
        if self._told is not None and advertisement.attributes != self._told.attributes:
            for event in self._table.told():
                self._found(event)

    def _speak(self, now: float) -> None:
        """Queue all that is due."""
        if self._announce_at and now >= self._announce_at[0]:
            self._announce_at.pop(0)
            for link in self._links:
                self._answer_at[link] = now
        if any(not self._table.speaks(address) for address in self._strangers.due(now)) or self._pace.next_at <= now:
            own = None if self._told is None else self._label
            for link in self._links:
                self._queue(codec.build_query(own), link)
            self._pace.asked(now)
        for link in [link for link, due in self._answer_at.items() if due <= now]:
            del self._answer_at[link]
            if (data := self._response(link)) is not None:
                self._multicast_at[link] = now
                self._queue(data, link)
        for link in [link for link, due in self._types_at.items() if due <= now]:
            del self._types_at[link]
            self._queue(codec.build_types_response(), link)

    def _response(self, link: Link, query: Query | None = None, ttl_s: int = codec.TTL_S) -> bytes | None:
        """Our answer for `link`, or None when there is nothing to say there."""
        advertisement = self._told
        if advertisement is None:
            return None
        endpoints = [(address, parse_address(address)) for address in advertisement.addresses]
        far = tuple(address for address, endpoint in endpoints if endpoint and not endpoint.ip.is_loopback)
        if link.loopback:
            alone = all(other.loopback for other in self._links)
            addresses = advertisement.addresses if alone or len(far) < len(endpoints) else ()
        else:
            addresses = far
        if not addresses:
            return None
        return codec.build_response(self._label, replace(advertisement, addresses=addresses), ttl_s, query)

    def _queue(self, data: bytes, link: Link, to: tuple[str, int] | None = None) -> None:
        try:
            self._outbox.send_nowait(_Outgoing(data, link, to))
        except trio.WouldBlock:
            self.stats.failed += 1

    async def _send(self) -> None:
        async for outgoing in self._outgoing:
            await self._transmit(outgoing)

    async def _transmit(self, outgoing: _Outgoing) -> None:
        multicast = self._sockets.get(outgoing.link.version)
        if multicast is None:
            return
        try:
            await multicast.send(outgoing.data, outgoing.link, outgoing.to)
        except OSError:  # the interface went down or away: the next poll sees it
            self.stats.failed += 1
        else:
            self.stats.sent += 1

    async def _receive(self, multicast: LinkSocket) -> None:
        while True:
            try:
                datagram = await multicast.receive()
            except OSError:
                self.stats.failed += 1
                await trio.sleep(RETRY_S)
            else:
                self._take(datagram, trio.current_time())

    def _take(self, datagram: Datagram, now: float) -> None:
        """One packet from the network, whatever it is."""
        self.stats.received += 1
        if not self._limiter.allow(datagram.address, now):
            self.stats.limited += 1
            return
        if not datagram.multicast and not self._on_link(datagram):
            self.stats.off_link += 1
            return
        try:
            packet = codec.parse(datagram.data)
        except DecodeError:
            self.stats.malformed += 1
            return
        self.stats.refused += packet.refused
        local = any(entry.address == datagram.address for entry in self._addresses)
        source = Source(address=datagram.address, index=datagram.index, version=datagram.version, local=local)
        if packet.query is not None:
            self._asked(packet.query, datagram, now)
        for instance in packet.goodbyes:
            self._table.goodbye(instance)
        for announcement in packet.announcements:
            self._heard(announcement, source, now)

    def _heard(self, announcement: codec.Announcement, source: Source, now: float) -> None:
        if announcement.instance == self._own_key or (self._told and announcement.peer == self._told.peer):
            return
        event = self._table.heard(announcement, source, now)
        if event is not None:
            self.stats.found += 1
            self._found(event)

    def _on_link(self, datagram: Datagram) -> bool:
        ip = ip_address(datagram.address)
        return any(entry.index == datagram.index and entry.on_link(ip) for entry in self._addresses)

    def _asked(self, query: Query, datagram: Datagram, now: float) -> None:
        """Answer a question: by unicast where the asker wants or needs it, else by multicast a little later."""
        link = next(
            (link for link in self._links if (link.index, link.version) == (datagram.index, datagram.version)), None
        )
        if link is None or self._own_key in query.known:
            return
        legacy = datagram.port != self._port
        direct = (legacy or query.unicast) and self._on_link(datagram)
        to = (datagram.address, datagram.port)
        if query.types and (self._told is not None):
            if direct:
                self._queue(codec.build_types_response(query if legacy else None), link, to)
            else:
                self._types_at.setdefault(link, now + self._rng.uniform(*JITTER_S))
        if query.services:
            if not legacy and not self._table.speaks(datagram.address):
                self._strangers.asked_by(datagram.address, now)
            if direct and (data := self._response(link, query if legacy else None)) is not None:
                self._queue(data, link, to)
            last = self._multicast_at.get(link, now - FRESH_S)
            if not direct or (not legacy and now - last >= FRESH_S):
                due = max(now + self._rng.uniform(*JITTER_S), last + MIN_ANSWER_GAP_S)
                self._answer_at.setdefault(link, due)
        self._wake.set()

    async def close(self) -> None:
        """Say goodbye where we were heard, then free the sockets."""
        with trio.CancelScope(deadline=trio.current_time() + GOODBYE_S, shield=True):
            for link in self._multicast_at:
                if (data := self._response(link, ttl_s=0)) is not None:
                    await self._transmit(_Outgoing(data, link))
        for multicast in self._sockets.values():
            multicast.close()


@asynccontextmanager
async def open_mdns(
    advertisement: Callable[[], Advertisement | None],
    found: Callable[[PeerFound], None],
    rng: Rng,
    *,
    interfaces: Callable[[], tuple[InterfaceAddress, ...]] = interface_addresses,
    open_socket: Callable[[int, int], LinkSocket] = MulticastSocket,
    port: int = MDNS_PORT,
) -> AsyncIterator[Mdns]:
    """Discover and be discovered on the LAN while the context is open.

    `advertisement` is asked each second what to say of this node (None: only listen and ask); `found` is called for
    each peer that is news and must not block. `rng` must differ from node to node. A machine on which mDNS cannot
    work is no error: `problems` of the service says what is wrong, and the next poll tries again.
    """
    service = Mdns(advertisement, found, rng, interfaces, open_socket, port)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        try:
            yield service
        finally:
            nursery.cancel_scope.cancel()
            await service.close()
