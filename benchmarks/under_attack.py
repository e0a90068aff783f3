"""How long a write takes to be readable elsewhere: beside a bare round trip, and while its writer is attacked.

The attacker has a core of its own; the nodes and this process share the others, in quiet and under attack alike. Each
write comes after a pause, so that it leaves at once: what is measured is the way, not the 100 ms that writes wait for
one another under load.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bare_echo
from benchmarks.report import Figure, milliseconds, percentile
from tests.support.processes import Federation, Home

# The heaviest of them; True: with a member's keys.
ATTACKS = {"flood": True, "gossip-flood": True, "stranger-flood": False, "connections": False}
WRITES = 200
PAUSE_S = 0.15
POLL_S = 0.0005
SHARES = (0.5, 0.99)


def _cores() -> tuple[set[int], set[int]]:
    """(the attacker's core, everyone else's)."""
    *honest, hostile = sorted(os.sched_getaffinity(0))
    return {hostile}, set(honest or [hostile])


def _latencies(writer: Home, reader: Home, tag: str) -> list[float]:
    took = []
    for number in range(WRITES):
        value = f"{tag}{number}"
        start = time.perf_counter()
        writer.put("news", value)
        while reader.get("news").get(writer.name) != value:
            time.sleep(POLL_S)
        took.append(time.perf_counter() - start)
        time.sleep(PAUSE_S)
    return took


@contextmanager
def _attacked(victim: Home, attack: str, core: set[int], *, member: bool) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.support.hostile_peer", attack, victim.addresses()[0]]
    command += [victim.invite()] if member else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as hostile:
        os.sched_setaffinity(hostile.pid, core)
        assert hostile.stdout is not None
        try:
            hostile.stdout.readline()  # it is connected and about to begin
            yield
        finally:
            hostile.kill()


def _against_quiet(attack: str, took: list[float], quiet: list[float]) -> Iterator[Figure]:
    for share in SHARES:
        value = percentile(took, share)
        ratio = value / percentile(quiet, share)
        yield Figure(name=f"a write under {attack}, p{share * 100:.0f}", value=milliseconds(value), ratio=ratio)


def _against_bare(quiet: list[float], bare: bare_echo.RoundTrips) -> Iterator[Figure]:
    for kind, trips in (("stream", bare.stream), ("gossip", bare.gossip)):
        for share in SHARES:
            trip = percentile(trips, share)
            name = f"a bare {kind} round trip, p{share * 100:.0f}"
            yield Figure(name=name, value=milliseconds(trip))
            name = f"a write in quiet, against that, p{share * 100:.0f}"
            value = percentile(quiet, share)
            yield Figure(name=name, value=milliseconds(value), ratio=value / trip)


def run() -> Iterator[Figure]:
    """All figures of this module."""
    everywhere = os.sched_getaffinity(0)
    hostile, honest = _cores()
    if hostile == honest:
        yield Figure(name="latency under attack", value="not measured", aim="needs two cores")
        return
    os.sched_setaffinity(0, honest)  # what is started from here on inherits it
    try:
        yield from _figures(hostile)
    finally:
        os.sched_setaffinity(0, everywhere)


def _figures(hostile: set[int]) -> Iterator[Figure]:
    bare = bare_echo.measure(WRITES)
    with tempfile.TemporaryDirectory() as directory, Federation(Path(directory)) as federation:
        alpha, beta = federation.form("alpha", "beta")
        quiet = _latencies(alpha, beta, "quiet")
        yield from _against_bare(quiet, bare)
        for attack, member in ATTACKS.items():
            with _attacked(alpha, attack, hostile, member=member):
                took = _latencies(alpha, beta, attack)
            yield from _against_quiet(attack, took, quiet)
        rss = max(int(home.status()["rss_bytes"]) for home in (alpha, beta))
        yield Figure(name="resident memory after the attacks", value=f"{rss / 1e6:.0f} MB")
