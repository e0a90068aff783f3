"""What happens only where queens govern: hostile ones lie, and those with backups are replaced.

As with all faults, a seed has a random part of the kinds of lies, so that one does not drown the others. A queen with
a backup fails for long enough to be replaced, while what makes that hard happens: views fail, the set of voters
changes, her backup dies as well, or is as alone as she is.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaos.actions import AnyAction, Crash, Cut, Deceit, Deceive, Left, Pause, Propose, Start, Write
from chaos.scenario import spares_of
from wire.rng import Rng

MEAN_PAUSE_MS = 4_000  # between two lies of one queen
LONGEST_MS = 40_000
RATES = (0.1, 0.5, 1.0)
RARE = {Deceit.ACCUSES: 0.2}  # what she says with every ping would drown everything else
NAMED = 0.5  # of the governed seeds in which somebody may have a backup have some
MOST_BACKED = 2  # queens
FAILS_MS = (12_000, 30_000)  # how long a queen is gone: at least, and so much more at most
_MEANWHILE_MS = 14_000  # by when she is replaced, as a rule
WORDS = 6  # writes on each backup, of which those count that come when it is queen


def lies(rng: Rng, liars: list[str], faults_s: int) -> list[AnyAction]:
    """What hostile queens lie about, and when."""
    actions: list[AnyAction] = []
    for liar in liars:
        chance = rng.split(liar)
        kinds = chance.sample(list(Deceit), 1 + chance.randbelow(len(Deceit)))
        at = 0
        while (at := at + chance.randbelow(2 * MEAN_PAUSE_MS)) < faults_s * 1_000:
            lie, rate = chance.choice(kinds), chance.choice(RATES)
            for_ms = 1_000 + chance.randbelow(LONGEST_MS)
            actions.append(Deceive(at_ms=at, host=liar, lie=lie, for_ms=for_ms, rate=min(rate, RARE.get(lie, 1.0))))
    return actions


def backed(rng: Rng, hosts: Sequence[str]) -> tuple[str, ...]:
    """Whose queens have a backup; who is named twice has two."""
    if not hosts or rng.random() >= NAMED:
        return ()
    chosen = rng.sample(hosts, 1 + rng.randbelow(MOST_BACKED))
    return tuple(host for host in chosen for _ in range(1 + (rng.random() < 0.3)))


def moments(rng: Rng, backups: Sequence[str], faults_s: int) -> list[tuple[str, int]]:
    """Which of the queens with backups fail, and when."""
    latest = max(1, faults_s * 1_000 - 5_000)
    return [(host, rng.randbelow(latest)) for host in dict.fromkeys(backups) for _ in range(1 + rng.randbelow(2))]


def successions(
    rng: Rng, hosts: list[str], backups: Sequence[str], moments: Sequence[tuple[str, int]], faults_s: int
) -> list[AnyAction]:
    """Queens fail, each at its moment, and what goes wrong then besides."""
    actions: list[AnyAction] = []
    spares = spares_of(backups)
    for number, (host, at) in enumerate(moments):
        chance = rng.split(f"{host}/{number}")
        actions += _failure(chance, host, hosts, spares[host], at)
        for trouble in chance.sample((_view_fails, _set_changes, _backup_fails), chance.randbelow(3)):
            actions += trouble(chance, host, hosts, spares[host], at)
    for spare in (spare for of_one in spares.values() for spare in of_one):
        times = (rng.randbelow(faults_s * 1_000) for _ in range(WORDS))
        actions += [Write(at_ms=time, host=spare, key=f"{spare}/{word}") for word, time in enumerate(times)]
    return actions


def _failure(rng: Rng, host: str, hosts: list[str], spares: tuple[str, ...], at: int) -> list[AnyAction]:
    """She is killed, hangs, or is cut off, with or without her backups."""
    gone = FAILS_MS[0] + rng.randbelow(FAILS_MS[1])
    others = tuple(other for other in hosts if other != host)
    match rng.randbelow(5):
        case 0:
            return [Crash(at_ms=at, host=host, leaves=rng.choice(list(Left)))]  # nobody starts her again
        case 1:
            crash = Crash(at_ms=at, host=host, leaves=rng.choice(list(Left)), steps=rng.randbelow(20))
            return [crash, Start(at_ms=at + gone, host=host)]
        case 2:
            return [Pause(at_ms=at, host=host, for_ms=gone)]
        case 3:
            return [Cut(at_ms=at, sources=(host,), targets=(*others, *spares), for_ms=gone, both=rng.random() < 0.7)]
        case _:
            return [Cut(at_ms=at, sources=(host, *spares[1:]), targets=others, for_ms=gone)]


def _view_fails(rng: Rng, host: str, hosts: list[str], spares: tuple[str, ...], at: int) -> list[AnyAction]:
    """Another one, perhaps the leader, is away for a few views."""
    other, begins = rng.choice(hosts), at + rng.randbelow(_MEANWHILE_MS)
    return [Pause(at_ms=begins, host=other, for_ms=1_000 + rng.randbelow(6_000))]


def _set_changes(rng: Rng, host: str, hosts: list[str], spares: tuple[str, ...], at: int) -> list[AnyAction]:
    """The weights of queens are decided anew, hers among them: epochs end."""
    about = [host, *rng.sample(hosts, 2)]
    return [
        Propose(
            at_ms=at + rng.randbelow(_MEANWHILE_MS),
            host=rng.choice(hosts),
            action="set_weight",
            other=other,
            details={"weight": 1 + rng.randbelow(4)},
        )
        for other in about
    ]


def _backup_fails(rng: Rng, host: str, hosts: list[str], spares: tuple[str, ...], at: int) -> list[AnyAction]:
    """Whoever is to take over dies too, for a while."""
    spare, begins = rng.choice(spares), at + rng.randbelow(_MEANWHILE_MS)
    crash = Crash(at_ms=begins, host=spare, leaves=rng.choice(list(Left)), steps=rng.randbelow(10))
    return [crash, Start(at_ms=begins + 200 + rng.randbelow(6_000), host=spare)]
