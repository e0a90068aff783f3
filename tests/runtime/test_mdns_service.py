"""The mDNS service on a simulated LAN in virtual time: who hears of whom, when, and what a hostile host achieves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import dns.message
import pytest
import trio

from mesh.protocol.events import PeerFound
from mesh.runtime.mdns import codec
from mesh.runtime.mdns.codec import Advertisement
from mesh.runtime.mdns.service import RATE_PER_S, Mdns, open_mdns
from mesh.runtime.mdns.sockets import MDNS_PORT
from tests.support.fake_lan import FakeHost, FakeLan, FakeSocket
from tests.support.mdns_packets import JS_QUERY, JS_RESPONSE, OTHER_PEER, PEER, announcement, dnsaddr
from wire.ids import PeerId, PublicKey, peer_id_of
from wire.rng import Rng

pytestmark = pytest.mark.usefixtures("autojump_clock")


@dataclass(slots=True)
class Node:
    """A running service, what it says, and what it found."""

    service: Mdns
    peer: PeerId
    says: list[Advertisement | None]
    found: list[tuple[float, PeerFound]] = field(default_factory=list)

    def peers(self) -> list[PeerId]:
        return [event.peer for _, event in self.found]


@asynccontextmanager
async def node(host: FakeHost, seed: int, *addresses: str, passive: bool = False) -> AsyncIterator[Node]:
    """A node on `host`; without `addresses` it listens on port 1 of the host's network address."""
    peer = peer_id_of(PublicKey(bytes([seed]) * 32))
    shown = addresses or (f"/ip4/{host.links()[0].address}/tcp/1",)
    says: list[Advertisement | None] = [None if passive else Advertisement(peer=peer, addresses=shown)]
    found: list[tuple[float, PeerFound]] = []
    async with open_mdns(
        lambda: says[0],
        lambda event: found.append((trio.current_time(), event)),
        Rng(seed),
        interfaces=host.interfaces,
        open_socket=host.open_socket,
    ) as service:
        yield Node(service, peer, says, found)


def heard_by(stranger: FakeSocket) -> list[codec.Packet]:
    """All that arrived at a stranger's socket so far, parsed."""
    packets = []
    while True:
        try:
            packets.append(codec.parse(stranger.arrived.receive_nowait().data))
        except trio.WouldBlock:
            return packets


def answers(packets: list[codec.Packet]) -> list[codec.Announcement]:
    return [announcement for packet in packets for announcement in packet.announcements]


async def test_two_nodes_meet_at_once() -> None:
    lan = FakeLan()
    async with node(lan.host("a", "10.0.0.1"), 1) as one, node(lan.host("b", "10.0.0.2"), 2) as other:
        await trio.sleep(0.3)
        assert one.peers() == [other.peer]
        assert other.found[0][1].addresses == ("/ip4/10.0.0.1/tcp/1",)


async def test_over_ipv6_alone() -> None:
    lan = FakeLan()
    hosts = lan.host("a", "fd00::1"), lan.host("b", "fd00::2")
    async with node(hosts[0], 1, "/ip6/fd00::1/tcp/1") as one, node(hosts[1], 2, "/ip6/fd00::2/tcp/1") as other:
        await trio.sleep(0.3)
        assert (one.peers(), other.peers()) == ([other.peer], [one.peer])


async def test_a_stranger_that_only_asks_is_asked_back() -> None:
    lan = FakeLan()
    stranger = lan.host("js", "10.0.0.7").stranger()
    async with node(lan.host("a", "10.0.0.1"), 1) as one:
        await trio.sleep(30)
        heard_by(stranger)
        await stranger.send(JS_QUERY, lan.hosts[0].links()[0])
        await trio.sleep(1.2)
        packets = heard_by(stranger)
        assert [announcement.peer for announcement in answers(packets)] == [one.peer]
        assert [packet.query.services for packet in packets if packet.query][-1]
        await stranger.send(JS_RESPONSE, lan.hosts[0].links()[0])
        await trio.sleep(0.1)
        assert one.peers() == [PEER]


async def test_many_questions_get_one_answer_a_second() -> None:
    lan = FakeLan()
    asker = lan.host("asker", "10.0.0.7")
    stranger = asker.stranger()
    async with node(lan.host("a", "10.0.0.1"), 1):
        await trio.sleep(5)
        heard_by(stranger)
        for _ in range(20):
            await stranger.send(JS_QUERY, asker.links()[0])
            await trio.sleep(0.1)
        sent = [
            entry.at for entry in lan.log if entry.host == "a" and entry.at > 5 and answers([codec.parse(entry.data)])
        ]
        assert len(sent) in (2, 3)
        assert all(later - earlier >= 1 for earlier, later in pairwise(sent))
        assert 5.02 <= sent[0] <= 5.12


