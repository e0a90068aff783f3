"""The packets of libp2p's mDNS discovery: building and reading, no sockets.

A query asks `_p2p._udp.local. PTR`. A response has one PTR to `<random name>._p2p._udp.local.` in the answer section
and, for that name, one TXT record in the additional section with a `dnsaddr=<multiaddr>/p2p/<peer id>` string per
address (libp2p specs, discovery/mdns.md; RFC 6762, RFC 6763 §6). Our own `zm.…=` strings follow; others skip them.
Implementations differ, so reading is generous about where things are and strict about what they say:

* js-libp2p sends PTR and one TXT record per address, all in the answer section;
* rust-libp2p puts TXT into the additional section with the cache-flush bit, and may quote the string;
* go-libp2p sends several strings in one TXT record;
* py-libp2p adds SRV and A records, and numbers its strings `dnsaddr=`, `dnsaddr2=`, …

Why py-libp2p does not find js or rust peers: it leaves the reading to python-zeroconf's `ServiceInfo`, which counts a
service as resolved only when it also has the SRV host's A or AAAA record. libp2p's answers carry PTR and TXT alone,
so every lookup ends in a timeout (three times 5 s, in the browser's thread) and the peer is dropped, while its own
answers, which have those records, are found by everyone. Here the TXT strings alone make a peer known; SRV, A and
AAAA are not needed and not read.

A query lists our own name as a known answer (RFC 6762 §7.1). Others have no use for it, but the multicast loop hands
our queries back to us, and this is how we see that they are ours and need no answer.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT
import dns.rrset

from mesh.runtime.mdns.dnsaddr import Endpoint, parse_address, parse_dnsaddr
from wire.errors import DecodeError, Offence
from wire.ids import PeerId

SERVICE = "_p2p._udp.local."
SERVICE_NAME = dns.name.from_text(SERVICE)
META_NAME = dns.name.from_text("_services._dns-sd._udp.local.")

MAX_PACKET = 9_000  # bytes, RFC 6762 §17
MAX_RECORDS = 128  # in one packet, questions included
MAX_ADDRESSES = 16  # taken from one announcement
MAX_ATTRIBUTES = 16
MAX_STRING = 255  # bytes of one TXT string, RFC 1035 §3.3
TEXT_BUDGET = 1_200  # bytes of strings in our own TXT record: the packet then fits an Ethernet frame
TTL_S = 120
LEGACY_TTL_S = 10  # RFC 6762 §6.7
ATTRIBUTE_PREFIX = "zm."

_TOP_BIT = 0x8000  # of a class: unicast answer wanted (question, §5.4), cache flush (record, §10.2)
_IN, _ANY_CLASS = 1, 255
_HEADER = struct.Struct("!6H")
_RESPONSE, _OPCODE = 0x8000, 0x7800
_DNSADDR = re.compile(r"dnsaddr\d*=(.*)", re.IGNORECASE)
# A packet without one of these labels cannot concern us; most of a LAN's mDNS traffic ends here, unparsed.
_OUR_LABELS = (b"\x04_p2p", b"\x09_services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advertisement:
    """What a node tells the LAN: multiaddrs without `/p2p/…`, best first, and attributes named `zm.…`."""

    peer: PeerId
    addresses: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question that concerns us. `known` are the instances that the asker need not be told."""

    id: int
    services: bool  # asks for libp2p peers
    types: bool  # asks which kinds of service exist
    unicast: bool
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One peer as its answer describes it; `instance` is the name of the answer, chosen by the peer."""

    instance: str
    peer: PeerId
    endpoints: tuple[Endpoint, ...]
    attributes: Mapping[str, str]
    ttl_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What a packet says that concerns us. `refused` counts announcements that made no sense."""

    query: Query | None = None
    announcements: tuple[Announcement, ...] = ()
    goodbyes: tuple[str, ...] = ()
    refused: int = 0


def instance_name(label: str) -> dns.name.Name:
    """The full name of the instance `label` (at most 63 characters of a–z, 0–9)."""
    return dns.name.Name((label.encode(), *SERVICE_NAME.labels))


