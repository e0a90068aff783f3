"""One run of a scenario: the safety phase, the liveness phase, and what came of it.

    report = run(scenario)
    report.violation        # None, or the first invariant that broke
    report.digest           # equal for equal scenarios, everywhere

The core that must converge in the end is drawn by the seed from the hosts that are not hostile, and holds a majority;
everybody else stays as the faults left them.
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from chaos.checkers import ALL, Broken, Checker, Panel, Violation
from chaos.checkers.convergence import converged, forked
from chaos.checkers.prompt import calm
from chaos.checkers.statements import promised
from chaos.checkers.succession import awaited
from chaos.faults import heal, perform
from chaos.host import Host
from chaos.rules import Rules
from chaos.scenario import Scenario
from chaos.trace import Kind, Trace
from chaos.world import SECOND, World
from wire.errors import UsageError
from wire.rng import Rng

_NEW_OBJECTS = 200_000  # between two looks for cycles among the youngest
_LOOK = SECOND // 10  # how often the end is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a run; times in virtual microseconds."""

    scenario: Scenario
    violation: Violation | None
    virtual: int
    events: int
    digest: str
    trace: Trace
    settled: int | None  # how long the core took to converge, once it was healed
    core: tuple[str, ...]  # who was healed; nobody before the faults were over


def run(
    scenario: Scenario,
    *,
    checkers: Sequence[type[Checker]] = ALL,
    rules: Callable[[Rng], Rules] | None = None,
    keep: bool = False,
    progress: Callable[[int], None] = lambda now: None,
) -> Report:
    """Run `scenario` to its end or to the first violation; `progress` is told the virtual time now and then.

    `rules` are those of the scenario's canary unless others are given. Raises UsageError when there is no such one.
    """
    panel = Panel([checker() for checker in checkers])
    world = World(scenario, (panel,), rules or rules_of(scenario.canary), keep)
    violation, settled = None, None
    core: list[Host] = []
    with rare_collections():
        try:
            _faults(world, progress)
            core = core_of(world)
            settled = _settle(world, panel, core, progress)
        except Broken as broken:
            violation = broken.violation
        except Exception as error:
            violation = _unforeseen(world, error)
    return Report(
        scenario=scenario,
        violation=violation,
        virtual=world.now,
        events=world.events,
        digest=world.trace.digest,
        trace=world.trace,
        settled=settled,
        core=tuple(host.name for host in core),
    )


def rules_of(canary: str | None) -> Callable[[Rng], Rules]:
    """The rules of a world with that planted fault; the honest ones without."""
    from chaos.canaries import CANARIES

    if canary is None:
        return Rules
    if canary not in CANARIES:
        raise UsageError(f"no canary is called {canary!r}: there are {', '.join(CANARIES)}")
    return CANARIES[canary].rules


@contextmanager
def rare_collections() -> Iterator[None]:
    """A world makes objects by the million and next to no cycles: to look for those costs a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _unforeseen(world: World, error: Exception) -> Violation:
    """Code that raises what nobody catches would end a daemon: a violation like any other, with the place of it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{error} (in {place.name}, {PurePath(place.filename).name}:{place.lineno})"
    return Violation(type(error).__name__, world.now, "", what)


def core_of(world: World) -> list[Host]:
    """Who is healed: as the scenario says, or a random majority of those that are neither hostile nor convicted.

    Nobody where too few are left: then nothing has to come true.
    """
    if world.scenario.core is not None:
        return [world.hosts[name] for name in world.scenario.core if name in world.hosts]
    rng = world.rng.split("core")
    convicted = forked(world.hosts.values())
    able = [host for host in world.hosts.values() if not host.byzantine and host.home.swarm not in convicted]
    if world.scenario.govern:
        return _core_with_a_quorum(world, rng, [host for host in able if world.member(host)])
    least = len(world.colony.homes) // 2 + 1
    return rng.sample(able, least + rng.randbelow(len(able) - least + 1)) if len(able) >= least else []


def _core_with_a_quorum(world: World, rng: Rng, able: list[Host]) -> list[Host]:
    """A random part of `able` that can decide, some more or none beside it; nobody where all of them cannot, or where
    so many lied that there may be two chains."""
    if not promised(world):
        return []
    order = rng.shuffled(able)
    least = next((size for size in range(1, len(order) + 1) if world.quorate(order[:size])), None)
    return [] if least is None else order[: least + rng.randbelow(len(order) - least + 1)]


def _faults(world: World, progress: Callable[[int], None]) -> None:
    end = world.scenario.faults_s * SECOND
    for action in world.scenario.actions:
        if action.at_ms * 1_000 < end:
            world.at(action.at_ms * 1_000, partial(perform, world, action))
    for host in list(world.hosts.values()):
        world.start(host)
    for second in range(1, world.scenario.faults_s + 1):
        world.run(second * SECOND)
        progress(world.now)


def _settle(world: World, panel: Panel, core: list[Host], progress: Callable[[int], None]) -> int:
    """Heal the core and give it its time; how long it took."""
    world.trace.note(world.now, "", Kind.FAULT, "heal", " ".join(host.name for host in core))
    began, limit = world.now, world.now + world.scenario.settle_s * SECOND
    heal(world, core)
    world.core = core
    while world.now < limit and not (converged(world, core) and calm(world, core) and not awaited(world, core)):
        world.run(world.now + _LOOK)
        progress(world.now)
    panel.ended(world, core)
    return world.now - began
