"""Whether a living queen is ever declared failed: ten real nodes on a machine without a free moment, hanging in turn.

As many processes as there are cores do nothing but compute, and every few seconds a node that the seed draws is
stopped (SIGSTOP) for two seconds, on a LAN's profile, which suspects after three. Suspicions may come and go; one
that was confirmed by more than half of the weight is one too many.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.report import Figure
from mesh.protocol.trace import TraceKind
from tests.support.processes import Federation, Home

NODES = 10
LENGTH_S = 600.0
STOPPED_S = 2.0
PAUSE_S = 5.0  # from one stop to the next
SEED = 1


def run() -> Iterator[Figure]:
    """All figures of this module."""
    with tempfile.TemporaryDirectory() as directory, Federation(Path(directory)) as federation:
        homes = federation.govern(*(f"n{number}" for number in range(NODES)), default="approve")
        before = [told(home) for home in homes]
        with _no_free_moment():
            stops = _hang(homes)
        after = [told(home) for home in homes]
    suspected, failed = (
        sum(late[kind] - early[kind] for early, late in zip(before, after, strict=True)) for kind in KINDS
    )
    yield Figure(name=f"{stops} stops of {STOPPED_S:g} s in {LENGTH_S / 60:g} min: suspicions", value=str(suspected))
    yield Figure(
        name="of living nodes confirmed as failed",
        value=str(failed),
        aim="0",
        broken="FALSE ACCUSATIONS CONFIRMED" if failed else "",
    )


KINDS = (TraceKind.SUSPECTED, TraceKind.FAILED)


def told(home: Home) -> dict[TraceKind, int]:
    """How often a node's log says that another is suspected, and failed."""
    text = home.log_path.read_text()
    return {kind: len(re.findall(rf"zenmesh: {kind.value} swarm=", text)) for kind in KINDS}


@contextlib.contextmanager
def _no_free_moment() -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _hang(homes: list[Home]) -> int:
    """Stop one after the other; how often."""
    draws, end, stops = Random(SEED), time.monotonic() + LENGTH_S, 0
    while time.monotonic() < end:
        home = draws.choice(homes)
        home.pause()
        time.sleep(STOPPED_S)
        home.resume()
        time.sleep(PAUSE_S - STOPPED_S)
        stops += 1
    return stops
