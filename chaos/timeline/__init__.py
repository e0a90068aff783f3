"""The timeline page: what happened in a run, as one HTML file that needs nothing else.

A lane per host, time to the right, each message an arrow from its sender's lane to its receiver's. What is worked
out once is worked out here: arrows, times in which a process was down or paused, faults that last. `page.js` only
draws. The page loads nothing and runs no script but its own (a policy names it by its hash); texts in a trace come
from hostile peers, so the data block cannot end before its end, and the script shows texts as texts only.
"""

from __future__ import annotations

import hashlib
import html
import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from chaos.checkers.base import Violation
from chaos.named import again
from chaos.scenario import Scenario
from chaos.timeline.arrows import arrows
from chaos.timeline.spans import lanes, lasting
from chaos.trace import VALUES, Kind, Record, Trace, Value

KINDS = tuple(Kind)
_PARTS = ("html", "css", "js")
_ESCAPES = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def page(
    trace: Trace,
    scenario: Scenario,
    *,
    title: str,
    violations: Sequence[Violation],
    command: str = "",
    ground: str = "",
) -> str:
    """The HTML text of the page; `command` is what runs the same again, by default the one of a named scenario.

    `ground` is where real processes ran, in real time; nothing in the simulated world.
    """
    records = with_violations(trace.records, violations)
    parts = {name: resources.files("chaos.timeline").joinpath(f"page.{name}").read_text("utf-8") for name in _PARTS}
    facts: dict[str, Any] = {
        "title": title,
        "scenario": scenario.name,
        "seed": scenario.seed,
        "swarms": scenario.swarms,
        "canary": scenario.canary,
        "digest": trace.digest,
        "ground": ground,
        "left_out": trace.count - len(trace.records),
        "command": command or again(scenario),
    }
    filled = {
        "TITLE": html.escape(title),
        "STYLE": parts["css"],
        "SCRIPT": parts["js"],
        "STYLE_HASH": _hash(parts["css"]),
        "SCRIPT_HASH": _hash(parts["js"]),
        "DATA": inert(facts | model(records, scenario)),
    }
    pieces = parts["html"].split("@@")  # text and names by turns, so that nothing filled in is filled in again
    return "".join(filled[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def with_violations(records: Iterable[Record], violations: Sequence[Violation]) -> list[Record]:
    """The records in order of time, with those violations that no record tells of."""
    known = list(records)
    told = {record.values for record in known if record.kind is Kind.VIOLATION}
    extra = [
        Record(one.at, one.host, Kind.VIOLATION, (one.checker, one.what))
        for one in violations
        if (one.checker, one.what) not in told
    ]
    return sorted([*known, *extra], key=lambda record: record.at)


def model(records: Sequence[Record], scenario: Scenario) -> dict[str, Any]:
    """What the script draws, with every text once, in `texts`."""
    names = dict.fromkeys(f"s{number}" for number in range(1, scenario.swarms + 1))
    hosts = list(names | dict.fromkeys(record.host for record in records if record.host))
    places = {name: place for place, name in enumerate(hosts)} | {"": -1}
    texts: dict[str, int] = {}
    rows = [
        [
            record.at,
            places[record.host],
            KINDS.index(record.kind),
            *(_compact(value, texts) for value in record.values),
        ]
        for record in records
    ]
    return {
        "hosts": hosts,
        "end": records[-1].at if records else 0,
        "kinds": list(KINDS),
        "fields": [VALUES[kind] for kind in KINDS],
        "records": rows,
        "arrows": arrows(records, places),
        "lanes": lanes(records, hosts),
        "spans": lasting(records, scenario, places),
        "texts": list(texts),
    }


def inert(value: Any) -> str:
    """JSON that cannot end the element it stands in, whatever texts it holds."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPES)


def _compact(value: Value, texts: dict[str, int]) -> int | bool | None:
    """A text as a number below zero: its place in `texts`, counted from -1 downwards."""
    if isinstance(value, str) or (isinstance(value, int) and value < 0):
        return -1 - texts.setdefault(str(value), len(texts))
    return value


def _hash(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
