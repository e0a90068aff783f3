"""Addresses as people type them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.multiaddrs import TypedAddress, parse_typed
from wire.ids import peer_id_of
from wire.keys import SigningKey

PEER = peer_id_of(SigningKey(bytes(32)).public)

GOOD = {
    "/ip4/192.0.2.1/tcp/4150": TypedAddress("ip4", "192.0.2.1", 4150, None),
    "/ip6/2001:db8::1/tcp/0": TypedAddress("ip6", "2001:db8::1", 0, None),
    f"/ip4/127.0.0.1/tcp/65535/p2p/{PEER}": TypedAddress("ip4", "127.0.0.1", 65535, PEER),
    "/dns4/node.example.org/tcp/1": TypedAddress("dns4", "node.example.org", 1, None),
    f"/dns/localhost/tcp/4150/p2p/{PEER}": TypedAddress("dns", "localhost", 4150, PEER),
    "/dnsaddr/example.org": TypedAddress("dnsaddr", "example.org", None, None),
    f"/dnsaddr/example.org/p2p/{PEER}": TypedAddress("dnsaddr", "example.org", None, PEER),
}

BAD = {
    "": "not a multiaddr",
    "192.0.2.1:4150": "not a multiaddr",
    "/": "pairs",
    "/ip4": "pairs",
    "/ip4/192.0.2.1": "TCP",
    "/ip4/192.0.2.1/udp/4150": "TCP",
    "/ip4/192.0.2.1/tcp/4150/ws": "pairs",
    "/ip4/192.0.2.1/tcp/4150/quic/v1": "TCP",
    "/ip4/192.0.2.256/tcp/4150": "no ip4 address",
    "/ip4/::1/tcp/4150": "no ip4 address",
    "/ip6/127.0.0.1/tcp/4150": "no ip6 address",
    "/ip6/fe80::1%eth0/tcp/4150": "not a multiaddr",
    "/ip4/192.0.2.1/tcp/65536": "port",
    "/ip4/192.0.2.1/tcp/-1": "port",
    "/ip4/192.0.2.1/tcp/٣": "port",
    "/ip4/192.0.2.1/tcp/04150": "port",
    "/ip4/192.0.2.1/tcp/4150/p2p/nobody": "peer id",
    f"/p2p/{PEER}": "no address",
    "/dns4/not a host/tcp/1": "host name",
    "/dnsaddr/example.org/tcp/1": "dnsaddr",
    "/unix/tmp": "starts with",
}


@pytest.mark.parametrize("text", GOOD, ids=str)
def test_good_addresses(text: str) -> None:
    assert parse_typed(text) == GOOD[text]
    assert str(parse_typed(text)) == text
    assert parse_typed(text).address == text.removesuffix(f"/p2p/{PEER}")


@pytest.mark.parametrize("text", BAD, ids=repr)
def test_bad_addresses_say_why(text: str) -> None:
    with pytest.raises(ValueError, match=BAD[text]):
        parse_typed(text)


@given(st.one_of(st.text(max_size=60), st.text(st.sampled_from("/ip46dnstcp2.:0"), max_size=30).map("/".__add__)))
def test_any_text_parses_or_is_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert str(parse_typed(text)) == text
