"""Which dnsaddr strings name a peer that can be dialled, and how an address looks from here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.runtime.mdns.dnsaddr import Endpoint, from_here, is_peer_id, parse_address, parse_dnsaddr
from tests.support.mdns_packets import PEER


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        pytest.param("/ip4/192.0.2.1/tcp/4001", "/ip4/192.0.2.1/tcp/4001", id="ip4"),
        pytest.param("/ip6/2001:DB8:0::1/tcp/1", "/ip6/2001:db8::1/tcp/1", id="ip6 is normalised"),
        pytest.param("/ip4/0.0.0.0/tcp/65535", "/ip4/0.0.0.0/tcp/65535", id="the wildcard has a meaning"),
    ],
)
def test_usable_addresses(address: str, canonical: str) -> None:
    assert str(parse_address(address)) == canonical


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("", id="empty"),
        pytest.param("/ip4/192.0.2.1/udp/4001/quic-v1", id="quic"),
        pytest.param("/ip4/192.0.2.1/tcp/4001/ws", id="websocket"),
        pytest.param("/ip4/192.0.2.1/tcp/4001/p2p-circuit", id="relay"),
        pytest.param("/dns4/example.org/tcp/4001", id="a name to look up"),
        pytest.param("/ip4/192.0.2.256/tcp/4001", id="no such ip"),
        pytest.param("/ip4/::1/tcp/4001", id="wrong family"),
        pytest.param("/ip6/fe80::1%eth0/tcp/4001", id="zone"),
        pytest.param("/ip4/224.0.0.251/tcp/4001", id="multicast"),
        pytest.param("/ip4/192.0.2.1/tcp/0", id="port zero"),
        pytest.param("/ip4/192.0.2.1/tcp/65536", id="port too large"),
        pytest.param("/ip4/192.0.2.1/tcp/4001\n", id="newline"),
        pytest.param("/ip4/192.0.2.1/tcp/٤٠٠١", id="digits of another script"),
    ],
)
def test_unusable_addresses(address: str) -> None:
    assert parse_address(address) is None


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        pytest.param(PEER, True, id="ed25519"),
        pytest.param("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", True, id="sha-256, as RSA peers have"),
        pytest.param("16Uiu2HAm6HVsLSvpNBUM8T7aD9sb57aj1ZD5DA4KgDVAgw9wLodP", True, id="secp256k1"),
        pytest.param(PEER[:-1], False, id="cut short"),
        pytest.param(PEER + "1", False, id="too long"),
        pytest.param(PEER.replace("K", "0"), False, id="not base58"),
        pytest.param("1" * 40, False, id="leading zeros only"),
        pytest.param("", False, id="empty"),
    ],
)
def test_peer_ids(text: str, valid: bool) -> None:
    assert is_peer_id(text) is valid


def test_a_dnsaddr_needs_its_peer() -> None:
    assert parse_dnsaddr(f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}") is not None
    assert parse_dnsaddr("/ip4/192.0.2.1/tcp/4001") is None
    assert parse_dnsaddr(f"/p2p/{PEER}") is None
    assert parse_dnsaddr(f"/ip4/192.0.2.1/tcp/4001/p2p/{PEER}/p2p-circuit/p2p/{PEER}") is None


@pytest.mark.parametrize(
    ("address", "source", "local", "expected"),
    [
        pytest.param("/ip4/192.0.2.1/tcp/1", "192.0.2.9", False, "/ip4/192.0.2.1/tcp/1", id="as it is"),
        pytest.param(
            "/ip4/0.0.0.0/tcp/1", "192.0.2.9", False, "/ip4/192.0.2.9/tcp/1", id="wildcard means the sender"
        ),
        pytest.param("/ip6/::/tcp/1", "192.0.2.9", False, None, id="wildcard of the other family"),
        pytest.param("/ip6/::/tcp/1", "fe80::9", False, None, id="wildcard, sender has no dialable address"),
        pytest.param("/ip4/127.0.0.1/tcp/1", "192.0.2.9", False, None, id="another machine's loopback"),
        pytest.param("/ip4/127.0.0.1/tcp/1", "192.0.2.9", True, "/ip4/127.0.0.1/tcp/1", id="our loopback"),
        pytest.param("/ip6/fe80::1/tcp/1", "fe80::1", False, None, id="link-local without a zone"),
    ],
)
def test_how_an_address_looks_from_here(address: str, source: str, local: bool, expected: str | None) -> None:
    endpoint = parse_address(address)
    assert endpoint is not None
    seen = from_here(endpoint, source, local)
    assert (None if seen is None else str(seen)) == expected


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_endpoint_reads_back(ip: object, port: int) -> None:
    text = str(Endpoint(ip, port))  # type: ignore[arg-type]
    parsed = parse_address(text)
    assert parsed is None or str(parsed) == text


@given(st.text(max_size=300))
def test_any_text_is_answered(text: str) -> None:
    parse_dnsaddr(text)
    parse_dnsaddr(text + "/p2p/" + text)
    is_peer_id(text)
