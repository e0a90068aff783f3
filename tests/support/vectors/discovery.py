"""Vectors of discovery on a LAN: the packets that a node sends, and what it makes of those of others."""

from __future__ import annotations

from mesh.runtime.mdns.codec import (
    TTL_S,
    Advertisement,
    Announcement,
    build_query,
    build_response,
    parse,
)
from tests.support.mdns_packets import JS_RESPONSE, OTHER_PEER, SERVICE, announcement, dnsaddr, packet, quoted
from tests.support.protocol_examples import NODE
from tests.support.vectors.form import File, Section, Vector
from tests.support.vectors.scene import genesis
from wire.errors import Offence
from wire.ids import peer_id_of

_LABEL = "0123456789abcdefghijklmnopqrstuv"
_ADDRESSES = ("/ip4/192.0.2.7/tcp/4150", "/ip6/2001:db8::7/tcp/4150")


def mdns() -> File:
    """mDNS packets."""
    return File(
        name="mdns",
        about="mDNS packets of discovery on a LAN.",
        sections=[
            Section(
                name="queries",
                about="The question for all libp2p peers; `label` is the asker's own, named as a known answer.",
                vectors=[
                    Vector(name="with a label", about="As a node asks.", given={"label": _LABEL},
                           out={"packet": build_query(_LABEL)}),
                    Vector(name="bare", about="As one asks that announces nothing; js-libp2p asks so, too.",
                           given={"label": None}, out={"packet": build_query()}),
                ],
            ),
            Section(
                name="responses",
                about="The answer that describes a node. With TTL 0 it is a goodbye.",
                vectors=[
                    _response("of a member", {
                        "zm.fed": genesis().federation_id.hex(), "zm.fedname": "acme",
                        "zm.project": "shop", "zm.swarm": "alpha",
                    }),
                    _response("of a node without a federation", {"zm.project": "shop", "zm.swarm": "alpha"}),
                    _response("a goodbye", {}, ttl_s=0),
                ],
            ),
            Section(
                name="heard",
                about="Packets as other programs send them, and the peer that is found.",
                vectors=[_heard(*case) for case in _others()],
            ),
            Section(
                name="refused announcements",
                about="Packets that are read, and whose announcement is taken from nobody.",
                vectors=[
                    Vector(name="two peers", about="One answer speaks of one peer.", refused="ignored", given={
                        "packet": announcement([dnsaddr(_ADDRESSES[0]), dnsaddr(_ADDRESSES[1], OTHER_PEER)])}),
                    Vector(name="no TCP", about="Only TCP over an IP address.", refused="ignored", given={
                        "packet": announcement([dnsaddr("/ip4/192.0.2.7/udp/4150/quic-v1")])}),
                    Vector(name="no address", about="Attributes alone are no peer.", refused="ignored", given={
                        "packet": announcement(["zm.swarm=alpha"])}),
                ],
            ),
            Section(
                name="refused packets",
                about="Packets that are not read.",
                vectors=[
                    Vector(name="cut short", about="Not DNS.", given={"packet": JS_RESPONSE[:60]},
                           refused=Offence.DECODE),
                    Vector(name="129 records", about="128 at most.", refused=Offence.DECODE, given={
                        "packet": packet([(SERVICE, TTL_S, "PTR", f"{n}.{SERVICE}") for n in range(129)])}),
                ],
            ),
        ],
    )  # fmt: skip


def _response(name: str, attributes: dict[str, str], ttl_s: int = TTL_S) -> Vector:
    advertised = Advertisement(peer=peer_id_of(NODE.public), addresses=_ADDRESSES, attributes=attributes)
    return Vector(
        name=name,
        about="One PTR in the answer section, one TXT in the additional section.",
        given={
            "label": _LABEL,
            "peer": advertised.peer,
            "addresses": advertised.addresses,
            "attributes": advertised.attributes,
            "ttl_s": ttl_s,
        },
        out={"packet": build_response(_LABEL, advertised, ttl_s)},
    )


def _others() -> list[tuple[str, bytes, str]]:
    owner = f"rust.{SERVICE}"
    in_quotes = quoted(quoted(dnsaddr(_ADDRESSES[0])))
    return [
        ("js-libp2p", JS_RESPONSE, "One TXT record per address, in the answer section; a WebSocket is left out."),
        ("go-libp2p", announcement([dnsaddr(one) for one in _ADDRESSES]), "Several strings in one TXT record."),
        (
            "rust-libp2p",
            packet([(SERVICE, TTL_S, "PTR", owner)], [(owner, TTL_S, "TXT", in_quotes)]),
            "The string in quotes.",
        ),
        (
            "py-libp2p",
            announcement([dnsaddr(_ADDRESSES[0]), "dnsaddr2=" + dnsaddr(_ADDRESSES[1]).partition("=")[2]]),
            "Strings with a number.",
        ),
    ]


def _heard(name: str, received: bytes, about: str) -> Vector:
    (found,) = parse(received).announcements
    return Vector(name=name, about=about, given={"packet": received}, out=heard(found))


def heard(found: Announcement) -> dict[str, object]:
    """What a vector says of an announcement."""
    return {
        "peer": found.peer,
        "addresses": [str(endpoint) for endpoint in found.endpoints],
        "attributes": found.attributes,
        "ttl_s": found.ttl_s,
    }
