"""What a decision costs at the least: the hops over bare streams and the writes to the disk that no protocol saves.

    proposal ──hop──► ballot, fsync ──hop──► PRE_PREPARE, fsync ──hop──► PREPARE, fsync
                                             ──hop──► COMMIT, fsync ──hop──► the block, fsync

and the proposer's own ballot, durable before its proposal leaves: five hops and six fsyncs, one after the other.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from benchmarks import bare_echo

HOPS, FSYNCS = 5, 6
RECORD = 400  # bytes, about those of a vote


def floor(directory: Path, samples: int) -> list[float]:
    """So many decisions that do nothing but wait, in seconds; on the disk of `directory`."""
    hops = [trip / 2 for trip in bare_echo.stream_trips(samples * HOPS)]
    writes = _fsyncs(directory / "floor", samples * FSYNCS)
    return [
        sum(hops[number * HOPS : (number + 1) * HOPS]) + sum(writes[number * FSYNCS : (number + 1) * FSYNCS])
        for number in range(samples)
    ]


def _fsyncs(file: Path, count: int) -> list[float]:
    """Seconds to append a record so that it lasts."""
    took = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(count):
            start = time.perf_counter()
            os.write(descriptor, bytes(RECORD))
            os.fsync(descriptor)
            took.append(time.perf_counter() - start)
    finally:
        os.close(descriptor)
    return took