async def test_a_legacy_asker_is_answered_directly() -> None:
    lan = FakeLan()
    asker = lan.host("asker", "10.0.0.7")
    stranger = asker.stranger(40_000)
    async with node(lan.host("a", "10.0.0.1"), 1):
        await trio.sleep(60)
        before = len(lan.log)
        await stranger.send(b"\x12\x34" + JS_QUERY[2:], asker.links()[0])
        await trio.sleep(0.01)
        (reply,) = [entry for entry in lan.log[before:] if entry.host == "a"]
        assert reply.to == ("10.0.0.7", 40_000)
        message = dns.message.from_wire(reply.data)
        assert (message.id, message.answer[0].ttl) == (0x1234, codec.LEGACY_TTL_S)


async def test_who_wants_a_unicast_answer_gets_one() -> None:
    lan = FakeLan()
    asker = lan.host("asker", "10.0.0.7")
    stranger = asker.stranger()
    question = JS_QUERY[:-2] + b"\x80\x01"
    async with node(lan.host("a", "10.0.0.1"), 1):
        await trio.sleep(5)
        before = len(lan.log)
        await stranger.send(question, asker.links()[0])
        await trio.sleep(0.5)
        assert [entry.to for entry in lan.log[before:] if entry.host == "a"] == [("10.0.0.7", MDNS_PORT)]
        await trio.sleep(60)
        before = len(lan.log)
        await stranger.send(question, asker.links()[0])
        await trio.sleep(0.5)
        assert [entry.to for entry in lan.log[before:] if entry.host == "a"] == [("10.0.0.7", MDNS_PORT), None]


@pytest.mark.parametrize("direct", [False, True], ids=["multicast", "unicast"])
async def test_which_kinds_of_service(direct: bool) -> None:
    lan = FakeLan()
    asker = lan.host("asker", "10.0.0.7")
    stranger = asker.stranger()
    question = dns.message.make_query("_services._dns-sd._udp.local.", "PTR", id=0, flags=0).to_wire()
    async with node(lan.host("a", "10.0.0.1"), 1):
        await trio.sleep(5)
        before = len(lan.log)
        await stranger.send(question[:-2] + (b"\x80\x01" if direct else b"\x00\x01"), asker.links()[0])
        await trio.sleep(0.2)
        (reply,) = [entry for entry in lan.log[before:] if entry.host == "a"]
        assert reply.to == (("10.0.0.7", MDNS_PORT) if direct else None)
        assert dns.message.from_wire(reply.data).answer[0][0].to_text() == codec.SERVICE


async def test_a_lone_node_does_not_talk_to_itself() -> None:
    lan = FakeLan()
    async with node(lan.host("a", "10.0.0.1"), 1) as one:
        await trio.sleep(600)
        assert one.found == []
        asked = [entry for entry in lan.log if codec.parse(entry.data).query]
        assert len(lan.log) - len(asked) == 2
        assert len(asked) < 2 * 20
        assert one.service.stats.sent == len(lan.log)


async def test_new_addresses_are_announced() -> None:
    lan = FakeLan()
    host = lan.host("a", "10.0.0.1")
    async with node(host, 1) as one, node(lan.host("b", "10.0.0.2"), 2) as other:
        await trio.sleep(100)
        moved = trio.current_time()
        host.readdress("10.0.0.99")
        one.says[0] = Advertisement(peer=one.peer, addresses=("/ip4/10.0.0.99/tcp/1",))
        await trio.sleep(1.2)
        at, event = other.found[-1]
        assert event.addresses == ("/ip4/10.0.0.99/tcp/1",)
        assert at - moved < 1.2


async def test_refresh_does_not_wait_for_the_poll() -> None:
    lan = FakeLan()
    async with node(lan.host("a", "10.0.0.1"), 1) as one, node(lan.host("b", "10.0.0.2"), 2) as other:
        await trio.sleep(100.1)
        one.says[0] = Advertisement(peer=one.peer, addresses=("/ip4/10.0.0.1/tcp/9",))
        one.service.refresh()
        await trio.sleep(0.15)
        assert other.found[-1][1].addresses == ("/ip4/10.0.0.1/tcp/9",)


