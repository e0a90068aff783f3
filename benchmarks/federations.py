"""Real processes: how fast a write is readable elsewhere, how fast nodes converge, and what an idle node costs."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure, milliseconds, percentile
from tests.support.processes import Federation, Home, agree

WRITES = 1000
IDLE_S = 10.0
MAX_RSS = 100_000_000
MAX_CPU = 0.05


def _write_latency(homes: list[Home]) -> Iterator[Figure]:
    """From the moment a write is asked for to the moment another node shows it, by its control socket."""
    writer, reader = homes[0], homes[1]
    floor = []
    for _ in range(200):
        start = time.perf_counter()
        reader.get("nothing")
        floor.append(time.perf_counter() - start)
    samples = []
    for number in range(WRITES):
        key = f"latency{number % 50}"
        start = time.perf_counter()
        writer.put(key, number)
        while reader.get(key).get(writer.name) != number:
            pass
        samples.append(time.perf_counter() - start)
    base = percentile(floor, 0.5)
    for share in (0.5, 0.99):
        took = percentile(samples, share)
        broken = "OVER 300 ms" if share == 0.99 and took > 0.3 else ""
        name = f"a write is readable elsewhere, p{share * 100:.0f}"
        yield Figure(name=name, value=milliseconds(took), ratio=took / base, aim="p99 < 300 ms", broken=broken)


def _round_trip(homes: list[Home]) -> Figure:
    rows = [row["rtt_ms"] for row in homes[0].call("peers")["peers"] if row["rtt_ms"] is not None]
    return Figure(name="probe round trip over a link (EWMA)", value=f"{min(rows, default=0):.1f} ms")


def _idle(homes: list[Home]) -> Iterator[Figure]:
    pids = [home.status()["pid"] for home in homes]
    before = [cpu_seconds(pid) for pid in pids]
    time.sleep(IDLE_S)
    cpu = max(after - start for after, start in zip((cpu_seconds(pid) for pid in pids), before, strict=True)) / IDLE_S
    rss = max(int(home.status()["rss_bytes"]) for home in homes)
    yield Figure(
        name="resident memory of an idle node of three",
        value=f"{rss / 1e6:.0f} MB",
        aim="< 70 MB",
        broken="OVER 100 MB" if rss > MAX_RSS else "",
    )
    yield Figure(
        name="CPU of an idle node of three",
        value=f"{cpu:.1%}",
        aim="< 1 %",
        broken="OVER 5 %" if cpu > MAX_CPU else "",
    )


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _convergence(directory: Path) -> Iterator[Figure]:
    """Ten nodes, each writing at once; until all show one state root."""
    with Federation(directory) as federation:
        homes = federation.form(*(f"node{number}" for number in range(10)))
        start = time.perf_counter()
        for home in homes:
            home.put("burst", home.name)
        written = time.perf_counter()
        agree(homes)
        took = time.perf_counter() - start
        yield Figure(
            name="ten nodes write at once and agree", value=milliseconds(took), ratio=took / (written - start)
        )


def run() -> Iterator[Figure]:
    """All figures of this module."""
    with tempfile.TemporaryDirectory() as directory:
        with Federation(Path(directory)) as federation:
            start = time.perf_counter()
            homes = federation.form("alpha", "beta", "gamma")
            yield Figure(
                name="three homes made, joined, OPERATIONAL, equal", value=milliseconds(time.perf_counter() - start)
            )
            yield from _idle(homes)
            yield _round_trip(homes)
            yield from _write_latency(homes)
    with tempfile.TemporaryDirectory() as directory:
        yield from _convergence(Path(directory))
