"""What an mDNS answer may say about a peer: `dnsaddr=/ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…`.

Only what a node can dial on a LAN passes: an IP address and a TCP port, then the peer id and nothing more. DNS names
are left out (a hostile answer would choose what we look up), as are relays, browser transports and QUIC. The check is
syntactic and needs no multiaddr library; who really listens there is proven by the handshake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import base58

from wire.ids import PeerId

MAX_VALUE = 255 - len("dnsaddr=")

_SHAPE = re.compile(r"/(ip4|ip6)/([0-9a-fA-F.:]{2,45})/tcp/([1-9][0-9]{0,4})")
_PEER_ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,64}")
_FAMILIES: dict[str, type[IPv4Address] | type[IPv6Address]] = {"ip4": IPv4Address, "ip6": IPv6Address}

# Multihash prefixes of a peer id (peer-ids spec): an inlined key (identity, up to 42 bytes) or its SHA-256.
_IDENTITY, _SHA2_256, _MAX_INLINE, _SHA2_256_SIZE = 0x00, 0x12, 42, 32


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address and a TCP port; `str()` is its multiaddr."""

    ip: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        return f"/ip{self.ip.version}/{self.ip}/tcp/{self.port}"


def is_peer_id(text: str) -> bool:
    """Whether `text` is a peer id in its usual form, base58 of an identity or SHA-256 multihash."""
    if not _PEER_ID.fullmatch(text):
        return False
    raw = base58.b58decode(text)
    code, size = raw[0], raw[1]
    if size != len(raw) - 2:
        return False
    return size <= _MAX_INLINE if code == _IDENTITY else code == _SHA2_256 and size == _SHA2_256_SIZE


def parse_address(address: str) -> Endpoint | None:
    """The endpoint that the multiaddr `address` (without a peer id) names, or None when it is of another kind."""
    match = _SHAPE.fullmatch(address)
    if match is None:
        return None
    family, host, port = match.groups()
    try:
        ip = _FAMILIES[family](host)
    except ValueError:
        return None
    if ip.is_multicast or int(port) > 0xFFFF:
        return None
    return Endpoint(ip, int(port))


def parse_dnsaddr(value: str) -> tuple[PeerId, Endpoint] | None:
    """The peer and endpoint of a `dnsaddr` value, or None when it is not one that can be used."""
    address, separator, peer = value.rpartition("/p2p/")
    if not separator or len(value) > MAX_VALUE or not is_peer_id(peer):
        return None
    endpoint = parse_address(address)
    return None if endpoint is None else (PeerId(peer), endpoint)


def from_here(endpoint: Endpoint, source: str, local: bool) -> Endpoint | None:
    """`endpoint` as it looks from this machine when the packet came from `source`; None when it cannot be reached.

    Some implementations advertise the wildcard that they listen on; the sender's own address is meant. A loopback
    address means something only when the sender is on this machine (`local`). IPv6 link-local needs a zone.
    """
    ip = endpoint.ip
    if ip.is_unspecified:
        ip = ip_address(source)
        if ip.version != endpoint.ip.version:
            return None
    if (ip.is_loopback and not local) or (ip.version == 6 and ip.is_link_local):
        return None
    return Endpoint(ip, endpoint.port)
