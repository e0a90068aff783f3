"""What is news about the peers of the LAN, and how much a hostile host can make us remember."""

from __future__ import annotations

import pytest

from mesh.runtime.mdns import table
from mesh.runtime.mdns.codec import TTL_S, Announcement
from mesh.runtime.mdns.dnsaddr import parse_address
from mesh.runtime.mdns.table import PeerTable, Source
from tests.support.mdns_packets import OTHER_PEER, PEER
from wire.ids import PeerId

ETH4 = Source(address="192.0.2.9", index=2, version=4, local=False)
ETH6 = Source(address="fe80::9", index=2, version=6, local=False)
FIRST, SECOND = "/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.2/tcp/1"


def says(
    *addresses: str, instance: str = "a", peer: str = PEER, ttl_s: int = TTL_S, **attributes: str
) -> Announcement:
    endpoints = tuple(endpoint for address in addresses if (endpoint := parse_address(address)) is not None)
    return Announcement(instance=instance, peer=PeerId(peer), endpoints=endpoints, attributes=attributes, ttl_s=ttl_s)


def test_only_news_is_told() -> None:
    known = PeerTable()
    first = known.heard(says(FIRST), ETH4, 0.0)
    assert first is not None
    assert (first.source, first.peer, first.addresses) == ("mdns", PEER, (FIRST,))
    assert known.heard(says(FIRST), ETH4, 1.0) is None
    changed = known.heard(says(SECOND), ETH4, 2.0)
    assert changed is not None
    assert changed.addresses == (SECOND,)
    named = known.heard(says(SECOND, swarm="red"), ETH4, 3.0)
    assert named is not None
    assert named.attributes == {"swarm": "red"}


def test_a_peer_that_goes_on_answering_is_told_again_later() -> None:
    known = PeerTable()
    known.heard(says(FIRST), ETH4, 0.0)
    assert known.heard(says(FIRST), ETH4, table.REMIND_S - 1) is None
    assert known.heard(says(FIRST), ETH4, table.REMIND_S) is not None


@pytest.mark.parametrize("leave", ["goodbye", "expiry"])
def test_who_comes_back_is_news(leave: str) -> None:
    known = PeerTable()
    known.heard(says(FIRST), ETH4, 0.0)
    if leave == "goodbye":
        known.goodbye("a")
    else:
        known.expire(TTL_S)
    assert len(known) == 0
    assert known.heard(says(FIRST), ETH4, TTL_S + 1.0) is not None


def test_what_is_said_on_several_links_is_told_as_one() -> None:
    known = PeerTable()
    known.heard(says(FIRST), ETH4, 0.0)
    both = known.heard(says(FIRST, SECOND), ETH6, 1.0)
    assert both is not None
    assert both.addresses == (FIRST, SECOND)
    assert known.heard(says(FIRST), ETH4, 2.0) is None
    assert known.heard(says(FIRST, SECOND), ETH6, 3.0) is None


def test_a_link_that_went_silent_is_forgotten() -> None:
    known = PeerTable()
    known.heard(says(FIRST), ETH4, 0.0)
    known.heard(says(SECOND), ETH6, 100.0)
    late = known.heard(says(SECOND), ETH6, TTL_S + 1.0)
    assert late is not None
    assert late.addresses == (SECOND,)


def test_another_peer_cannot_take_over_an_entry() -> None:
    known = PeerTable()
    known.heard(says(FIRST), ETH4, 0.0)
    assert known.heard(says(SECOND, peer=OTHER_PEER), ETH4, 1.0) is None
    assert [event.addresses for event in known.told()] == [(FIRST,)]
    assert known.refused == 1


def test_nothing_that_can_be_dialled_is_no_peer() -> None:
    known = PeerTable()
    assert known.heard(says("/ip4/127.0.0.1/tcp/1"), ETH4, 0.0) is None
    assert len(known) == 0


def test_one_host_fills_only_its_share() -> None:
    known = PeerTable()
    for number in range(100):
        known.heard(says(FIRST, instance=str(number)), ETH4, 0.0)
    assert len(known) == table.MAX_ENTRIES_PER_SOURCE
    assert known.heard(says(FIRST, instance="honest"), ETH6, 0.0) is not None


def test_all_hosts_together_fill_only_the_table() -> None:
    known = PeerTable()
    for number in range(table.MAX_ENTRIES + 50):
        source = Source(address=f"10.0.{number // 250}.{number % 250}", index=2, version=4, local=False)
        known.heard(says(FIRST, instance=str(number)), source, 0.0)
    assert len(known) == table.MAX_ENTRIES
    known.expire(table.MAX_LIFE_S)
    assert len(known) == 0
    assert not known.speaks("10.0.0.0")


def test_a_hostile_life_is_cut() -> None:
    known = PeerTable()
    known.heard(says(FIRST, ttl_s=2**31), ETH4, 0.0)
    known.expire(table.MAX_LIFE_S)
    assert len(known) == 0


def test_who_answered_is_no_stranger() -> None:
    known = PeerTable()
    assert not known.speaks(ETH4.address)
    known.heard(says(FIRST), ETH4, 0.0)
    assert known.speaks(ETH4.address)
