"""The namespaces that other tests stand on: they connect, partition, heal and change addresses as promised."""

from __future__ import annotations

import pytest

from bootstrap.live import netns

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(netns.missing() is not None, reason=netns.missing() or ""),
    pytest.mark.xdist_group("netns"),
]

_CONNECT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family) as s:
    s.settimeout(0.5)
    sys.exit(0 if s.connect_ex((sys.argv[1], 9)) == 111 else 1)
"""


def reaches(lan: netns.Lan, source: int, address: str) -> bool:
    """Whether the host at `address` answers node `source`: it refuses the connection, as no one listens there."""
    return lan.run(source, ["python3", "-c", _CONNECT, address]).returncode == 0


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
