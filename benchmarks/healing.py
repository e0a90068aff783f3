"""How soon both sides of a long partition are equal again: three machines on one LAN, one cut off for a minute.

The machines are network namespaces, which need root. Both sides write while they are apart, and the two that are a
quorum decide; the clock runs from the moment at which packets pass again until all three show one state root and one
height, over IPv4 and over IPv6.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.consensus import decide
from benchmarks.report import Figure, milliseconds
from bootstrap.live import netns
from bootstrap.live.netns import Lan
from tests.support.processes import Federation, Home, agree

PARTITION_S = 60.0
ANYWHERE = {4: "/ip4/0.0.0.0/tcp/0", 6: "/ip6/::/tcp/0"}
KEYS = 50  # that each side writes
DECISIONS = 10  # of the side with a quorum
AIM_S = 3.0


def run() -> Iterator[Figure]:
    """All figures of this module."""
    lack = netns.missing()
    for version in ANYWHERE:
        name = f"equal after {PARTITION_S:g} s of partition, IPv{version}"
        if lack is not None:
            yield Figure(name=name, value="not measured", aim=lack)
            continue
        took = _healed(version)
        broken = f"OVER {AIM_S:g} s" if took > AIM_S else ""
        yield Figure(name=name, value=milliseconds(took), aim=f"< {AIM_S:g} s", broken=broken)


def _healed(version: int) -> float:
    with (
        tempfile.TemporaryDirectory() as directory,
        Lan(3, ipv4=version == 4, ipv6=version == 6) as lan,
        Federation(Path(directory)) as group,
    ):
        homes = [group.home(name, functools.partial(lan.exec, number)) for number, name in enumerate(("a", "b", "c"))]
        _form(homes, ANYWHERE[version])
        lan.partition([0], [1, 2])
        ends = time.monotonic() + PARTITION_S
        homes[0].wait_until(lambda status: status["lifecycle"] == "RECOVERING", "notice the partition")
        for number in range(KEYS):
            homes[0].put(f"here{number}", number)
            homes[1].put(f"there{number}", number)
        for number in range(DECISIONS):
            decide(homes[1], f"there{number}")
        time.sleep(max(0.0, ends - time.monotonic()))
        lan.heal()
        start = time.perf_counter()
        agree(homes)
        return time.perf_counter() - start


def _form(homes: list[Home], listen: str) -> None:
    for home in homes:
        home.init().configure(voting={"default": "approve"})
    homes[0].create_federation()
    homes[0].run(listen=[listen], mdns=True).wait_ready()
    for home in homes[1:]:
        home.join(homes[0].invite())
        home.run(listen=[listen], mdns=True)
    for home in homes:
        home.wait_until(_whole, "all three to be linked")


def _whole(status: dict[str, object]) -> bool:
    members = status["members"]
    assert isinstance(members, list)
    voting = len(members) == 3 and all(row["state"] == "ACTIVE" for row in members)
    return status["lifecycle"] == "OPERATIONAL" and voting
