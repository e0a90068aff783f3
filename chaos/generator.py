"""Scenarios from seeds, in the way of swarm testing (Groce et al., "Swarm Testing", ISSTA 2012).

A run that tries every kind of fault at once finds less than many runs that each leave some out. So each seed switches
a random subset of the kinds on, gives each a random weight, and draws actions from those. Users write all the time.
In a part of the seeds the queens govern, and their operators propose and vote all the time.
"""

from __future__ import annotations

from collections.abc import Callable

from chaos.actions import (
    AnyAction,
    Clock,
    Clog,
    Crash,
    Cut,
    Disk,
    DiskFault,
    Hangup,
    Lag,
    Left,
    Lie,
    Link,
    Pause,
    Remove,
    Silence,
    Start,
    Stop,
    Twin,
    Write,
)
from chaos.intrigues import lies, moments, successions
from chaos.motions import Way, motions, way_of
from chaos.scenario import Scenario, spares_of
from consensus.quorum import SMALL_FEDERATION
from mesh.protocol.config import ProfileName
from wire.rng import Rng

NAME = "random"
MEAN_PAUSE_MS = 1_500  # between two faults
WRITES_PER_S = 2
KEYS = 12  # per swarm, so that writes meet each other
MEMOLESS = 16  # one in so many seeds verifies every signature anew
GOVERNED = 0.4  # of the seeds have a federation that governs itself
SETTLE_S, GOVERNED_SETTLE_S = 60, 180  # views that failed have made the next ones longer
_HOSTILE_SHARE = 3  # fewer than one in so many hosts

Draw = Callable[[Rng, list[str], int], list[AnyAction]]


