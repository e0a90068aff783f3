"""The multiaddrs that a person types, checked before anything starts and without the libp2p stack.

    /ip4/192.0.2.1/tcp/4150   /ip6/2001:db8::1/tcp/4150   /dns4/node.example.org/tcp/4150   /dnsaddr/example.org

each with or without `/p2p/<peer id>` at its end. Nodes speak TCP only, so other transports are refused by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from wire.ids import PeerId, node_key_of

_NAMES = ("dns", "dns4", "dns6")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")


@dataclass(frozen=True, slots=True)
class TypedAddress:
    """A checked address: `family` is ip4, ip6, dns, dns4, dns6 or dnsaddr (which has no port of its own)."""

    family: str
    host: str
    port: int | None
    peer: PeerId | None

    @property
    def address(self) -> str:
        """The multiaddr without its peer id."""
        return f"/{self.family}/{self.host}" + ("" if self.port is None else f"/tcp/{self.port}")

    def __str__(self) -> str:
        return self.address + ("" if self.peer is None else f"/p2p/{self.peer}")


def parse_typed(text: str) -> TypedAddress:
    """Take a multiaddr apart.

    Raises:
        ValueError: says what is wrong, as the end of a sentence.
    """
    if not text.startswith("/") or "%" in text:
        raise ValueError("not a multiaddr such as /ip4/192.0.2.1/tcp/4150")
    parts = text[1:].split("/")
    if len(parts) % 2:
        raise ValueError("a multiaddr is made of pairs such as /ip4/192.0.2.1")
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    peer = _peer(pairs.pop()[1]) if pairs[-1][0] == "p2p" else None
    if not pairs:
        raise ValueError("it names a peer but no address")
    (family, host), rest = pairs[0], pairs[1:]
    _check_host(family, host)
    if family == "dnsaddr" and not rest:
        return TypedAddress(family, host, None, peer)
    if family == "dnsaddr" or [name for name, _ in rest] != ["tcp"]:
        raise ValueError("after the host comes /tcp/PORT and nothing else (only TCP is spoken; /dnsaddr has no port)")
    port = rest[0][1]
    if not _PORT.fullmatch(port) or int(port) > 0xFFFF:
        raise ValueError("the port is a number from 0 to 65535")
    return TypedAddress(family, host, int(port), peer)


def _check_host(family: str, host: str) -> None:
    if family in ("ip4", "ip6"):
        try:
            IPv4Address(host) if family == "ip4" else IPv6Address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no {family} address") from None
    elif family in (*_NAMES, "dnsaddr"):
        if not _HOST_NAME.fullmatch(host):
            raise ValueError(f"{host!r} is no host name")
    else:
        raise ValueError(f"it starts with ip4, ip6, dns, dns4, dns6 or dnsaddr, not {family!r}")


def _peer(text: str) -> PeerId:
    peer = PeerId(text)
    if node_key_of(peer) is None:
        raise ValueError("what follows /p2p/ is no peer id (12D3Koo…)")
    return peer
