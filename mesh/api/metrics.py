"""Prometheus text exposition (version 0.0.4) of a node's numbers, written by hand.

The format is a dozen lines of rules, and the client library would cost the daemon 3 MB of memory. A test reads what
is written here with the library's own parser. Names follow `zenmesh_<machine>_<noun>_<unit|total>`; counters get
their `_total` here. No peer id is ever a label: labels must not grow with strangers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mesh.api import process

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "zenmesh_"

Number = int | float

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_]")
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """One reading. Names come without prefix and suffix, for example `node_batches_applied`.

    `counters` only ever grow; `gauges` go up and down; `info` is text (version, lifecycle), exported as the labels
    of one gauge that is always 1.
    """

    counters: Mapping[str, Number] = field(default_factory=dict)
    gauges: Mapping[str, Number] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)


def render(metrics: Metrics) -> str:
    """`metrics` and this process's own numbers as Prometheus text."""
    lines: list[str] = []
    for name in sorted(metrics.counters):
        lines += _family(f"{PREFIX}{_legal(name)}_total", "counter", _words(name), metrics.counters[name])
    for name in sorted(metrics.gauges):
        lines += _family(f"{PREFIX}{_legal(name)}", "gauge", _words(name), metrics.gauges[name])
    if metrics.info:
        labels = ",".join(f'{_legal(name)}="{_escaped(value)}"' for name, value in sorted(metrics.info.items()))
        lines += _family(f"{PREFIX}info", "gauge", "what this node is", 1, f"{{{labels}}}")
    for name, kind, text, value in _process():
        lines += _family(name, kind, text, value)
    return "\n".join(lines) + "\n"


def _process() -> Iterator[tuple[str, str, str, Number]]:
    """The names that every Prometheus dashboard knows."""
    yield "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", process.resident_bytes()
    yield "process_cpu_seconds_total", "counter", "User and system CPU time in seconds.", process.cpu_seconds()
    yield "process_open_fds", "gauge", "Number of open file descriptors.", process.open_files()


def _family(name: str, kind: str, text: str, value: Number, labels: str = "") -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name}{labels} {_number(value)}"]


def _number(value: Number) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))


def _legal(name: str) -> str:
    return _ILLEGAL.sub("_", name)


def _words(name: str) -> str:
    return _legal(name).replace("_", " ")


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in value)
