"""Deciding, in real processes whose queens vote by policy: how long it takes, how much goes through, beside what.

A decision is timed as its user sees it: from the question at the control socket of a node that does not lead to the
answer that names the outcome. The baseline is the floor of the same minute, on the same machine (`benchmarks.floor`).
Everything runs on this one machine, so that a decision of ten nodes is the work of ten machines done by one. How much
of the ratio that is, the same messages say when the library carries them and nobody looks (`benchmarks.bare_round`).

Beside it stands etcd (Raft, which survives crashes and no liars), with as many members, each with its own fsync.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import etcd
from benchmarks.bare_round import Pattern, rounds
from benchmarks.federations import cpu_seconds
from benchmarks.floor import floor
from benchmarks.report import Figure, milliseconds, percentile
from consensus.bft.desk import ReplicaConfig
from tests.support.processes import Federation, Home

SIZES = {4: 200, 7: 100, 10: 60}  # nodes, decisions
BESIDE = 4  # nodes of the federation that stands beside etcd
OPEN, THROUGH = 16, 160  # decisions under way at once, and in all
WARM_UP = 10
BARE_ROUNDS = 100
AIM, LIMIT, AIM_OF_ETCD = 2, 4, 6


def run() -> Iterator[Figure]:
    """All figures of this module."""
    for size, decisions in SIZES.items():
        with tempfile.TemporaryDirectory() as directory, Federation(Path(directory)) as federation:
            homes = federation.govern(*(f"n{number}" for number in range(size)), default="approve")
            least = floor(Path(directory), decisions)
            took, cpu = _latencies(homes, decisions)
            yield from _beside_the_floor(size, took, least)
            yield from _beside_bare_rounds(size, took, least)
            yield Figure(name=f"{size} nodes: CPU of a node for a decision", value=milliseconds(cpu))
            if size == BESIDE:
                yield from _through(homes)
                yield _beside_etcd(took, decisions)


def decide(home: Home, target: str) -> None:
    """Have something decided."""
    details = {"kind": "task", "target": target, "priority": "high"}
    asked = {"subject": "PRIORITY_CHANGE", "action": "set_priority", "details": details, "deadline_s": 60}
    decided = home.call("propose", {**asked, "wait": True})
    assert decided["status"] == "APPROVED", decided


def _latencies(homes: Sequence[Home], decisions: int) -> tuple[list[float], float]:
    """Seconds of each decision, and CPU seconds of a node for one."""
    leader = homes[0].status()["consensus"]["leader"]
    asker = next(home for home in homes if home.name != leader)
    for number in range(WARM_UP):
        decide(asker, f"warm{number}")
    pids = [int(home.status()["pid"]) for home in homes]
    before, took = sum(map(cpu_seconds, pids)), []
    for number in range(decisions):
        start = time.perf_counter()
        decide(asker, f"t{number % 50}")
        took.append(time.perf_counter() - start)
    return took, (sum(map(cpu_seconds, pids)) - before) / decisions / len(homes)


def _beside_the_floor(size: int, took: list[float], least: list[float]) -> Iterator[Figure]:
    for share in (0.5, 0.99):
        ours, bare = percentile(took, share), percentile(least, share)
        yield Figure(name=f"{size} nodes: the floor, p{share * 100:.0f}", value=milliseconds(bare))
        yield Figure(
            name=f"{size} nodes: a decision, p{share * 100:.0f}",
            value=milliseconds(ours),
            ratio=ours / bare,
            aim=f"{AIM} ×",
            broken=f"OVER {LIMIT} ×" if ours > LIMIT * bare else "",
        )


def _beside_bare_rounds(size: int, took: list[float], least: list[float]) -> Iterator[Figure]:
    """Our messages without us, and the fewest that would do, each beside the floor; and us beside ours."""
    ours = Pattern.TO_ALL if size <= ReplicaConfig().all_to_all else Pattern.COLLECTED
    floor_p50 = percentile(least, 0.5)
    for pattern in (ours, Pattern.FEWEST):
        bare = percentile(rounds(size, pattern, WARM_UP + BARE_ROUNDS)[WARM_UP:], 0.5)
        name = f"{size} nodes: bare messages, {pattern}, p50"
        yield Figure(name=name, value=milliseconds(bare), ratio=bare / floor_p50)
        if pattern is ours:
            ratio = percentile(took, 0.5) / bare
            yield Figure(name=f"{size} nodes: a decision beside these, p50", value=f"{ratio:.1f} ×")


def _through(homes: Sequence[Home]) -> Iterator[Figure]:
    """As many decisions as can be, with so many under way."""
    start = time.perf_counter()
    with ThreadPoolExecutor(OPEN) as pool:
        turns = [(homes[number % len(homes)], f"t{number % 50}") for number in range(THROUGH)]
        list(pool.map(lambda turn: decide(*turn), turns))
    took = time.perf_counter() - start
    yield Figure(name=f"{len(homes)} nodes: decisions a second, {OPEN} open", value=f"{THROUGH / took:.1f}")


def _beside_etcd(took: list[float], puts: int) -> Figure:
    name = f"{BESIDE} nodes: a decision beside a put of etcd, p50"
    lack = etcd.missing()
    if lack:
        return Figure(name=name, value="not measured", aim=lack)
    ours, theirs = percentile(took, 0.5), percentile(etcd.puts(BESIDE, puts, WARM_UP), 0.5)
    value = f"{milliseconds(ours)} / {milliseconds(theirs)}"
    return Figure(name=name, value=value, ratio=ours / theirs, aim=f"{AIM_OF_ETCD} ×")