async def test_saying_something_new_recalls_who_is_known() -> None:
    lan = FakeLan()
    async with node(lan.host("a", "10.0.0.1"), 1) as one, node(lan.host("b", "10.0.0.2"), 2) as other:
        await trio.sleep(5)
        assert one.peers() == [other.peer]
        one.says[0] = Advertisement(peer=one.peer, addresses=("/ip4/10.0.0.1/tcp/1",), attributes={"zm.fed": "ab"})
        await trio.sleep(1.2)
        assert one.peers() == [other.peer] * 2
        assert other.found[-1][1].attributes == {"zm.fed": "ab"}


async def test_leaving_says_goodbye_and_coming_back_is_news() -> None:
    lan = FakeLan()
    host = lan.host("a", "10.0.0.1")
    async with node(lan.host("b", "10.0.0.2"), 2) as other:
        for _ in range(2):
            async with node(host, 1):
                await trio.sleep(3)
        assert codec.parse([entry for entry in lan.log if entry.host == "a"][-1].data).goodbyes
        assert len(other.found) == 2


async def test_nodes_of_one_machine_meet_on_loopback() -> None:
    lan = FakeLan()
    host = lan.host("a", "10.0.0.1")
    far = lan.host("b", "10.0.0.2")
    async with (
        node(host, 1, "/ip4/127.0.0.1/tcp/1") as one,
        node(host, 2, "/ip4/127.0.0.1/tcp/2") as two,
        node(far, 3) as other,
    ):
        await trio.sleep(5)
        assert sorted(one.peers()) == sorted([two.peer, other.peer])
        assert sorted(two.peers()) == sorted([one.peer, other.peer])
        assert other.found == []


async def test_another_machines_loopback_is_not_believed() -> None:
    lan = FakeLan()
    host = lan.host("b", "10.0.0.2")
    stranger = host.stranger()
    async with node(lan.host("a", "10.0.0.1"), 1) as one:
        await stranger.send(announcement([dnsaddr("/ip4/127.0.0.1/tcp/1")]), host.links()[0])
        await trio.sleep(1)
        assert one.found == []


async def test_who_only_looks_is_never_seen() -> None:
    lan = FakeLan()
    async with node(lan.host("a", "10.0.0.1"), 1) as one, node(lan.host("b", "10.0.0.2"), 2, passive=True) as looker:
        await trio.sleep(3)
        assert looker.peers() == [one.peer]
    assert one.found == []
    assert all(codec.parse(entry.data).query for entry in lan.log if entry.host == "b")


async def test_a_flood_is_limited_and_others_are_heard() -> None:
    lan = FakeLan()
    attacker = lan.host("evil", "10.0.0.66")
    socket = attacker.stranger()
    async with node(lan.host("a", "10.0.0.1"), 1) as one:
        await trio.sleep(1)
        for number in range(2_000):
            data = announcement(
                [dnsaddr(f"/ip4/10.9.{number // 250}.{number % 250}/tcp/1", OTHER_PEER)], f"i{number}"
            )
            await socket.send(data if number % 2 else data[:-7], attacker.links()[0])
        async with node(lan.host("b", "10.0.0.2"), 2) as other:
            await trio.sleep(1)
            stats = one.service.stats
            assert other.peer in one.peers()
            assert len(one.found) <= 33
            assert stats.limited >= 1_800 - RATE_PER_S
            assert stats.malformed > 0


async def test_unicast_from_outside_the_lan_is_ignored() -> None:
    lan = FakeLan()
    outside = lan.host("far", "198.51.100.7")
    socket = outside.stranger()
    async with node(lan.host("a", "10.0.0.1"), 1) as one:
        await trio.sleep(1)
        await socket.send(
            announcement([dnsaddr("/ip4/198.51.100.7/tcp/1")]), outside.links()[0], ("10.0.0.1", MDNS_PORT)
        )
        await trio.sleep(1)
        assert one.found == []
        assert one.service.stats.off_link == 1


async def test_a_taken_port_is_told_and_tried_again() -> None:
    lan = FakeLan()
    host = lan.host("a", "10.0.0.1")
    host.broken = True
    async with node(host, 1) as one, node(lan.host("b", "10.0.0.2"), 2) as other:
        await trio.sleep(5)
        assert one.service.problems == ("IPv4: cannot listen on UDP port 5353: Address already in use",)
        assert other.found == []
        host.broken = False
        await trio.sleep(61)
        assert one.service.problems == ()
        assert (one.peers(), other.peers()) == ([other.peer], [one.peer])
