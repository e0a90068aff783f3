"""What has to hold of a live federation, as pure functions over what was seen of it from outside.

A check yields what breaks it: the swarm it concerns ("" for all) and a sentence. Adding one is a row of `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_RSS = 100_000_000  # bytes of memory that a node may take
BLAME = ("banned", "fork_found", "damage")  # trace records that no honest federation leaves

Status = Mapping[str, Any]
Finding = tuple[str, str]  # swarm, what is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A write that its writer was told is durable."""

    swarm: str
    key: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What `zenmesh status` of a swarm said at some time."""

    swarm: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Something that does not hold."""

    check: str
    swarm: str
    what: str


@dataclass(slots=True, kw_only=True)
class Evidence:
    """All that was seen. `read` is what each swarm shows at the end: by reader, key and owner."""

    swarms: Sequence[str]
    sightings: list[Sighting] = field(default_factory=list)  # in order of time
    final: Mapping[str, Status] = field(default_factory=dict)  # a swarm that did not answer is missing
    written: Sequence[Write] = ()
    read: Mapping[str, Mapping[str, Mapping[str, object]]] = field(default_factory=dict)
    traced: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  # lines of the trace files
    ended: Sequence[Finding] = ()  # nodes that ended though nobody ended them
    stuck: Sequence[Finding] = ()  # what the story waited for in vain


def told(evidence: Evidence) -> Iterator[Finding]:
    """Everything that the story waited for came true in time."""
    yield from evidence.stuck


def alive(evidence: Evidence) -> Iterator[Finding]:
    """No node ends by itself, and all answer in the end."""
    yield from evidence.ended
    yield from ((swarm, "does not answer") for swarm in evidence.swarms if swarm not in evidence.final)


def converged(evidence: Evidence) -> Iterator[Finding]:
    """In the end all are operational and hold the same state."""
    for swarm, status in evidence.final.items():
        if status["lifecycle"] != "OPERATIONAL":
            yield swarm, f"ended {status['lifecycle']}: {status['lifecycle_reason']}"
    roots = {swarm: str(status["state_root"])[:12] for swarm, status in evidence.final.items()}
    if len(set(roots.values())) > 1:
        yield "", "states differ: " + ", ".join(f"{swarm} {root}" for swarm, root in roots.items())


def durable(evidence: Evidence) -> Iterator[Finding]:
    """Everyone reads, in the end, every write that was acknowledged."""
    for reader, memory in evidence.read.items():
        lost = [w for w in evidence.written if memory.get(w.key, {}).get(w.swarm, _NOTHING) != w.value]
        if lost:
            first = f"{lost[0].key} of {lost[0].swarm}"
            yield reader, f"does not read {len(lost)} of {len(evidence.written)} acknowledged writes, first {first}"


def forward(evidence: Evidence) -> Iterator[Finding]:
    """No node's chain, and nothing that it holds of a swarm's log, ever gets shorter."""
    highest: dict[tuple[str, str], int] = {}
    for seen in evidence.sightings:
        lengths = {f"log of {row['swarm']}": row["seq"] for row in seen.status["members"]}
        for what, length in {"chain": seen.status["height"], **lengths}.items():
            before = highest.get((seen.swarm, what), 0)
            if length < before:
                yield seen.swarm, f"its {what} went from {before} back to {length}"
            highest[seen.swarm, what] = length


def one_chain(evidence: Evidence) -> Iterator[Finding]:
    """Whoever is at one height of the chain names the same members, whenever and whoever it is."""
    known: dict[int, tuple[str, list[str]]] = {}
    for seen in evidence.sightings:
        if seen.status["role"] == "applicant":
            continue  # it has no chain yet
        members = sorted(row["swarm_id"] for row in seen.status["members"])
        first, same = known.setdefault(seen.status["height"], (seen.swarm, members))
        if members != same:
            yield seen.swarm, f"at height {seen.status['height']} it has other members than {first}"
            return


def unblamed(evidence: Evidence) -> Iterator[Finding]:
    """No node's trace blames another, and none finds damage on its disk."""
    for swarm, lines in evidence.traced.items():
        for line in lines:
            if line["kind"] in BLAME:
                yield swarm, f"{line['kind']}: " + " ".join(f"{k}={line[k]}" for k in line if k not in _STAMPS)


def lean(evidence: Evidence) -> Iterator[Finding]:
    """A node takes less memory than `MAX_RSS`."""
    for swarm in evidence.swarms:
        most = max((seen.status["rss_bytes"] for seen in evidence.sightings if seen.swarm == swarm), default=0)
        if most >= MAX_RSS:
            yield swarm, f"took {most / 1e6:.0f} MB of memory; less than {MAX_RSS / 1e6:.0f} is allowed"


CHECKS: dict[str, Callable[[Evidence], Iterator[Finding]]] = {
    "in-time": told,
    "alive": alive,
    "convergence": converged,
    "durability": durable,
    "forward": forward,
    "one-chain": one_chain,
    "honour": unblamed,
    "memory": lean,
}


def judge(evidence: Evidence) -> list[Broken]:
    """Everything that does not hold."""
    return [
        Broken(check=name, swarm=swarm, what=what)
        for name, check in CHECKS.items()
        for swarm, what in check(evidence)
    ]


_NOTHING = object()
_STAMPS = ("at_us", "wall_ms", "kind")
