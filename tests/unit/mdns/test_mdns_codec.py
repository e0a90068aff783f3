"""Reading what every implementation sends, refusing what nobody should, and building what others can read."""

from __future__ import annotations

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.runtime.mdns import codec
from mesh.runtime.mdns.codec import Advertisement, Packet, Query
from tests.support.mdns_packets import (
    JS_QUERY,
    JS_RESPONSE,
    OTHER_PEER,
    PEER,
    SERVICE,
    announcement,
    dnsaddr,
    packet,
    quoted,
)
from wire.errors import DecodeError, RemoteError
from wire.ids import PeerId

FIRST, SECOND = "/ip4/192.0.2.1/tcp/4001", "/ip6/2001:db8::1/tcp/4001"
RUST_NAME = f"rustnode.{SERVICE}"
PY_NAME = f"pynode.{SERVICE}"
HERE = Advertisement(
    peer=PeerId(PEER), addresses=(FIRST, SECOND), attributes={"zm.fed": "ab" * 32, "zm.swarm": "red"}
)


def with_flush_bit(data: bytes) -> bytes:
    """The same packet with the cache-flush bit on its TXT records."""
    return data.replace(b"\x00\x10\x00\x01", b"\x00\x10\x80\x01")


RESPONSES = [
    pytest.param(JS_RESPONSE, ["/ip4/192.0.2.7/tcp/4001"], id="js: pointer and TXT records among the answers"),
    pytest.param(announcement([dnsaddr(FIRST), dnsaddr(SECOND)]), [FIRST, SECOND], id="go: several strings"),
    pytest.param(
        with_flush_bit(
            packet([(SERVICE, 120, "PTR", RUST_NAME)], [(RUST_NAME, 120, "TXT", quoted(f'"{dnsaddr(FIRST)}"'))])
        ),
        [FIRST],
        id="rust: quoted, cache flush",
    ),
    pytest.param(
        packet(
            [
                (SERVICE, 4500, "PTR", PY_NAME),
                (PY_NAME, 120, "SRV", "0 0 4001 pynode.local."),
                ("pynode.local.", 120, "A", "192.0.2.1"),
                (
                    PY_NAME,
                    4500,
                    "TXT",
                    f"{quoted(dnsaddr(FIRST))} {quoted(dnsaddr(SECOND).replace('dnsaddr', 'dnsaddr2'))}",
                ),
            ]
        ),
        [FIRST, SECOND],
        id="py: SRV and A beside it, numbered keys",
    ),
    pytest.param(
        packet(authority=[(PY_NAME, 120, "TXT", quoted(dnsaddr(FIRST)))]), [FIRST], id="anywhere, without a pointer"
    ),
    pytest.param(announcement([dnsaddr(FIRST).upper().replace(PEER.upper(), PEER)]), [], id="case of the address"),
]


@pytest.mark.parametrize(("data", "addresses"), RESPONSES)
def test_answers_of_every_implementation(data: bytes, addresses: list[str]) -> None:
    parsed = codec.parse(data)
    assert [str(endpoint) for one in parsed.announcements for endpoint in one.endpoints] == addresses
    assert {one.peer for one in parsed.announcements} <= {PEER}
    assert parsed.refused == (0 if addresses else 1)


@pytest.mark.parametrize(
    "strings",
    [
        pytest.param([dnsaddr(FIRST), dnsaddr(SECOND, OTHER_PEER)], id="two peers in one answer"),
        pytest.param([dnsaddr(FIRST, PEER[:-3])], id="no peer id"),
        pytest.param(["dnsaddr=/ip4/192.0.2.1/tcp/4001"], id="address without a peer"),
        pytest.param(["dnsaddr="], id="empty"),
        pytest.param(["zm.swarm=red"], id="attributes alone"),
        pytest.param(["dnsaddr=/dns4/evil.example/tcp/1/p2p/" + PEER], id="a name to look up"),
    ],
)
def test_refused_answers(strings: list[str]) -> None:
    assert codec.parse(announcement(strings)) == Packet(refused=1)


def test_too_many_addresses_are_cut() -> None:
    strings = [dnsaddr(f"/ip4/192.0.2.{host}/tcp/4001") for host in range(1, 31)]
    (one,) = codec.parse(announcement(strings)).announcements
    assert [endpoint.ip.packed[3] for endpoint in one.endpoints] == list(range(1, 17))


def test_attributes_are_printable_ours_and_few() -> None:
    strings = [dnsaddr(FIRST), "zm.swarm=röt", "zm.swarm=second", "zm.x", "other=1", "zm.esc=ESC"]
    strings += [f"zm.{number}=" for number in range(30)]
    data = announcement(strings).replace(b"=ESC", b"=\x1b[2")
    (one,) = codec.parse(data).announcements
    assert "zm.esc" not in one.attributes
    assert one.attributes["zm.swarm"] == "röt"
    assert len(one.attributes) == codec.MAX_ATTRIBUTES
    assert all(key.startswith("zm.") for key in one.attributes)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(announcement([dnsaddr(FIRST)], ttl_s=0), id="all records"),
        pytest.param(announcement([dnsaddr(FIRST)], pointer_ttl_s=0), id="the pointer"),
        pytest.param(packet([(SERVICE, 0, "PTR", f"abc.{SERVICE}")]), id="the pointer alone"),
    ],
)
def test_goodbyes(data: bytes) -> None:
    assert codec.parse(data) == Packet(goodbyes=(codec.key_of("abc"),))


