"""The stories: what happens to a live federation, by name, as calls of the stage's verbs.

What is left open (who is cut off, who lies) is drawn by the seed. A plan is made before anything starts, so that a
wrong wish is answered at once; what it cannot decide is the exact moment at which real processes do what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from bootstrap.live.stage import Stage
from wire.errors import UsageError

MIN_SWARMS, MAX_SWARMS = 2, 16
WRITES_PER_MINUTE = 120  # of each swarm, unless the story says otherwise
KILLED_WRITES_PER_MINUTE = 600  # of each swarm of `recovery`: so many that some are under way when all are killed
BUSY_WRITES_PER_MINUTE = 1000  # of all swarms of `high-load`


class Trouble(StrEnum):
    """What may befall one swarm for a while."""

    PAUSE = "hangs"
    KILL = "is killed"
    CUT = "is cut off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One trouble, and how long it is quiet before it comes."""

    trouble: Trouble
    swarm: int
    quiet_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is going to be done. `sides` are the groups of swarms, by number, of a partition; `liar` is a number.

    `faults` come one after another.
    """

    name: str
    names: tuple[str, ...]
    seed: int
    seconds: float
    sides: tuple[tuple[int, ...], tuple[int, ...]]
    liar: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story, how many swarms it has unless told otherwise, and how it is played."""

    swarms: int
    least: int = MIN_SWARMS
    what: str
    play: Callable[[Stage, Plan], None]


def _happy_path(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.write(60 / WRITES_PER_MINUTE)
    stage.last(plan.seconds)
    stage.finish_writing()
    stage.agree()


def _partition(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.write(60 / WRITES_PER_MINUTE)
    stage.partition(*plan.sides)
    stage.last(plan.seconds)
    stage.wait_for_writes(1)
    stage.heal()
    stage.finish_writing()
    stage.agree()


def _recovery(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.write(60 / KILLED_WRITES_PER_MINUTE)
    stage.last(plan.seconds / 2)
    stage.wait_for_writes(1)
    stage.kill_all()
    stage.start_all()
    stage.wait_for_writes(1)
    stage.last(plan.seconds / 2)
    stage.finish_writing()
    stage.agree()


def _high_load(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.write(60 * len(plan.names) / BUSY_WRITES_PER_MINUTE)
    stage.last(plan.seconds)
    stage.finish_writing()
    stage.agree()


def _byzantine(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.write(60 / WRITES_PER_MINUTE)
    stage.corrupt(plan.liar)
    stage.last(plan.seconds)
    stage.wait_for_writes(1)
    stage.wait_for_blame()
    stage.finish_writing()
    stage.agree()


def _random(stage: Stage, plan: Plan) -> None:
    told = (f"{plan.names[fault.swarm]} {fault.trouble.value} for {fault.for_s} s" for fault in plan.faults)
    stage.say("the seed's plan: " + ", ".join(told))
    stage.form()
    stage.write(60 / WRITES_PER_MINUTE)
    for fault in plan.faults:
        stage.last(fault.quiet_s)
        strike = {Trouble.PAUSE: stage.pause, Trouble.KILL: stage.kill, Trouble.CUT: stage.isolate}[fault.trouble]
        strike(fault.swarm, fault.for_s)
    stage.wait_for_writes(1)
    stage.finish_writing()
    stage.agree()


STORIES: dict[str, Story] = {
    "happy-path": Story(swarms=3, what="users write, nothing goes wrong", play=_happy_path),
    "partition": Story(swarms=7, what="a minority is cut off; both sides go on writing", play=_partition),
    "byzantine": Story(swarms=4, least=3, what="one swarm lies while the others write", play=_byzantine),
    "recovery": Story(swarms=5, what="all are killed while they write, and start from their disks", play=_recovery),
    "random": Story(
        swarms=4, what="one after another hangs, is killed or is cut off, as the seed says", play=_random
    ),
    "high-load": Story(swarms=10, what="1000 writes a minute", play=_high_load),
}


def make_plan(name: str, *, seed: int, swarms: int | None, seconds: float) -> Plan:
    """The plan of a story.

    Raises:
        UsageError: no such story, or not with so many swarms.
    """
    if name not in STORIES:
        raise UsageError(f"no live scenario {name!r}; there are: {', '.join(STORIES)}")
    story = STORIES[name]
    count = story.swarms if swarms is None else swarms
    if not story.least <= count <= MAX_SWARMS:
        raise UsageError(f"--swarms {count}: {name} has {story.least} to {MAX_SWARMS}")
    order = list(range(count))
    Random(f"{name} {seed}").shuffle(order)
    few = minority(count)
    return Plan(
        name=name,
        names=tuple(f"s{number + 1}" for number in range(count)),
        seed=seed,
        seconds=seconds,
        sides=(tuple(sorted(order[few:])), tuple(sorted(order[:few]))),
        liar=order[0],
        faults=_faults(Random(f"faults {seed}"), count, seconds),
    )


def _faults(random: Random, count: int, seconds: float) -> tuple[Fault, ...]:
    """Troubles for about so many seconds."""
    faults: list[Fault] = []
    while sum(fault.quiet_s + fault.for_s for fault in faults) < seconds:
        trouble = random.choice(list(Trouble))
        quiet_s, for_s = round(random.uniform(0.2, 2.0), 1), round(random.uniform(0.5, 8.0), 1)
        faults.append(Fault(trouble=trouble, swarm=random.randrange(count), quiet_s=quiet_s, for_s=for_s))
    return tuple(faults)


def minority(count: int) -> int:
    """How many are cut off: 7 become 5|2, 5 become 3|2, 3 become 2|1."""
    return max(1, min(2, (count - 1) // 2))
