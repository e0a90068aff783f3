"""Scenarios by name: stories that a federation must live through, for any number of swarms, any length, any seed.

    scenario = named("partition", seed=7, swarms=5, faults_s=60)
    again(scenario)          # the command that runs exactly this again

The seed decides when users write what, what operators propose and how queens vote, and every delay; the story is the
same. The queens govern, but where one of three is hostile: no federation of three survives that, only what it shares.
In the end all who are not hostile are healed and must converge. `random` has no story: it is what fuzzing draws for a
seed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from chaos.actions import AnyAction, Crash, Cut, Left, Lie, Link, Silence, Start, Twin
from chaos.generator import GOVERNED_SETTLE_S, NAME, SETTLE_S, generate, users
from chaos.motions import questions
from chaos.scenario import MAX_SWARMS, Policy, Scenario
from consensus.quorum import SMALL_FEDERATION
from wire.errors import UsageError
from wire.rng import Rng

FAULTS_S = 60
LOAD_PER_S = 20  # writes and removals of all users together
_MOST_CUT_OFF = 2

Story = Callable[[Rng, list[str], int], list[AnyAction]]  # randomness, hosts, length in milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One scenario: what it is about, how many swarms it has unless somebody says otherwise, what happens."""

    what: str
    swarms: int
    least: int = 1
    story: Story | None = None  # None: drawn by the seed
    per_s: int = 2
    hostile: int = 0  # how many of the last hosts nothing is expected of


def named(
    name: str,
    *,
    seed: int = 1,
    swarms: int | None = None,
    faults_s: int = FAULTS_S,
    canary: str | None = None,
    govern: bool | None = None,
) -> Scenario:
    """The scenario of a name; `govern` says who governs where nobody else does: it is drawn by the seed.

    Raises UsageError when there is none of that name, or not with so many swarms.
    """
    entry = NAMED.get(name)
    if entry is None:
        raise UsageError(f"no scenario is called {name!r}: there are {', '.join(NAMED)}; a file is run by `replay`")
    count = entry.swarms if swarms is None else swarms
    if not entry.least <= count <= MAX_SWARMS:
        raise UsageError(f"{name} takes from {entry.least} to {MAX_SWARMS} swarms, not {count}")
    if entry.story is None:
        drawn = generate(seed, count, faults_s=faults_s, govern=govern)
    else:
        drawn = _told(name, seed, count, faults_s)
    return msgspec.structs.replace(drawn, canary=canary)


def again(scenario: Scenario) -> str:
    """The command that makes and runs a named scenario again."""
    planted = f" --canary {shlex.quote(scenario.canary)}" if scenario.canary else ""
    return (
        f"zenmesh chaos run {shlex.quote(scenario.name)} --swarms {scenario.swarms} --seed {scenario.seed}"
        f" --for {scenario.faults_s}s{planted}"
    )


def _told(name: str, seed: int, count: int, faults_s: int) -> Scenario:
    entry = NAMED[name]
    assert entry.story is not None, f"{name} has a story"
    rng = Rng(seed).split(name)
    hosts = [f"s{number}" for number in range(1, count + 1)]
    actions = entry.story(rng.split("story"), hosts, faults_s * 1_000)
    actions += users(rng.split("users"), hosts, faults_s, entry.per_s)
    governed = not entry.hostile or count > SMALL_FEDERATION
    if governed:
        actions += questions(rng.split("questions"), hosts, faults_s)
    return Scenario(
        name=name,
        seed=seed,
        swarms=count,
        faults_s=faults_s,
        settle_s=GOVERNED_SETTLE_S if governed else SETTLE_S,
        govern=governed,
        policy=Policy.DRAWN if governed else Policy.APPROVE,
        core=tuple(hosts[: count - entry.hostile]),
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
    )


def _happy_path(rng: Rng, hosts: list[str], length: int) -> list[AnyAction]:
    return []


def _partition(rng: Rng, hosts: list[str], length: int) -> list[AnyAction]:
    """A minority of at most two is cut off for the middle half."""
    size = min(_MOST_CUT_OFF, max(1, (len(hosts) - 1) // 2))
    away = set(rng.sample(hosts, size))
    one, other = (tuple(host for host in hosts if (host in away) is cut_off) for cut_off in (True, False))
    return [Cut(at_ms=length // 4, sources=one, targets=other, for_ms=length // 2)]


def _byzantine(rng: Rng, hosts: list[str], length: int) -> list[AnyAction]:
    """The last swarm lies all the time, says nothing to some for a while, and in the end writes with two hands."""
    liar, others = hosts[-1], hosts[:-1]
    deaf = tuple(rng.sample(others, 1 + len(others) // 3))
    return [
        Lie(at_ms=0, host=liar, rate=0.3, for_ms=length),
        Silence(at_ms=length // 4, host=liar, towards=deaf, for_ms=length // 4),
        Twin(at_ms=3 * length // 4, host=liar),
    ]


def _high_load(rng: Rng, hosts: list[str], length: int) -> list[AnyAction]:
    """All ways are as on the internet on a bad day."""
    everyone = tuple(hosts)
    return [Link(at_ms=0, sources=everyone, targets=everyone, for_ms=length, delay_ms=20, jitter_ms=30, loss=0.005)]


def _recovery(rng: Rng, hosts: list[str], length: int) -> list[AnyAction]:
    """Twice all processes end at one instant, by SIGKILL, a power cut or torn writes, and start one after another."""
    actions: list[AnyAction] = []
    for at in (length // 3, 2 * length // 3):
        for number, host in enumerate(rng.shuffled(hosts)):
            leaves = rng.choice(list(Left))
            actions.append(Crash(at_ms=at, host=host, leaves=leaves))
            actions.append(Start(at_ms=at + 1_000 + number * length // (20 * len(hosts)), host=host))
    return actions


NAMED: dict[str, Named] = {
    "happy-path": Named(what="users write, nothing goes wrong", swarms=3, story=_happy_path),
    "partition": Named(
        what="one or two swarms are cut off for half of the time; both sides go on writing",
        swarms=7,
        least=2,
        story=_partition,
    ),
    "byzantine": Named(
        what="one swarm sends garbage, replays and two logs, and is silent towards some",
        swarms=4,
        least=3,
        story=_byzantine,
        hostile=1,
    ),
    "high-load": Named(
        what=f"{LOAD_PER_S} writes a second over slow, lossy ways (shared memory only: it runs no agents)",
        swarms=10,
        story=_high_load,
        per_s=LOAD_PER_S,
    ),
    "recovery": Named(
        what="all processes are killed at once, twice, some by a power cut; they start again from their disks",
        swarms=5,
        story=_recovery,
    ),
    NAME: Named(what="random faults of random kinds, as fuzzing draws them for the seed", swarms=5),
}