def generate(
    seed: int,
    swarms: int,
    *,
    faults_s: int = 60,
    settle_s: int | None = None,
    govern: bool | None = None,
    backups: tuple[str, ...] | None = None,
) -> Scenario:
    """The scenario of a seed, which decides whether the queens govern, and who has a backup, unless that is given."""
    rng = Rng(seed).split("scenario")
    hosts = [f"s{number}" for number in range(1, swarms + 1)]
    kinds = [kind for kind in KINDS if rng.random() < 0.5] or [rng.choice(list(KINDS))]
    weighted = [kind for kind in kinds for _ in range(1 + rng.randbelow(4))]
    council = rng.split("council")
    governed = council.random() < GOVERNED if govern is None else govern
    way = way_of(council.split("way"), hosts) if governed else Way()
    if backups is not None:
        way = {**way, "handover": False, "backups": backups}
    late, backed = way.get("late", ()), way.get("backups", ())
    everyone = [*hosts, *(spare for spares in spares_of(backed).values() for spare in spares)]
    groups = {
        "hostile": rng.sample(hosts, rng.randbelow((swarms - 1) // _HOSTILE_SHARE + 1)),
        "frail": rng.sample(hosts, (swarms - 1) // 2),
    }
    groups["robbed"] = groups["frail"]
    if governed:
        groups = few(council.split("groups"), hosts, swarms - len(late))
    actions: list[AnyAction] = []
    at = 0
    while (at := at + rng.randbelow(2 * MEAN_PAUSE_MS)) < faults_s * 1_000:
        kind = rng.choice(weighted)
        among = groups.get(AMONG.get(kind, ""), everyone)
        if among:
            actions += KINDS[kind](rng.split(f"{kind}/{at}"), among, at)
    actions += users(rng.split("users"), hosts, faults_s)
    if governed:
        failures = moments(council.split("moments"), backed, faults_s)
        actions += motions(council.split("motions"), hosts, late, faults_s, [at for _, at in failures])
        actions += lies(council.split("lies"), groups["hostile"], faults_s)
        actions += successions(council.split("successions"), hosts, backed, failures, faults_s)
    default_s = GOVERNED_SETTLE_S if governed else SETTLE_S
    return Scenario(
        name=NAME,
        seed=seed,
        swarms=swarms,
        profile=ProfileName.LAN,
        faults_s=faults_s,
        settle_s=default_s if settle_s is None else settle_s,
        memo=seed % MEMOLESS != 0,
        actions=tuple(sorted(actions, key=lambda action: action.at_ms)),
        **way,
    )


def few(rng: Rng, hosts: list[str], members: int) -> dict[str, list[str]]:
    """Hosts that may be hostile, others that may be frail, and those of them whose disk may be lost or taken back: so
    few that the rest of `members` can decide, and that what is forgotten cannot make two decisions of one. Where a
    majority decides, two quorums share a single queen: nothing would be promised any more if it forgot its votes."""
    small = members <= SMALL_FEDERATION
    spare = (members - 1) // 2 if small else (members - 1) // _HOSTILE_SHARE
    order = rng.sample(hosts, spare)
    hostile = 0 if small else rng.randbelow(spare + 1)
    frail = order[hostile:]
    return {"hostile": order[:hostile], "frail": frail, "robbed": [] if small else frail}


def users(rng: Rng, hosts: list[str], faults_s: int, per_s: int = WRITES_PER_S) -> list[AnyAction]:
    """What users do meanwhile: mostly writes, now and then a removal, anywhere."""
    actions: list[AnyAction] = []
    for _ in range(faults_s * per_s):
        at, host, key = rng.randbelow(faults_s * 1_000), rng.choice(hosts), f"k{rng.randbelow(KEYS)}"
        if rng.random() < 0.15:
            actions.append(Remove(at_ms=at, host=host, key=key))
        else:
            actions.append(Write(at_ms=at, host=host, key=key, size=2 + rng.randbelow(200)))
    return actions


def _crash(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host, steps = rng.choice(hosts), rng.choice([0, rng.randbelow(30)])
    crash = Crash(at_ms=at, host=host, leaves=rng.choice(list(Left)), steps=steps)
    return [crash, Start(at_ms=at + 10 + rng.randbelow(10_000), host=host)]


def _restart(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host = rng.choice(hosts)
    return [Stop(at_ms=at, host=host), Start(at_ms=at + 1 + rng.randbelow(5_000), host=host)]


def _storm(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host, times = rng.choice(hosts), range(at, at + 5_000, 1_000)
    return [
        action
        for time in times
        for action in (Crash(at_ms=time, host=host, leaves=Left.TEAR), Start(at_ms=time + 300, host=host))
    ]


def _pause(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [Pause(at_ms=at, host=rng.choice(hosts), for_ms=100 + rng.randbelow(15_000))]


def _lag(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [Lag(at_ms=at, host=rng.choice(hosts), ms=1 + rng.randbelow(400), for_ms=rng.randbelow(10_000))]


def _partition(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    order = rng.shuffled(hosts)
    size = 1 + rng.randbelow(max(1, len(order) - 1))
    one, other = tuple(order[:size]), tuple(order[size:])
    return [Cut(at_ms=at, sources=one, targets=other, for_ms=500 + rng.randbelow(20_000), both=rng.random() < 0.7)]


def _bridge(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    """Two groups that meet in one host only."""
    order = rng.shuffled(hosts)
    half = len(order) // 2
    one, other = tuple(order[:half]), tuple(order[half + 1 :])
    return [Cut(at_ms=at, sources=one, targets=other, for_ms=500 + rng.randbelow(20_000))]


def _flapping(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    one, rest = rng.choice(hosts), tuple(hosts)
    return [Cut(at_ms=at + 600 * number, sources=(one,), targets=rest, for_ms=300) for number in range(6)]


def _clog(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    """What one host sends to some of the others is late, and comes all at once."""
    targets = tuple(rng.sample(hosts, 1 + rng.randbelow(len(hosts))))
    return [Clog(at_ms=at, sources=(rng.choice(hosts),), targets=targets, for_ms=200 + rng.randbelow(12_000))]


def _bad_link(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [
        Link(
            at_ms=at,
            sources=tuple(rng.sample(hosts, 1 + rng.randbelow(len(hosts)))),
            targets=tuple(rng.sample(hosts, 1 + rng.randbelow(len(hosts)))),
            for_ms=500 + rng.randbelow(20_000),
            delay_ms=rng.choice([1, 20, 300]),
            jitter_ms=rng.choice([0, 5, 200]),
            bytes_per_s=rng.choice([None, 2_000, 100_000]),
            loss=rng.choice([0.0, 0.02, 0.3]),
            corrupt=rng.choice([0.0, 0.0, 0.01]),
            duplicate=rng.choice([0.0, 0.3]),
            reorder=rng.choice([0.0, 0.3]),
        )
    ]


def _hangup(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [Hangup(at_ms=at, host=rng.choice(hosts), other=rng.choice(hosts))]


def _disk(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host = rng.choice(hosts)
    fault = rng.choice([DiskFault.FULL, DiskFault.FSYNC_ERROR])
    return [
        Disk(at_ms=at, host=host, fault=fault, for_ms=rng.randbelow(8_000)),
        *_crash(rng, [host], at + rng.randbelow(5_000)),
    ]


def _rot(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host = rng.choice(hosts)
    return [Disk(at_ms=at, host=host, fault=DiskFault.BIT_ROT), *_crash(rng, [host], at + rng.randbelow(5_000))]


def _robbed(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host = rng.choice(hosts)
    fault = rng.choice([DiskFault.LOST, DiskFault.ROLLBACK])
    return [
        Crash(at_ms=at, host=host, leaves=Left.POWER_CUT),
        Disk(at_ms=at + 1, host=host, fault=fault),
        Start(at_ms=at + 1_000, host=host),
    ]


def _clock(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [
        Clock(
            at_ms=at,
            host=rng.choice(hosts),
            skew_ms=rng.randbelow(20_001) - 10_000,
            drift_ppm=rng.randbelow(20_001) - 10_000,
            frozen=rng.random() < 0.2,
            for_ms=500 + rng.randbelow(30_000),
        )
    ]


def _twin(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    """Both write: two logs under one name."""
    host = rng.choice(hosts)
    times = [at + 100 + rng.randbelow(10_000) for _ in range(rng.randbelow(6))]
    return [
        Twin(at_ms=at, host=host),
        *(Write(at_ms=time, host=f"{host}'", key=f"k{rng.randbelow(KEYS)}", size=20) for time in times),
    ]


def _silence(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    host = rng.choice(hosts)
    return [Silence(at_ms=at, host=host, towards=tuple(hosts), for_ms=rng.randbelow(20_000))]


def _lie(rng: Rng, hosts: list[str], at: int) -> list[AnyAction]:
    return [Lie(at_ms=at, host=rng.choice(hosts), rate=rng.choice([0.02, 0.3]), for_ms=rng.randbelow(20_000))]


KINDS: dict[str, Draw] = {
    "crash": _crash,
    "restart": _restart,
    "storm": _storm,
    "pause": _pause,
    "lag": _lag,
    "partition": _partition,
    "bridge": _bridge,
    "flapping": _flapping,
    "clog": _clog,
    "bad link": _bad_link,
    "hangup": _hangup,
    "disk": _disk,
    "rot": _rot,
    "robbed": _robbed,
    "clock": _clock,
    "twin": _twin,
    "silence": _silence,
    "lie": _lie,
}
# Whom it happens to, if not to all: fewer than a third are ever hostile, and fewer than half ever forget what they
# stored. What all who held it have lost, nobody can bring back.
AMONG = {"twin": "hostile", "silence": "hostile", "lie": "hostile", "rot": "frail", "robbed": "robbed"}
