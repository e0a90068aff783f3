"""Messages as arrows: which departure belongs to which arrival.

A message on a link has a number of its own: it is sent once, and arrives, is lost, or is still under way at the end.
A published message keeps its number on every hop; a hop begins when its relay had the message, and a relay passes it
on at once or, told of later, in a heartbeat. What arrives under a number that nobody sent (a liar's) gets an arrow
without a slope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

from chaos.trace import Kind, Record

Arrow = tuple[
    int, int, int, int, int, int, int
]  # from, to (times), source, target (lanes), fate, two records (or -1)


class Fate(IntEnum):
    """What came of a message."""

    ARRIVED = 0
    GOSSIP = 1  # arrived too, by one hop of gossip
    LOST = 2
    NEVER = 3  # nobody saw it arrive, nor be lost


def arrows(records: Sequence[Record], places: Mapping[str, int]) -> list[Arrow]:
    """Every arrow, in order of departure."""
    found: list[Arrow] = []
    sent: dict[object, int] = {}  # message: the record of its departure
    had: dict[tuple[object, str], int] = {}  # published message, host: since which record it has it
    done: set[object] = set()
    for index, record in enumerate(records):
        if record.kind is Kind.SENT:
            sent[record.values[0]] = index
        elif record.kind is Kind.PUBLISHED:
            had[record.values[0], record.host] = index
        elif record.kind is Kind.LOST and record.values[0] in sent:
            start = sent[record.values[0]]
            done.add(record.values[0])
            target = places.get(str(records[start].values[1]), -1)
            found.append((records[start].at, record.at, places[records[start].host], target, Fate.LOST, start, index))
        elif record.kind is Kind.ARRIVED:
            found.append(_arrival(records, index, sent, had, places))
            done.add(record.values[0])
    for message, start in sent.items():
        if message not in done:
            record = records[start]
            target = places.get(str(record.values[1]), -1)
            found.append((record.at, record.at, places[record.host], target, Fate.NEVER, start, -1))
    return sorted(found)


def _arrival(
    records: Sequence[Record],
    index: int,
    sent: Mapping[object, int],
    had: dict[tuple[object, str], int],
    places: Mapping[str, int],
) -> Arrow:
    record = records[index]
    message, source = record.values[0], str(record.values[1])
    if message in sent:
        start, fate = sent[message], Fate.ARRIVED
    else:
        start, fate = had.get((message, source), -1), Fate.GOSSIP
        had.setdefault((message, record.host), index)
    began = records[start].at if start >= 0 else record.at
    return (began, record.at, places.get(source, -1), places[record.host], fate, start, index)
