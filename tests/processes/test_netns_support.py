"""The namespaces that other tests stand on: they connect, partition, lose, heal and change addresses as promised."""

from __future__ import annotations

import subprocess

import pytest

from bootstrap.live import netns
from bootstrap.live.lans import Lans
from bootstrap.live.ways import Way
from tests.support.processes import patiently

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(netns.missing() is not None, reason=netns.missing() or ""),
    pytest.mark.xdist_group("netns"),
]

PATIENCE_S = 20.0
_CONNECT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family) as s:
    s.settimeout(0.5)
    sys.exit(0 if s.connect_ex((sys.argv[1], 9)) == 111 else 1)
"""


_HEARS = """
import socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("", 5353))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + bytes(4))
    print("ready", flush=True)
    print(s.recv(99).decode(), flush=True)
"""
_SAYS = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 64)
    s.sendto(sys.argv[1].encode(), ("224.0.0.251", 5353))
"""


def reaches(lan: netns.Lan, source: int, address: str) -> bool:
    """Whether the host at `address` answers node `source`: it refuses the connection, as no one listens there."""
    return lan.run(source, ["python3", "-c", _CONNECT, address]).returncode == 0


def comes_to_reach(lan: netns.Lan, source: int, address: str) -> bool:
    """As `reaches`, where it was not to be reached before: a host asks for a neighbour only once a second."""
    return any(reaches(lan, source, address) for _ in patiently(PATIENCE_S))


def test_a_partition_cuts_what_it_names_and_heals() -> None:
    with netns.Lan(3) as lan:
        assert reaches(lan, 0, lan.ipv4(1))
        assert reaches(lan, 0, lan.ipv6(1))
        lan.partition([0, 2], [1])
        assert not reaches(lan, 0, lan.ipv4(1))
        assert not reaches(lan, 1, lan.ipv6(0))
        assert reaches(lan, 0, lan.ipv4(2))
        lan.heal()
        assert reaches(lan, 0, lan.ipv6(1))
        lan.heal()


def test_new_addresses_replace_the_old_ones() -> None:
    with netns.Lan(2) as lan:
        before = (lan.ipv4(1), lan.ipv6(1))
        lan.readdress(1)
        assert not reaches(lan, 0, before[0])
        assert not reaches(lan, 0, before[1])
        assert reaches(lan, 0, lan.ipv4(1))
        assert reaches(lan, 0, lan.ipv6(1))


def test_one_family_alone() -> None:
    with netns.Lan(2, ipv6=False) as lan:
        assert reaches(lan, 0, lan.ipv4(1))
        assert "inet6" not in lan.run(0, ["ip", "addr", "show", "eth0"]).stdout
    with netns.Lan(2, ipv4=False) as lan:
        assert reaches(lan, 0, lan.ipv6(1))


def test_a_way_that_loses_all_is_as_good_as_cut_until_it_heals() -> None:
    with netns.Lan(3) as lan:
        lan.worsen([(0, 1)], Way(loss=1.0))
        assert not reaches(lan, 0, lan.ipv4(1))
        assert not reaches(lan, 1, lan.ipv6(0))
        assert reaches(lan, 0, lan.ipv4(2))
        lan.worsen([(0, 1)], Way(bytes_per_s=1_000))
        assert comes_to_reach(lan, 0, lan.ipv4(1))
        lan.heal()
        assert comes_to_reach(lan, 1, lan.ipv6(0))


def lans() -> Lans:
    """Two LANs: nodes 0 and 1, node 2."""
    return Lans(((0, 1), (2,)))


def meet(net: Lans, one: int, other: int) -> bool:
    """Whether a node reaches another at its IPv4 and at its IPv6 address; a busy machine may need a second go."""
    for _ in patiently(PATIENCE_S):
        reached = {net.exec(one, ["python3", "-c", _CONNECT, at]).wait() == 0 for at in net.addresses(other)}
        if reached == {True}:
            return True
    return False


def part(net: Lans, one: int, other: int) -> bool:
    """Whether a node reaches another at neither address."""
    return all(net.exec(one, ["python3", "-c", _CONNECT, at]).wait() != 0 for at in net.addresses(other))


def test_lans_are_joined_by_a_router_and_an_uplink_can_be_cut() -> None:
    with lans() as net:
        assert meet(net, 0, 1)
        assert meet(net, 0, 2)
        net.partition([0, 1], [2])
        assert meet(net, 0, 1)
        assert part(net, 2, 1)
        net.partition([0], [1, 2])
        assert part(net, 0, 1)
        assert part(net, 0, 2)
        assert meet(net, 1, 2)
        net.heal()
        assert meet(net, 2, 0)


def test_ways_across_lans_lose_as_those_within_do() -> None:
    with lans() as net:
        net.worsen([0], Way(loss=1.0))
        assert part(net, 0, 1)
        assert part(net, 2, 0)
        assert meet(net, 2, 1)
        net.heal()
        assert meet(net, 0, 2)


def test_multicast_stays_in_its_lan() -> None:
    with lans() as net:
        hearers = {
            node: net.exec(node, ["python3", "-c", _HEARS], stdout=subprocess.PIPE, text=True) for node in (1, 2)
        }
        for hearer in hearers.values():
            assert hearer.stdout is not None
            assert hearer.stdout.readline() == "ready\n"
        for node, text in ((0, "first LAN"), (2, "second LAN")):
            assert net.exec(node, ["python3", "-c", _SAYS, text]).wait() == 0
        heard = {node: hearer.communicate(timeout=20)[0].strip() for node, hearer in hearers.items()}
        assert heard == {1: "first LAN", 2: "second LAN"}
