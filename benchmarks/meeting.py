"""How soon members that know no address of each other meet by mDNS: each node on a machine of its own, on one LAN.

The machines are network namespaces, which need root. The clock runs from the start of the last process, so Python's
own start is part of the figure; it is measured beside it.
"""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure, milliseconds
from bootstrap.live import netns
from bootstrap.live.netns import Lan
from tests.support.processes import Federation, Home

ROUNDS = 5
ANYWHERE = ("/ip4/0.0.0.0/tcp/0",)
AIM_S = 3.0


def run() -> Iterator[Figure]:
    """All figures of this module."""
    lack = netns.missing()
    if lack is not None:
        yield Figure(name="two members meet by mDNS", value="not measured", aim=lack)
        return
    with tempfile.TemporaryDirectory() as directory, Lan(2, ipv6=False) as lan, Federation(Path(directory)) as group:
        homes = [group.home(name, functools.partial(lan.exec, number)) for number, name in enumerate(("a", "b"))]
        _admit(homes)
        starts, meetings = zip(*(_meet(homes) for _ in range(ROUNDS)), strict=True)
    met = statistics.median(meetings)
    broken = f"OVER {AIM_S:g} s" if met > AIM_S else ""
    yield Figure(name="a node answers after its start", value=milliseconds(statistics.median(starts)))
    yield Figure(
        name="two members meet by mDNS after that start", value=milliseconds(met), aim=f"< {AIM_S:g} s", broken=broken
    )
    yield Figure(name="the slowest of those meetings", value=milliseconds(max(meetings)))


def _admit(homes: list[Home]) -> None:
    first, second = (home.init() for home in homes)
    first.create_federation()
    first.run(listen=ANYWHERE, mdns=True).wait_ready()
    second.join(first.invite())
    second.run(listen=ANYWHERE, mdns=True)
    for home in homes:
        home.wait_until(_linked, "the link by ticket")


def _meet(homes: list[Home]) -> tuple[float, float]:
    """Seconds from the start of the second process until it answers, and until both are linked."""
    for home in homes:
        home.stop()
        for book in (home.directory / "state").glob("book*"):
            book.unlink()
    homes[0].run(listen=ANYWHERE, mdns=True).wait_until(bool, "the first to answer")
    start = time.perf_counter()
    homes[1].run(listen=ANYWHERE, mdns=True).wait_until(bool, "the second to answer")
    answered = time.perf_counter() - start
    for home in homes:
        home.wait_until(_linked, "the link by mDNS")
    return answered, time.perf_counter() - start


def _linked(status: dict[str, object]) -> bool:
    members = status["members"]
    assert isinstance(members, list)
    return len(members) == 2 and all(member["connected"] for member in members)
