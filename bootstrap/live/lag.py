"""How long it took until a write could be read everywhere, from the nodes' own traces.

A batch is written by its owner at one time and applied by each other node at another; its lag is the time until the
last of them had it. What a node got as part of a snapshot counts from the snapshot. All nodes run on one machine and
so by one wall clock. A batch that somebody never had has no lag: `durability` is the check that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Line = Mapping[str, Any]  # of a node's trace file


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Of one swarm's writes, in milliseconds."""

    median: int
    longest: int


def lags(traced: Mapping[str, Sequence[Line]], swarms: Sequence[str]) -> dict[str, Lag]:
    """By writer, among `swarms`; a writer is missing whose writes nobody else had."""
    had = {reader: _first_had(traced.get(reader, ())) for reader in swarms}
    found = {}
    for writer in swarms:
        written = [
            (line["term"], line["seq"], line["wall_ms"])
            for line in traced.get(writer, ())
            if line["kind"] == "batch_written"
        ]
        readers = [times.get(writer, {}) for reader, times in had.items() if reader != writer]
        waits = [
            max(times[term, seq] for times in readers) - at
            for term, seq, at in written
            if readers and all((term, seq) in times for times in readers)
        ]
        if waits:
            found[writer] = Lag(median=round(median(waits)), longest=max(waits))
    return found


def _first_had(lines: Iterable[Line]) -> dict[str, dict[tuple[int, int], int]]:
    """By owner and batch, when a node first had it."""
    had: dict[str, dict[tuple[int, int], int]] = {}
    for line in lines:
        if line["kind"] in ("batch_applied", "snapshot_installed"):
            times = had.setdefault(line["swarm"], {})
            lowest = 1 if line["kind"] == "snapshot_installed" else line["seq"]
            for seq in range(lowest, line["seq"] + 1):
                times.setdefault((line["term"], seq), line["wall_ms"])
    return had