@pytest.mark.parametrize(
    ("data", "query"),
    [
        pytest.param(JS_QUERY, Query(id=0, services=True, types=False, unicast=False), id="js"),
        pytest.param(
            JS_QUERY[:-2] + b"\x80\x01", Query(id=0, services=True, types=False, unicast=True), id="unicast wanted"
        ),
        pytest.param(
            JS_QUERY[:-4] + b"\x00\xff\x00\xff", Query(id=0, services=True, types=False, unicast=False), id="any"
        ),
        pytest.param(
            JS_QUERY.replace(b"p2p", b"P2P"), Query(id=0, services=True, types=False, unicast=False), id="case"
        ),
        pytest.param(
            dns.message.make_query("_services._dns-sd._udp.local.", "PTR", id=7, flags=0).to_wire(),
            Query(id=7, services=False, types=True, unicast=False),
            id="which kinds of service",
        ),
        pytest.param(JS_QUERY[:-4] + b"\x00\x01\x00\x01", None, id="an address is not ours to tell"),
        pytest.param(JS_QUERY[:-2] + b"\x00\x03", None, id="class chaos"),
        pytest.param(JS_QUERY.replace(b"\x04_udp", b"\x04_tcp"), None, id="another service"),
        pytest.param(bytes(12), None, id="empty"),
    ],
)
def test_queries(data: bytes, query: Query | None) -> None:
    assert codec.parse(data).query == query


def test_a_private_network_is_another_service() -> None:
    data = announcement([dnsaddr(FIRST)]).replace(b"\x04_p2p", b"\x04_p2q")
    assert codec.parse(data) == Packet()


def test_our_own_question_comes_back_as_known() -> None:
    query = codec.parse(codec.build_query("abc")).query
    assert query is not None
    assert query.known == {codec.key_of("abc")}
    assert codec.parse(codec.build_query()).query == Query(id=0, services=True, types=False, unicast=False)


def test_our_answer_reads_back() -> None:
    (one,) = codec.parse(codec.build_response("abc", HERE)).announcements
    assert (one.instance, one.peer, one.ttl_s) == (codec.key_of("abc"), PEER, codec.TTL_S)
    assert [str(endpoint) for endpoint in one.endpoints] == [FIRST, SECOND]
    assert one.attributes == HERE.attributes


def test_our_answer_has_the_form_of_the_spec() -> None:
    message = dns.message.from_wire(codec.build_response("abc", HERE))
    assert [rrset.to_text() for rrset in message.answer] == [f"{SERVICE} 120 IN PTR abc.{SERVICE}"]
    (text,) = message.additional
    assert text[0].strings[:2] == (dnsaddr(FIRST).encode(), dnsaddr(SECOND).encode())


def test_a_goodbye_reads_back() -> None:
    assert codec.parse(codec.build_response("abc", HERE, ttl_s=0)).goodbyes == (codec.key_of("abc"),)


def test_a_legacy_asker_gets_its_question_back_and_a_short_life() -> None:
    query = Query(id=4711, services=True, types=False, unicast=False)
    message = dns.message.from_wire(codec.build_response("abc", HERE, query=query))
    assert message.id == 4711
    assert message.question[0].to_text() == f"{SERVICE} IN PTR"
    assert {record.ttl for record in message.answer + message.additional} == {codec.LEGACY_TTL_S}
    assert message.additional[0].rdclass == 1
    types = dns.message.from_wire(codec.build_types_response(query))
    assert (types.id, types.answer[0][0].to_text()) == (4711, SERVICE)


def test_our_answer_always_fits_a_frame() -> None:
    addresses = tuple(f"/ip6/2001:db8:1111:2222:3333:4444:5555:{host:x}/tcp/65535" for host in range(40))
    crowded = Advertisement(
        peer=HERE.peer, addresses=addresses, attributes={"zm.swarm": "ü" * 300, "zm.project": "p"}
    )
    data = codec.build_response("a" * 63, crowded)
    assert len(data) <= 1_440
    (one,) = codec.parse(data).announcements
    assert len(one.endpoints) >= 8
    assert one.attributes == {"zm.swarm": "ü" * 123, "zm.project": "p"}


def test_what_cannot_be_dialled_is_not_advertised() -> None:
    odd = Advertisement(peer=HERE.peer, addresses=("/dns4/a.example/tcp/1", FIRST), attributes={})
    (one,) = codec.parse(codec.build_response("abc", odd)).announcements
    assert [str(endpoint) for endpoint in one.endpoints] == [FIRST]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(JS_RESPONSE[:11], id="less than a header"),
        pytest.param(JS_RESPONSE[:-5], id="cut"),
        pytest.param(JS_RESPONSE + bytes(codec.MAX_PACKET), id="oversize"),
        pytest.param(JS_RESPONSE[:4] + b"\xff\xff" + JS_RESPONSE[6:], id="65535 questions"),
        pytest.param(b"\x00\x00\x28\x00" + JS_RESPONSE[4:], id="another opcode"),
        pytest.param(JS_QUERY[:12] + b"\xc0\x0c\x04_p2p" + JS_QUERY[17:], id="a name that points at itself"),
    ],
)
def test_malformed_packets(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.parse(data)


SEEDS = [
    JS_RESPONSE,
    JS_QUERY,
    codec.build_response("abc", HERE),
    codec.build_query("abc"),
    announcement([dnsaddr(FIRST)]),
]


@given(st.binary(max_size=200).map(lambda tail: JS_QUERY[:12] + b"\x04_p2p" + tail) | st.binary(max_size=300))
def test_random_bytes_raise_only_remote_errors(data: bytes) -> None:
    _parse_anything(data)


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutated_packets_raise_only_remote_errors(seed: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    _parse_anything(bytes(data))


def _parse_anything(data: bytes) -> None:
    try:
        parsed = codec.parse(data)
    except RemoteError:
        return
    assert all(1 <= len(one.endpoints) <= codec.MAX_ADDRESSES for one in parsed.announcements)
