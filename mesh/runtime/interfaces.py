"""Which addresses this machine has, and where others can reach them.

The kernel is asked anew each time (`getifaddrs`, under a millisecond), so that whoever polls sees a laptop change
networks. An address is of one of three scopes: loopback (this machine only), link-local (needs a zone to be dialled,
so it is good for multicast but never advertised in IPv6), or global (anything else, private ranges included).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import ifaddr


class Scope(StrEnum):
    """How far an address reaches."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class InterfaceAddress:
    """One address of one interface; `index` is the kernel's number of the interface, `prefix` is in bits."""

    index: int
    interface: str
    version: int
    address: str
    prefix: int

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address as a number."""
        return ip_address(self.address)

    @property
    def scope(self) -> Scope:
        """How far the address reaches."""
        return scope_of(self.ip)

    def on_link(self, ip: IPv4Address | IPv6Address) -> bool:
        """Whether `ip` is in the subnet of this address."""
        return ip.version == self.version and ip in ip_interface(f"{self.address}/{self.prefix}").network


def scope_of(ip: IPv4Address | IPv6Address) -> Scope:
    """The scope of `ip`."""
    if ip.is_loopback:
        return Scope.LOOPBACK
    return Scope.LINK_LOCAL if ip.is_link_local else Scope.GLOBAL


def interface_addresses() -> tuple[InterfaceAddress, ...]:
    """All addresses of all interfaces that the kernel knows now, in a fixed order.

    Empty when the kernel refuses (no network at all, or a sandbox).
    """
    try:
        adapters = list(ifaddr.get_adapters())
    except OSError:
        return ()
    found = []
    for adapter in adapters:
        for entry in adapter.ips:
            if adapter.index is None:
                continue
            address = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            found.append(
                InterfaceAddress(
                    index=adapter.index,
                    interface=adapter.name,
                    version=4 if isinstance(entry.ip, str) else 6,
                    address=address.partition("%")[0],
                    prefix=entry.network_prefix,
                )
            )
    return tuple(sorted(found))


def dialable(addresses: Iterable[InterfaceAddress], version: int | None = None) -> tuple[str, ...]:
    """The addresses to tell others: IPv4 before IPv6, both families unless `version` names one.

    Link-local ones are left out (an IPv6 one means nothing without a zone), and loopback ones count only when the
    machine has nothing else: a node alone on its machine is still reachable from that machine.
    """
    candidates = [entry for entry in addresses if version in (None, entry.version)]
    by_scope = {scope: [entry for entry in candidates if entry.scope is scope] for scope in Scope}
    chosen = by_scope[Scope.GLOBAL] or by_scope[Scope.LOOPBACK]
    return tuple(dict.fromkeys(entry.address for entry in sorted(chosen, key=lambda entry: entry.version)))
