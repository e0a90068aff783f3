"""A simulated LAN for the mDNS service: sockets that hand packets to each other, under trio's virtual clock.

Every host has interfaces with addresses; multicast sent on a link reaches all hosts (the sender too) that follow the
same network and IP version, unicast reaches the one that has the address. `log` keeps what was sent, with its time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

import trio

from mesh.runtime.interfaces import InterfaceAddress
from mesh.runtime.mdns.sockets import MDNS_PORT, Datagram, Link, links_of

ETH_INDEX = 2


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet as it left: `to` is None for multicast."""

    at: float
    host: str
    data: bytes
    link: Link
    to: tuple[str, int] | None


@dataclass(slots=True)
class FakeLan:
    """The wire, the hosts on it, and what was sent."""

    hosts: list[FakeHost] = field(default_factory=list)
    log: list[Sent] = field(default_factory=list)

    def host(self, name: str, *addresses: str) -> FakeHost:
        """A new host with loopback and these addresses on its one network interface."""
        host = FakeHost(self, name)
        host.readdress(*addresses)
        self.hosts.append(host)
        return host


class FakeHost:
    """A machine on the LAN; `interfaces` and `open_socket` fit `open_mdns`."""

    def __init__(self, lan: FakeLan, name: str) -> None:
        self.lan = lan
        self.name = name
        self.sockets: list[FakeSocket] = []
        self.broken = False
        self._addresses: tuple[InterfaceAddress, ...] = ()

    def readdress(self, *addresses: str) -> None:
        """From now on the host has these addresses, in /24 or /64 subnets, beside loopback."""
        eth = [
            InterfaceAddress(
                index=ETH_INDEX,
                interface="eth0",
                version=ip_address(address).version,
                address=address,
                prefix=24 if "." in address else 64,
            )
            for address in addresses
        ]
        loopback = InterfaceAddress(index=1, interface="lo", version=4, address="127.0.0.1", prefix=8)
        self._addresses = (loopback, *eth)

    def interfaces(self) -> tuple[InterfaceAddress, ...]:
        return self._addresses

    def has(self, address: str) -> bool:
        return any(entry.address == address for entry in self._addresses)

    def open_socket(self, version: int, port: int) -> FakeSocket:
        if self.broken:
            raise OSError(98, "Address already in use")
        return FakeSocket(self, version, port)

    def stranger(self, port: int = MDNS_PORT) -> FakeSocket:
        """A socket for a test that plays another program on this host."""
        own = FakeSocket(self, 4, port)
        own.follow(self.links())
        return own

    def links(self) -> tuple[Link, ...]:
        """The host's links, the network before loopback."""
        return links_of(self._addresses)


class FakeSocket:
    """A `LinkSocket` on the simulated LAN."""

    def __init__(self, host: FakeHost, version: int, port: int) -> None:
        self._host = host
        self.version = version
        self.port = port
        self._links: dict[int, bool] = {}
        self._inbox, self.arrived = trio.open_memory_channel[Datagram](math.inf)
        host.sockets.append(self)

    def follow(self, links: Iterable[Link]) -> list[str]:
        self._links = {link.index: True for link in links if link.version == self.version}
        return []

    async def send(self, data: bytes, link: Link, to: tuple[str, int] | None = None) -> None:
        await trio.lowlevel.checkpoint()
        lan = self._host.lan
        lan.log.append(Sent(trio.current_time(), self._host.name, data, link, to))
        for host in [self._host] if link.loopback else lan.hosts:
            for other in host.sockets:
                if to is None or (host.has(to[0]) and other.port == to[1]):
                    other.arrive(data, link, self.port, multicast=to is None)

    def arrive(self, data: bytes, link: Link, port: int, *, multicast: bool) -> None:
        """A packet comes in, if this socket is a member of the group there or is addressed."""
        if link.version == self.version and (link.index in self._links or not multicast):
            self._inbox.send_nowait(
                Datagram(
                    data=data,
                    address=link.address,
                    port=port,
                    version=link.version,
                    index=link.index,
                    multicast=multicast,
                )
            )

    async def receive(self) -> Datagram:
        return await self.arrived.receive()

    def close(self) -> None:
        self._host.sockets.remove(self)