def _pointer(owner: dns.name.Name, target: dns.name.Name, ttl_s: int) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(owner, ttl_s, dns.rdtypes.ANY.PTR.PTR(_IN, dns.rdatatype.PTR, target))


def _text(owner: dns.name.Name, strings: list[bytes], ttl_s: int, record_class: int) -> dns.rrset.RRset:
    return dns.rrset.from_rdata(owner, ttl_s, dns.rdtypes.ANY.TXT.TXT(record_class, dns.rdatatype.TXT, strings))


def build_query(own: str | None = None) -> bytes:
    """The question for all libp2p peers; `own` is the label that needs no answer."""
    message = dns.message.Message(id=0)
    message.flags = dns.flags.Flag(0)
    message.question.append(dns.rrset.RRset(SERVICE_NAME, _IN, dns.rdatatype.PTR))
    if own is not None:
        message.answer.append(_pointer(SERVICE_NAME, instance_name(own), TTL_S))
    return bytes(message.to_wire())


def build_response(label: str, advertisement: Advertisement, ttl_s: int = TTL_S, query: Query | None = None) -> bytes:
    """The answer that describes us; with `ttl_s` 0 it is a goodbye (RFC 6762 §10.1).

    With `query` it is an answer to a legacy asker (§6.7): id and question repeated, a short life, no cache flush.
    Attribute values are cut to what a TXT string holds; addresses that no longer fit the frame are left out.
    """
    owner = instance_name(label)
    message = _response(query)
    if query is not None:
        message.question.append(dns.rrset.RRset(SERVICE_NAME, _IN, dns.rdatatype.PTR))
        ttl_s = min(ttl_s, LEGACY_TTL_S)
    record_class = _IN if query is not None else _IN | _TOP_BIT
    message.answer.append(_pointer(SERVICE_NAME, owner, ttl_s))
    message.additional.append(_text(owner, _strings(advertisement), ttl_s, record_class))
    return bytes(message.to_wire())


def build_types_response(query: Query | None = None) -> bytes:
    """The answer to "which kinds of service are here" (RFC 6763 §9)."""
    message = _response(query)
    if query is not None:
        message.question.append(dns.rrset.RRset(META_NAME, _IN, dns.rdatatype.PTR))
    message.answer.append(_pointer(META_NAME, SERVICE_NAME, LEGACY_TTL_S if query is not None else TTL_S))
    return bytes(message.to_wire())


def _response(query: Query | None) -> dns.message.Message:
    message = dns.message.Message(id=0 if query is None else query.id)
    message.flags = dns.flags.QR | dns.flags.AA
    return message


def _strings(advertisement: Advertisement) -> list[bytes]:
    attributes = [_cut(f"{key}={value}") for key, value in sorted(advertisement.attributes.items())]
    room = TEXT_BUDGET - sum(1 + len(string) for string in attributes)
    addresses = []
    for address in advertisement.addresses[:MAX_ADDRESSES]:
        string = f"dnsaddr={address}/p2p/{advertisement.peer}".encode()
        if parse_address(address) is not None and len(string) <= MAX_STRING and len(string) < room:
            addresses.append(string)
            room -= 1 + len(string)
    return addresses + attributes or [b""]


def _cut(text: str) -> bytes:
    """`text` in UTF-8, cut between characters to fit a TXT string."""
    return text.encode()[:MAX_STRING].decode(errors="ignore").encode()


def parse(data: bytes) -> Packet:
    """Read a packet from the wire. Raises DecodeError when it is not DNS, or over a stated bound."""
    if len(data) > MAX_PACKET:
        raise DecodeError(f"an mDNS packet of {len(data)} bytes", Offence.OVERSIZE)
    if len(data) < _HEADER.size:
        raise DecodeError("shorter than a DNS header")
    lowered = data.lower()
    if not any(label in lowered for label in _OUR_LABELS):
        return Packet()
    _, flags, *counts = _HEADER.unpack_from(data)
    if flags & _OPCODE or sum(counts) > MAX_RECORDS:
        raise DecodeError(f"flags {flags:#06x}, records {counts}")
    try:
        message = dns.message.from_wire(data, one_rr_per_rrset=True, ignore_trailing=True)
    except Exception as error:  # the parser meets hostile bytes: whatever it raises means the same
        raise DecodeError(f"not DNS: {type(error).__name__}") from error
    return _response_of(message) if flags & _RESPONSE else Packet(query=_query_of(message))


