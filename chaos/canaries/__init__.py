"""Planted faults that the harness must catch: a canary is a set of rules of the world that breaks one promise.

No product code knows of them: `Scenario.canary` names one, and the world follows its rules, not the honest ones.
Whatever breaks the promise in earnest would be caught in the same way. `hunt` counts how many seeds that takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from chaos.actions import AnyAction, Crash, Cut, Write
from chaos.canaries.durability import Overtaking, Scribbling, Trusting
from chaos.canaries.liveness import Sleeping
from chaos.canaries.memory import Hoarding
from chaos.canaries.state import Forgetful, Repeating
from chaos.canaries.succession import Shy, Undead
from chaos.canaries.tallying import Gullible, Unpunctual
from chaos.canaries.trust import Credulous, Numb, Timeless
from chaos.canaries.voting import (
    Belated,
    Clinging,
    Dragging,
    Hasty,
    Oblivious,
    Splitting,
    Undercounting,
)
from chaos.checkers import ALL, OWN_INVARIANTS, Violation
from chaos.generator import generate
from chaos.rules import Rules
from chaos.scenario import Scenario
from wire.rng import Rng

FEWEST = 3  # swarms of a federation in which something can go wrong
WITH_A_LIAR, WITH_A_FORK = 4, 5  # and in which one of them may be hostile
WITH_MUCH_TO_SAY = 10  # few of a liar's words are batches, and few of its bits are signatures
MOST_SEEDS = 100
REPLACED: tuple[AnyAction, ...] = (  # a queen is cut off, writes what nobody hears, is replaced, and comes back
    Cut(at_ms=8_000, sources=("s1",), targets=("s2", "s3", "s1b"), for_ms=25_000),
    *(Write(at_ms=8_500 + 500 * number, host="s1", key=f"late{number}") for number in range(4)),
)
KILLED: tuple[AnyAction, ...] = (Crash(at_ms=59_000, host="s1"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A planted fault: `what` is broken, by which `rules`; so many `swarms` show it, governed or not."""

    name: str
    what: str
    rules: Callable[[Rng], Rules]
    swarms: int = FEWEST
    govern: bool = False
    plot: tuple[AnyAction, ...] = ()  # what happens besides what the seed draws, to the queen of s1 and her backup
    core: tuple[str, ...] | None = None  # who is healed, if not whom the seed draws

    def scenario(self, seed: int) -> Scenario:
        """What is run for a seed."""
        drawn = generate(seed, self.swarms, govern=self.govern, backups=("s1",) if self.plot else None)
        actions = sorted([*drawn.actions, *self.plot], key=lambda action: action.at_ms)
        return replace(drawn, canary=self.name, actions=tuple(actions), core=self.core)


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
        Canary(name="torn-tail-accepted", what="where a journal is damaged it is said to end", rules=Trusting),
        Canary(name="lost-wake-up", what="what a node missed it never asks for", rules=Sleeping),
        Canary(name="merge-forgets-remove", what="what a batch removes stays", rules=Forgetful),
        Canary(name="dedupe-missing", what="what comes again counts again", rules=Repeating),
        Canary(name="unbounded-buffer", what="old samples of a link's clock are kept", rules=Hoarding),
        Canary(name="clock-from-the-future", what="a stamp far ahead is taken for now", rules=Timeless),
        Canary(
            name="version-vector-ignores-hash",
            what="logs of one length are taken for one log",
            rules=Numb,
            swarms=WITH_A_LIAR,
        ),
        Canary(
            name="signature-not-checked",
            what="whatever is signed at all is believed",
            rules=Credulous,
            swarms=WITH_MUCH_TO_SAY,
        ),
        Canary(name="vote-before-fsync", what="votes overtake their records", rules=Hasty, govern=True),
        Canary(
            name="new-view-ignores-prepared",
            what="a new view forgets what may have been decided",
            rules=Oblivious,
            swarms=WITH_A_FORK,
            govern=True,
        ),
        Canary(
            name="quorum-less-one", what="one weight less than a quorum decides", rules=Undercounting, govern=True
        ),
        Canary(
            name="commit-after-leaving",
            what="COMMIT is said in a view that was left",
            rules=Clinging,
            swarms=WITH_A_LIAR,
            govern=True,
        ),
        Canary(name="certificate-of-another-epoch", what="who voted before decides now", rules=Belated, govern=True),
        Canary(
            name="quorum-of-the-reachable",
            what="who is out of reach does not count",
            rules=Splitting,
            swarms=WITH_A_LIAR,
            govern=True,
        ),
        Canary(
            name="ballot-after-the-deadline",
            what="late ballots count",
            rules=Unpunctual,
            swarms=WITH_A_FORK,
            govern=True,
        ),
        Canary(name="weight-from-the-message", what="ballots weigh what they say", rules=Gullible, govern=True),
        Canary(
            name="timer-never-resets",
            what="views that failed make all later ones longer",
            rules=Dragging,
            swarms=WITH_A_LIAR,
            govern=True,
        ),
        Canary(
            name="old-term-after-failover",
            what="who was replaced is believed all the same",
            rules=Undead,
            swarms=WITH_A_LIAR,
            govern=True,
            plot=REPLACED,
        ),
        Canary(
            name="successor-never-comes",
            what="a backup never takes over",
            rules=Shy,
            govern=True,
            plot=KILLED,
            core=("s2", "s3", "s1b"),
        ),
    )
}


_WITNESSES = {OWN_INVARIANTS, *(checker.name for checker in ALL)}


def hunt(canary: Canary) -> Catch | None:
    """Run seed after seed until a checker speaks; None when none of them sees it.

    Code that raises what nobody foresaw is no catch: it may be the canary that fits the node's code no more.
    """
    from chaos.runner import run

    for seed in range(1, MOST_SEEDS + 1):
        scenario = canary.scenario(seed)
        violation = run(scenario, rules=canary.rules).violation
        if violation is not None and violation.checker in _WITNESSES:
            return Catch(seeds=seed, scenario=scenario, violation=violation)
    return None
