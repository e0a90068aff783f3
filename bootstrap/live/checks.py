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
    hostile: tuple[str, ...] = ()  # swarms that lie: nothing is expected of them
    ended: Sequence[Finding] = ()  # nodes that ended though nobody ended them
    stuck: Sequence[Finding] = ()  # what the story waited for in vain
    left_out: Sequence[str] = ()  # what the ground could not do
    writing_s: float = 0.0  # how long users wrote

    @property
    def honest(self) -> list[str]:
        """The swarms of which something is expected."""
        return [swarm for swarm in self.swarms if swarm not in self.hostile]


def caught(status: Status) -> set[str]:
    """The swarms whose score with this node is below zero: it holds offences against them."""
    return {row["swarm"] for row in status["peers"] if row["score"] < 0 and row["swarm"]}


def told(evidence: Evidence) -> Iterator[Finding]:
    """Everything that the story waited for came true in time."""
    yield from evidence.stuck


def alive(evidence: Evidence) -> Iterator[Finding]:
    """No node ends by itself, and all answer in the end."""
    yield from evidence.ended
    yield from ((swarm, "does not answer") for swarm in evidence.honest if swarm not in evidence.final)


def converged(evidence: Evidence) -> Iterator[Finding]:
    """In the end all are operational and hold the same state."""
    final = {swarm: status for swarm, status in evidence.final.items() if swarm in evidence.honest}
    for swarm, status in final.items():
        if status["lifecycle"] != "OPERATIONAL":
            yield swarm, f"ended {status['lifecycle']}: {status['lifecycle_reason']}"
    roots = {swarm: str(status["state_root"])[:12] for swarm, status in final.items()}
    if len(set(roots.values())) > 1:
        yield "", "states differ: " + ", ".join(f"{swarm} {root}" for swarm, root in roots.items())


def durable(evidence: Evidence) -> Iterator[Finding]:
    """Everyone reads, in the end, every write that was acknowledged."""
    written = [write for write in evidence.written if write.swarm in evidence.honest]
    for reader in evidence.honest:
        if reader not in evidence.read:
            continue
        memory = evidence.read[reader]
        lost = [w for w in written if memory.get(w.key, {}).get(w.swarm, _NOTHING) != w.value]
        if lost:
            first = f"{lost[0].key} of {lost[0].swarm}"
            yield reader, f"does not read {len(lost)} of {len(written)} acknowledged writes, first {first}"


def forward(evidence: Evidence) -> Iterator[Finding]:
    """No node's chain, and nothing that it holds of a swarm's log, ever gets shorter."""
    highest: dict[tuple[str, str], int] = {}
    for seen in _honest_sightings(evidence):
        lengths = {f"log of {row['swarm']}": row["seq"] for row in seen.status["members"]}
        for what, length in {"chain": seen.status["height"], **lengths}.items():
            before = highest.get((seen.swarm, what), 0)
            if length < before:
                yield seen.swarm, f"its {what} went from {before} back to {length}"
            highest[seen.swarm, what] = length


def one_chain(evidence: Evidence) -> Iterator[Finding]:
    """Whoever is at one height of the chain names the same members, whenever and whoever it is."""
    known: dict[int, tuple[str, list[str]]] = {}
    for seen in _honest_sightings(evidence):
        if seen.status["role"] == "applicant":
            continue  # it has no chain yet
        members = sorted(row["swarm_id"] for row in seen.status["members"])
        first, same = known.setdefault(seen.status["height"], (seen.swarm, members))
        if members != same:
            yield seen.swarm, f"at height {seen.status['height']} it has other members than {first}"
            return


def unblamed(evidence: Evidence) -> Iterator[Finding]:
    """No honest node's trace blames an honest one, and none finds damage on its disk."""
    liars = {*evidence.hostile, *_peers(evidence, evidence.hostile)}
    for swarm in evidence.honest:
        for line in evidence.traced.get(swarm, ()):
            if line["kind"] in BLAME and liars.isdisjoint((line.get("swarm"), line.get("peer"))):
                yield swarm, f"{line['kind']}: " + " ".join(f"{k}={line[k]}" for k in line if k not in _STAMPS)


def exposed(evidence: Evidence) -> Iterator[Finding]:
    """Every honest node that answers counts each liar's offences under the liar's name."""
    for swarm in evidence.honest:
        unknown = set(evidence.hostile) - caught(evidence.final[swarm]) if swarm in evidence.final else ()
        yield from ((swarm, f"never caught {liar} lying") for liar in sorted(unknown))


def lean(evidence: Evidence) -> Iterator[Finding]:
    """A node takes less memory than `MAX_RSS`."""
    for swarm in evidence.honest:
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
    "blame": exposed,
    "memory": lean,
}


def judge(evidence: Evidence) -> list[Broken]:
    """Everything that does not hold."""
    return [
        Broken(check=name, swarm=swarm, what=what)
        for name, check in CHECKS.items()
        for swarm, what in check(evidence)
    ]


def _honest_sightings(evidence: Evidence) -> Iterator[Sighting]:
    return (seen for seen in evidence.sightings if seen.swarm in evidence.honest)


def _peers(evidence: Evidence, swarms: Sequence[str]) -> set[str]:
    """The peer ids of swarms, as anybody saw them."""
    rows = (row for seen in evidence.sightings for row in seen.status["members"])
    return {row["peer_id"] for row in rows if row["swarm"] in swarms}


_NOTHING = object()
_STAMPS = ("at_us", "wall_ms", "kind")
