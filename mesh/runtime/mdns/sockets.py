"""One UDP socket per IP version that hears and speaks multicast DNS on every interface (Linux).

Both share port 5353 with whoever else speaks mDNS on this machine (avahi, other nodes): SO_REUSEADDR and
SO_REUSEPORT let all bind, and the kernel gives each of them every multicast packet. A unicast packet goes to only one
of them, which is why we never ask for unicast answers. Membership is per interface; packet info tells on which one a
packet came in and to which address, and chooses the one that a packet leaves by, so that interfaces may come and go
without a socket of their own.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import trio

from mesh.runtime.interfaces import InterfaceAddress, Scope
from mesh.runtime.mdns.codec import MAX_PACKET

MDNS_PORT = 5353
GROUPS = {4: "224.0.0.251", 6: "ff02::fb"}
MAX_LINKS = 32
HOPS = 255  # RFC 6762 §11

# Linux constants that the socket module of Python 3.11 does not name (linux/in.h, linux/in6.h).
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29

_MREQN = struct.Struct("=4s4si")  # group, local address (any), interface index
_MREQ6 = struct.Struct("=16si")  # group, interface index
_PKTINFO4 = struct.Struct("=i4s4s")  # interface index, local address, destination in the header
_PKTINFO6 = struct.Struct("=16si")  # destination (source when sending), interface index
_ANCILLARY_ROOM = 256
_NOT_AVAILABLE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Link:
    """An interface in one IP version: where a packet may be sent. `address` becomes the IPv4 source."""

    index: int
    version: int
    address: str
    loopback: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    """A received packet: who sent it, and how it came here."""

    data: bytes
    address: str
    port: int
    version: int
    index: int
    multicast: bool  # sent to the group, not to one of our addresses


def links_of(addresses: Iterable[InterfaceAddress]) -> tuple[Link, ...]:
    """The links of these addresses, at most MAX_LINKS, loopback last. Loopback carries multicast in IPv4 only."""
    links: dict[tuple[int, int], Link] = {}
    for entry in addresses:
        key = (entry.index, entry.version)
        if entry.scope is Scope.LOOPBACK and entry.version == 6:
            continue
        link = Link(
            index=entry.index,
            version=entry.version,
            address=entry.address,
            loopback=entry.scope is Scope.LOOPBACK,
        )
        links.setdefault(key, link)
    return tuple(sorted(links.values(), key=lambda link: (link.loopback, link))[:MAX_LINKS])


class LinkSocket(Protocol):
    """What the service needs of a socket of one IP version; tests put a simulated LAN in its place."""

    def follow(self, links: Iterable[Link]) -> list[str]: ...
    async def send(self, data: bytes, link: Link, to: tuple[str, int] | None = None) -> None: ...
    async def receive(self) -> Datagram: ...
    def close(self) -> None: ...


class MulticastSocket:
    """The mDNS socket of one IP version. Raises OSError when it cannot be made."""

    def __init__(self, version: int, port: int) -> None:
        self.version = version
        self._port = port
        self._group = GROUPS[version]
        self._joined: dict[int, bool] = {}
        plain = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._configure(plain)
            plain.bind(("" if version == 4 else "::", port))
        except OSError:
            plain.close()
            raise
        self._socket = trio.socket.from_stdlib_socket(plain)

    def _configure(self, plain: socket.socket) -> None:
        if self.version == 4:
            plain.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            plain.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            plain.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
            plain.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
        else:
            plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            plain.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
            plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
            plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)

    def follow(self, links: Iterable[Link]) -> list[str]:
        """Be a member of the group on exactly these links; what could not be joined, as text."""
        wanted = {link.index: True for link in links if link.version == self.version}
        self._joined = {index: True for index in self._joined if index in wanted}
        failures = []
        for index in wanted:
            if index in self._joined:
                continue
            try:
                self._join(index)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:  # in use: a member already
                    failures.append(f"IPv{self.version}, interface {index}: {error.strerror}")
                    continue
            self._joined[index] = True
        return failures

    def _join(self, index: int) -> None:
        if self.version == 4:
            request = _MREQN.pack(socket.inet_aton(self._group), bytes(4), index)
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
        else:
            request = _MREQ6.pack(socket.inet_pton(socket.AF_INET6, self._group), index)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)

    async def send(self, data: bytes, link: Link, to: tuple[str, int] | None = None) -> None:
        """Send `data` out of `link`, to the group or to one address and port. Raises OSError."""
        host, port = to if to is not None else (self._group, self._port)
        if self.version == 4:
            info = _PKTINFO4.pack(link.index, socket.inet_aton(link.address), bytes(4))
            await self._socket.sendmsg([data], [(socket.IPPROTO_IP, _IP_PKTINFO, info)], 0, (host, port))
        else:
            info = _PKTINFO6.pack(bytes(16), link.index)
            ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]
            await self._socket.sendmsg([data], ancillary, 0, (host, port, 0, link.index))

    async def receive(self) -> Datagram:
        """The next packet; one that was cut for its size comes back longer than MAX_PACKET."""
        data, ancillary, _, sender = await self._socket.recvmsg(MAX_PACKET + 1, _ANCILLARY_ROOM)
        index, multicast = 0, False
        for level, kind, info in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                index, _, destination = _PKTINFO4.unpack(info[: _PKTINFO4.size])
                multicast = destination[0] >> 4 == 0xE
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                destination, index = _PKTINFO6.unpack(info[: _PKTINFO6.size])
                multicast = destination[0] == 0xFF
        return Datagram(
            data=data,
            address=sender[0].partition("%")[0],
            port=sender[1],
            version=self.version,
            index=index,
            multicast=multicast,
        )

    def close(self) -> None:
        """Leave all groups and free the port."""
        self._socket.close()


def explain(version: int, port: int, error: OSError) -> str | None:
    """Why there is no socket of this IP version, or None when the machine simply lacks it."""
    if error.errno in _NOT_AVAILABLE:
        return None
    return f"IPv{version}: cannot listen on UDP port {port}: {error.strerror}"
