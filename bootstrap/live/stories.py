"""The stories: what happens to a live federation, by name, as calls of the stage's verbs.

What is left open (who is cut off, who lies) is drawn by the seed. A plan is made before anything starts, so that a
wrong wish is answered at once; what it cannot decide is the exact moment at which real processes do what.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bootstrap.live.plans import (
    WORSE,
    Fault,
    Plan,
    Trouble,
    all_ways_worse,
    no_faults,
    one_after_another,
    split,
    spread,
)
from bootstrap.live.stage import Stage
from wire.errors import UsageError

MIN_SWARMS, MAX_SWARMS = 2, 16
WRITES_PER_MINUTE = 120  # of each swarm, unless the story says otherwise
KILLED_WRITES_PER_MINUTE = 600  # of each swarm of `recovery`: so many that some are under way when all are killed
BUSY_WRITES_PER_MINUTE = 1000  # of all swarms of `high-load`


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A story, how many swarms it has unless told otherwise, and how it is played; perhaps on several LANs."""

    swarms: int
    least: int = MIN_SWARMS
    what: str
    play: Callable[[Stage, Plan], None]
    faults: Callable[[Random, int, float], tuple[Fault, ...]] = no_faults
    is_spread: bool = False


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


def _troubles(stage: Stage, plan: Plan) -> None:
    lacking = {fault: stage.lacks(WORSE[fault.trouble]) for fault in plan.faults if fault.trouble in WORSE}
    faults = [fault for fault in plan.faults if not lacking.get(fault)]
    stage.say("the seed's plan: " + (", ".join(map(plan.told, faults)) or "nothing"))
    stage.leave_out({plan.told(fault): why for fault, why in lacking.items() if why})
    stage.form()
    stage.write(60 / WRITES_PER_MINUTE)
    for fault in faults:
        stage.last(fault.quiet_s)
        if way := WORSE.get(fault.trouble):
            stage.worsen(fault.swarms, way, fault.for_s, plan.told(fault))
        else:
            strike = {Trouble.PAUSE: stage.pause, Trouble.KILL: stage.kill, Trouble.CUT: stage.isolate}
            strike[fault.trouble](fault.swarms[0], fault.for_s)
    stage.wait_for_writes(1)
    stage.finish_writing()
    stage.agree()


def _lans(stage: Stage, plan: Plan) -> None:
    stage.form()
    stage.find_neighbours(plan.lans)
    stage.write(60 / WRITES_PER_MINUTE)
    stage.say(f"the uplink of LAN {plan.lans.index(plan.sides[1]) + 1} fails")
    stage.partition(*plan.sides)
    stage.last(plan.seconds)
    stage.wait_for_writes(1)
    stage.heal()
    stage.finish_writing()
    stage.agree()


STORIES: dict[str, Story] = {
    "happy-path": Story(swarms=3, what="users write, nothing goes wrong", play=_happy_path),
    "partition": Story(swarms=7, what="a minority is cut off; both sides go on writing", play=_partition),
    "byzantine": Story(swarms=4, least=3, what="one swarm lies while the others write", play=_byzantine),
    "recovery": Story(swarms=5, what="all are killed while they write, and start from their disks", play=_recovery),
    "random": Story(
        swarms=4,
        what="one after another hangs, is killed, cut off, far, or on bad ways, as the seed says",
        play=_troubles,
        faults=one_after_another,
    ),
    "degraded": Story(
        swarms=4, what="all ways are far, lossy, narrow, one after another", play=_troubles, faults=all_ways_worse
    ),
    "lans": Story(
        swarms=6,
        least=4,
        what="two or three LANs; the uplink of one fails, and both sides go on writing",
        play=_lans,
        is_spread=True,
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
    lans = spread(order) if story.is_spread else ()
    return Plan(
        name=name,
        names=tuple(f"s{number + 1}" for number in range(count)),
        seed=seed,
        seconds=seconds,
        sides=_uplink(lans) if lans else split(order),
        liar=order[0],
        faults=story.faults(Random(f"faults {seed}"), count, seconds),
        lans=lans,
    )


def _uplink(lans: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sides when the last LAN has lost its uplink. Who is on which LAN is drawn, so the last is any."""
    *others, lost = lans
    return tuple(sorted(number for lan in others for number in lan)), lost