def _query_of(message: dns.message.Message) -> Query | None:
    services = types = unicast = False
    for question in message.question:
        if question.rdclass & ~_TOP_BIT not in (_IN, _ANY_CLASS):
            continue
        if question.rdtype not in (dns.rdatatype.PTR, dns.rdatatype.ANY):
            continue
        services = services or question.name == SERVICE_NAME
        types = types or question.name == META_NAME
        unicast = unicast or bool(question.rdclass & _TOP_BIT)
    if not services and not types:
        return None
    known = frozenset(
        _key(target) for target, ttl_s in _pointers(message.answer) if ttl_s * 2 >= TTL_S
    )  # §7.1: an answer that is half worn out is told anew
    return Query(id=message.id, services=services, types=types, unicast=unicast, known=known)


def _key(name: dns.name.Name) -> str:
    return str(name.canonicalize())


def key_of(label: str) -> str:
    """The form in which the instance `label` appears in parsed packets."""
    return _key(instance_name(label))


def _pointers(section: list[dns.rrset.RRset]) -> Iterator[tuple[dns.name.Name, int]]:
    """Targets and TTLs of the section's pointers to libp2p instances."""
    for record in section:
        if record.rdtype == dns.rdatatype.PTR and record.name == SERVICE_NAME:
            for rdata in record:
                if rdata.target.is_subdomain(SERVICE_NAME):
                    yield rdata.target, record.ttl


def _response_of(message: dns.message.Message) -> Packet:
    records = [record for section in (message.answer, message.authority, message.additional) for record in section]
    gone = {_key(target): True for target, ttl_s in _pointers(records) if ttl_s == 0}
    texts: dict[str, list[bytes]] = {}
    lives: dict[str, int] = {}
    for record in records:
        if record.rdtype != dns.rdatatype.TXT or not record.name.is_subdomain(SERVICE_NAME):
            continue
        key = _key(record.name)
        lives[key] = min(record.ttl, lives.get(key, record.ttl))
        texts.setdefault(key, []).extend(string for rdata in record for string in rdata.strings)
    gone |= {key: True for key, ttl_s in lives.items() if ttl_s == 0}
    announcements = []
    refused = 0
    for key, strings in texts.items():
        if key in gone:
            continue
        announcement = _announcement(key, strings, lives[key])
        if announcement is None:
            refused += 1
        else:
            announcements.append(announcement)
    return Packet(announcements=tuple(announcements), goodbyes=tuple(gone), refused=refused)


def _announcement(instance: str, strings: list[bytes], ttl_s: int) -> Announcement | None:
    """The peer that `strings` describe: None when no address is usable, or when they name more than one peer."""
    endpoints: dict[Endpoint, PeerId] = {}
    attributes: dict[str, str] = {}
    for string in strings:
        try:
            text = string.decode().strip('"')
        except UnicodeDecodeError:
            continue
        if match := _DNSADDR.fullmatch(text):
            if (parsed := parse_dnsaddr(match[1])) is not None and len(endpoints) < MAX_ADDRESSES:
                endpoints[parsed[1]] = parsed[0]
        elif text.startswith(ATTRIBUTE_PREFIX) and "=" in text and text.isprintable():
            key, _, value = text.partition("=")
            if len(attributes) < MAX_ATTRIBUTES:
                attributes.setdefault(key, value)
    peers = list(dict.fromkeys(endpoints.values()))
    if len(peers) != 1:
        return None
    return Announcement(
        instance=instance, peer=peers[0], endpoints=tuple(endpoints), attributes=attributes, ttl_s=ttl_s
    )
