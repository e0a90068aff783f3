"""The page of a live run: what the story did and what the nodes' trace files say, merged by wall time.

All nodes run on one machine and so by one wall clock; its resolution is a millisecond. A node tells when it wrote a
batch and when it applied one, not which messages went over the wire: so an arrow is a batch on its way from its
writer to a reader, however many hops that took. Peers are shown by the names of their swarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootstrap.live.liar import RATE
from bootstrap.live.ways import CLEAR, Way
from chaos.actions import Cut, Lie, Link
from chaos.checkers import Violation
from chaos.scenario import Scenario
from chaos.timeline import page
from chaos.trace import Kind, Record, Trace

MILLISECOND = 1_000  # microseconds
_STAMPS = ("at_us", "wall_ms", "kind")

Line = Mapping[str, Any]  # of a node's trace file


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that was done to the federation.

    `cut` are the sides of a partition, `worse` the swarms whose ways are like `way`; both last until `healed`.
    """

    wall_ms: int
    text: str
    cut: tuple[tuple[str, ...], ...] = ()
    worse: tuple[str, ...] = ()
    way: Way = CLEAR
    healed: bool = False
    lies: str = ""  # the swarm that lies from now on
    killed: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()


def live_page(
    name: str,
    seed: int,
    swarms: int,
    *,
    deeds: Sequence[Deed],
    traced: Mapping[str, Sequence[Line]],
    peers: Mapping[str, str],
    violations: Sequence[tuple[str, str, str]],
    command: str,
    ground: str,
) -> str:
    """The HTML text. `peers` names the swarm of a peer id; a violation is its check, its swarm and what is wrong."""
    begin = min([deed.wall_ms for deed in deeds] + [line["wall_ms"] for lines in traced.values() for line in lines])
    trace = Trace(keep=True)
    for record in sorted([*_deeds(deeds, begin), *_lines(traced, peers, begin)], key=lambda record: record.at):
        trace.note(record.at, record.host, record.kind, *record.values)
    end = trace.records[-1].at if trace.records else 0
    scenario = Scenario(name=name, seed=seed, swarms=swarms, actions=tuple(_faults(deeds, tuple(traced), begin, end)))
    title = f"{name}, live: {violations[0][0] if violations else 'held'}"
    broken = [Violation(check, end, swarm, what) for check, swarm, what in violations]
    return page(trace, scenario, title=title, violations=broken, command=command, ground=ground)


def _deeds(deeds: Sequence[Deed], begin: int) -> Iterator[Record]:
    for deed in deeds:
        at = (deed.wall_ms - begin) * MILLISECOND
        if not deed.started:  # the mark on its lane says so
            kind = "cut" if deed.cut else "link" if deed.worse else "lie" if deed.lies else "step"
            yield Record(at, "", Kind.FAULT, (kind, deed.text))
        yield from (Record(at, swarm, Kind.STATE, ("down", deed.text)) for swarm in deed.killed)
        yield from (Record(at, swarm, Kind.STATE, ("started", None)) for swarm in deed.started)
        yield from (Record(at, swarm, Kind.STATE, ("paused", deed.text)) for swarm in deed.paused)
        yield from (Record(at, swarm, Kind.STATE, ("resumed", None)) for swarm in deed.resumed)


def _faults(deeds: Sequence[Deed], swarms: tuple[str, ...], begin: int, end: int) -> Iterator[Cut | Link | Lie]:
    """Each partition, each worse way and each liar as the action that leaves the record of its beginning."""
    for deed in deeds:
        at = deed.wall_ms - begin
        over = [other.wall_ms - begin for other in deeds if other.wall_ms >= deed.wall_ms and other.healed]
        for_ms = max(0, min(over, default=end // MILLISECOND) - at)
        if len(deed.cut) > 1:
            yield Cut(at_ms=at, sources=deed.cut[0], targets=deed.cut[1], for_ms=for_ms)
        elif deed.worse:
            yield Link(
                at_ms=at,
                sources=deed.worse,
                targets=tuple(swarm for swarm in swarms if swarm not in deed.worse),
                for_ms=for_ms,
                delay_ms=deed.way.delay_ms,
                jitter_ms=deed.way.jitter_ms,
                bytes_per_s=deed.way.bytes_per_s,
                loss=deed.way.loss,
            )
        elif deed.lies:
            yield Lie(at_ms=at, host=deed.lies, rate=RATE, for_ms=max(0, end // MILLISECOND - at))


def _lines(traced: Mapping[str, Sequence[Line]], peers: Mapping[str, str], begin: int) -> Iterator[Record]:
    for swarm, lines in traced.items():
        for line in lines:
            at = (line["wall_ms"] - begin) * MILLISECOND
            yield from _record(at, swarm, line, peers)


def _record(at: int, swarm: str, line: Line, peers: Mapping[str, str]) -> Iterable[Record]:
    match line["kind"]:
        case "batch_written":
            message = f"{swarm}/{line['term']}/{line['seq']}"
            return [Record(at, swarm, Kind.PUBLISHED, (message, "memory", "BATCH", None))]
        case "batch_applied":
            message = f"{line['swarm']}/{line['term']}/{line['seq']}"
            return [Record(at, swarm, Kind.ARRIVED, (message, line["swarm"]))]
        case ("banned" | "fork_found" | "damage") as kind:
            return [
                Record(at, "", Kind.FAULT, (kind, f"{swarm}: {_told(line, peers)}")),
                _plain(at, swarm, line, peers),
            ]
        case _:
            return [_plain(at, swarm, line, peers)]


def _plain(at: int, swarm: str, line: Line, peers: Mapping[str, str]) -> Record:
    return Record(at, swarm, Kind.NODE, (line["kind"], _told(line, peers)))


def _told(line: Line, peers: Mapping[str, str]) -> str:
    fields = {key: peers.get(value, value) for key, value in line.items() if key not in _STAMPS}
    return " ".join(f"{key}={value}" for key, value in fields.items())
