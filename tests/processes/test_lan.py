"""Members on a LAN of network namespaces: mDNS alone, partitions, a change of all addresses; IPv4 and IPv6."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootstrap.live.netns import Lan
from tests.support.processes import Federation, Home, agree

pytestmark = [pytest.mark.netns, pytest.mark.processes, pytest.mark.xdist_group("netns")]

PARTITION_S = 60.0 if os.environ.get("ZENMESH_SOAK") else 12.0
ANY = {4: "/ip4/0.0.0.0/tcp/0", 6: "/ip6/::/tcp/0"}


@contextmanager
def federation_on(lan: Lan, tmp_path: Path, version: int) -> Iterator[list[Home]]:
    """Three members, each in its namespace, admitted over the LAN by ticket."""
    with Federation(tmp_path) as federation:
        homes = [federation.home(name, launch(lan, number)).init() for number, name in enumerate(("a", "b", "c"))]
        homes[0].create_federation()
        start(homes[0], version)
        homes[0].wait_ready()
        for home in homes[1:]:
            home.join(homes[0].invite())
            start(home, version)
        for home in homes:
            home.wait_until(lambda status: full(status), "everyone linked to everyone")
        yield homes


def launch(lan: Lan, number: int) -> functools.partial[subprocess.Popen[bytes]]:
    return functools.partial(lan.exec, number)


def start(home: Home, version: int) -> None:
    home.run(listen=[ANY[version]], mdns=True)


def full(status: dict[str, object]) -> bool:
    members = status["members"]
    assert isinstance(members, list)
    linked = all(member["connected"] and member["state"] == "ACTIVE" for member in members)
    return status["lifecycle"] == "OPERATIONAL" and len(members) == 3 and linked


def without_book(home: Home) -> None:
    """Forget every address of the others."""
    for path in (home.directory / "state").glob("book*"):
        path.unlink()


@pytest.mark.parametrize("version", [4, 6])
def test_members_that_know_no_address_meet_by_mdns(tmp_path: Path, version: int) -> None:
    with Lan(3, ipv4=version == 4, ipv6=version == 6) as lan, federation_on(lan, tmp_path, version) as homes:
        for home in homes:
            home.stop()
            without_book(home)
        for home in homes:
            start(home, version)
        for home in homes:
            home.wait_until(full, "everyone linked to everyone, by mDNS alone")


@pytest.mark.parametrize("version", [4, 6])
def test_both_sides_of_a_partition_agree_after_it(tmp_path: Path, version: int) -> None:
    with Lan(3, ipv4=version == 4, ipv6=version == 6) as lan, federation_on(lan, tmp_path, version) as homes:
        lan.partition([0], [1, 2])
        homes[0].wait_until(lambda status: status["lifecycle"] == "RECOVERING", "notice the partition", 30)
        homes[0].put("here", 1)
        homes[1].put("there", 2)
        ends = time.monotonic() + PARTITION_S
        homes[0].wait_until(lambda _: time.monotonic() > ends, "the partition to last", PARTITION_S + 5)
        lan.heal()
        agree(homes)
        homes[0].wait_for("there", {"b": 2})
        homes[2].wait_for("here", {"a": 1})


def test_nodes_whose_addresses_all_changed_find_each_other_again(tmp_path: Path) -> None:
    with Lan(3, ipv6=False) as lan, federation_on(lan, tmp_path, 4) as homes:
        for number in range(3):
            lan.readdress(number)
        homes[0].put("after", 1)
        for home in homes:
            home.wait_until(full, "everyone linked to everyone at new addresses", 60)
            home.wait_for("after", {"a": 1})
