"""What is going to be done to a live federation, as values: who is where, what befalls whom for how long, who lies.

All of it follows from the seed, before anything starts. Whether a ground can do it is said when the plan is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from bootstrap.live.ways import Way


class Trouble(StrEnum):
    """What may befall swarms for a while."""

    PAUSE = "hangs"
    KILL = "is killed"
    CUT = "is cut off"
    FAR = "is far from all"
    LOSS = "is on lossy ways"
    NARROW = "is on narrow ways"


WORSE = {
    Trouble.FAR: Way(delay_ms=200, jitter_ms=100),
    Trouble.LOSS: Way(loss=0.1),
    Trouble.NARROW: Way(bytes_per_s=4_000),
}
LAN_SIZE = 2  # swarms, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One trouble, of swarms by number, and how long it is quiet before it comes."""

    trouble: Trouble
    swarms: tuple[int, ...]
    quiet_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is going to be done. `sides` are the groups of swarms, by number, of a partition; `liar` is a number.

    `faults` come one after another; `lans` are the LANs, where there are several.
    """

    name: str
    names: tuple[str, ...]
    seed: int
    seconds: float
    sides: tuple[tuple[int, ...], tuple[int, ...]]
    liar: int
    faults: tuple[Fault, ...]
    lans: tuple[tuple[int, ...], ...] = ()

    def told(self, fault: Fault) -> str:
        """A fault in words."""
        everyone = len(fault.swarms) == len(self.names)
        who = "everyone" if everyone else " ".join(self.names[number] for number in fault.swarms)
        return f"{who} {fault.trouble.value} for {fault.for_s:g} s"


def one_after_another(random: Random, count: int, seconds: float) -> tuple[Fault, ...]:
    """Troubles of one swarm after another, for about so many seconds."""
    faults: list[Fault] = []
    while sum(fault.quiet_s + fault.for_s for fault in faults) < seconds:
        trouble = random.choice(list(Trouble))
        quiet_s, for_s = round(random.uniform(0.2, 2.0), 1), round(random.uniform(0.5, 8.0), 1)
        faults.append(Fault(trouble=trouble, swarms=(random.randrange(count),), quiet_s=quiet_s, for_s=for_s))
    return tuple(faults)


def all_ways_worse(random: Random, count: int, seconds: float) -> tuple[Fault, ...]:
    """All ways far, lossy and narrow, in an order that is drawn, each for its share of the time."""
    kinds = random.sample(list(WORSE), len(WORSE))
    for_s = round(seconds / len(kinds), 1)
    return tuple(Fault(trouble=kind, swarms=tuple(range(count)), quiet_s=0.0, for_s=for_s) for kind in kinds)


def no_faults(random: Random, count: int, seconds: float) -> tuple[Fault, ...]:
    """None."""
    return ()


def spread(order: list[int]) -> tuple[tuple[int, ...], ...]:
    """Swarms on two or three LANs."""
    lans = min(3, len(order) // LAN_SIZE)
    return tuple(tuple(sorted(order[lan::lans])) for lan in range(lans))


def split(order: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The two sides of a partition."""
    few = minority(len(order))
    return tuple(sorted(order[few:])), tuple(sorted(order[:few]))


def minority(count: int) -> int:
    """How many are cut off: 7 become 5|2, 5 become 3|2, 3 become 2|1."""
    return max(1, min(2, (count - 1) // 2))
