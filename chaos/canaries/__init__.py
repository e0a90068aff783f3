"""Planted faults that the harness must catch: a canary is a set of rules of the world that breaks one promise.

No product code knows of them: `Scenario.canary` names one, and the world follows its rules, not the honest ones.
Whatever breaks the promise in earnest would be caught in the same way. `hunt` counts how many seeds that takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from chaos.canaries.durability import Overtaking, Scribbling
from chaos.canaries.liveness import Sleeping
from chaos.checkers import Violation
from chaos.generator import generate
from chaos.rules import Rules
from chaos.scenario import Scenario
from wire.rng import Rng

SWARMS = 3
MOST_SEEDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A planted fault: `what` is broken, by which `rules`."""

    name: str
    what: str
    rules: Callable[[Rng], Rules]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """How a canary was caught: after so many seeds, by which scenario, with which violation."""

    seeds: int
    scenario: Scenario
    violation: Violation


CANARIES: dict[str, Canary] = {
    canary.name: canary
    for canary in (
        Canary(name="send-before-persist", what="messages overtake the records that they rest on", rules=Overtaking),
        Canary(name="unwritten-records", what="records are said to be durable, and are not", rules=Scribbling),
        Canary(name="lost-wake-up", what="what a node missed it never asks for", rules=Sleeping),
    )
}


def hunt(canary: Canary) -> Catch | None:
    """Run seed after seed until a checker speaks; None when none of them sees it."""
    from chaos.runner import run

    for seed in range(1, MOST_SEEDS + 1):
        scenario = replace(generate(seed, SWARMS), canary=canary.name)
        violation = run(scenario, rules=canary.rules).violation
        if violation is not None:
            return Catch(seeds=seed, scenario=scenario, violation=violation)
    return None
