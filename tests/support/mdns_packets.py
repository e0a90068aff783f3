"""mDNS packets as the other libp2p implementations send them, and helpers to make hostile ones."""

from __future__ import annotations

from collections.abc import Sequence

import dns.message
import dns.rrset

SERVICE = "_p2p._udp.local."
PEER = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
OTHER_PEER = "12D3KooWNuH5S3nnyvcSUxCBAufjuEHh147yNbF7MiR7jTt4PS8M"

# What js-libp2p 3.3 (@libp2p/mdns 12) puts on the wire, byte for byte.
JS_QUERY = bytes.fromhex("000000000001000000000000045f703270045f756470056c6f63616c00000c0001")
JS_RESPONSE = bytes.fromhex(
    "000084000000000300000000045f703270045f756470056c6f63616c00000c0001000000780033216b326b347238786a736e6f64656e"
    "616d6530303030303030303030303030303030045f703270045f756470056c6f63616c00216b326b347238786a736e6f64656e616d65"
    "30303030303030303030303030303030045f703270045f756470056c6f63616c000010000100000078005958646e73616464723d2f69"
    "70342f3139322e302e322e372f7463702f343030312f7032702f313244334b6f6f5745796f70704e43557838597836366f5639664a6e"
    "726958774363587744445541326b6a36766e633669444570216b326b347238786a736e6f64656e616d65303030303030303030303030"
    "30303030045f703270045f756470056c6f63616c000010000100000078005c5b646e73616464723d2f6970342f3139322e302e322e37"
    "2f7463702f343030322f77732f7032702f313244334b6f6f5745796f70704e43557838597836366f5639664a6e726958774363587744"
    "445541326b6a36766e633669444570"
)


def dnsaddr(address: str, peer: str = PEER) -> str:
    """One TXT string as everyone writes it."""
    return f"dnsaddr={address}/p2p/{peer}"


def quoted(string: str) -> str:
    """`string` in the text form of a TXT record."""
    return '"' + string.replace("\\", "\\\\").replace('"', '\\"') + '"'


def packet(
    answer: Sequence[tuple[str, int, str, str]] = (),
    additional: Sequence[tuple[str, int, str, str]] = (),
    *,
    authority: Sequence[tuple[str, int, str, str]] = (),
    flags: int = 0x8400,
) -> bytes:
    """A packet with the given records, each (owner, ttl, type, text form of the data)."""
    message = dns.message.Message(id=0)
    message.flags = flags  # type: ignore[assignment]
    for section, records in (
        (message.answer, answer),
        (message.authority, authority),
        (message.additional, additional),
    ):
        for owner, ttl_s, kind, text in records:
            section.append(dns.rrset.from_text(owner, ttl_s, "IN", kind, text))
    return bytes(message.to_wire())


def announcement(
    strings: Sequence[str], instance: str = "abc", ttl_s: int = 120, pointer_ttl_s: int | None = None
) -> bytes:
    """A response with one pointer and one TXT record of several strings, as go-libp2p sends it."""
    owner = f"{instance}.{SERVICE}"
    return packet(
        [(SERVICE, ttl_s if pointer_ttl_s is None else pointer_ttl_s, "PTR", owner)],
        [(owner, ttl_s, "TXT", " ".join(quoted(string) for string in strings))],
    )
