"""Fuzzing: the scenarios of many seeds, run side by side in processes of their own, until one breaks an invariant.

    for verdict in campaign(Plan(swarms=7), range(1, 501), jobs=2):
        ...

Seeds are begun in order. With the first violation no more are begun; those under way are finished, so that of the
seeds that fail the lowest is always among those that are told. A worker process is a fresh interpreter: what runs
there has its own hash seed, and comes to the same digest all the same.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

from chaos.canaries import CANARIES, Catch, hunt
from chaos.checkers import Violation
from chaos.generator import NAME
from chaos.named import FAULTS_S, named
from chaos.runner import run
from chaos.scenario import Scenario

_AHEAD = 2  # seeds in hand for each worker, so that none waits for the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every seed is run with."""

    swarms: int
    faults_s: int = FAULTS_S
    canary: str | None = None
    govern: bool | None = None  # the queens, or the creator alone; None: as each seed draws it

    def scenario(self, seed: int) -> Scenario:
        """The scenario of one seed."""
        return named(
            NAME, seed=seed, swarms=self.swarms, faults_s=self.faults_s, canary=self.canary, govern=self.govern
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of one seed; times in virtual microseconds."""

    seed: int
    violation: Violation | None
    virtual: int
    events: int
    digest: str


def judge(plan: Plan, seed: int) -> Verdict:
    """Run one seed."""
    report = run(plan.scenario(seed))
    return Verdict(
        seed=seed,
        violation=report.violation,
        virtual=report.virtual,
        events=report.events,
        digest=report.digest,
    )


def campaign(
    plan: Plan, seeds: Iterable[int], *, jobs: int = 1, enough: Callable[[], bool] = lambda: False
) -> Iterator[Verdict]:
    """The verdict on each seed, as they come; ends after a violation, and when `enough` says so."""
    if jobs == 1:
        for seed in seeds:
            verdict = judge(plan, seed)
            yield verdict
            if verdict.violation is not None or enough():
                return
    else:
        yield from _side_by_side(plan, iter(seeds), jobs, enough)


def _side_by_side(plan: Plan, seeds: Iterator[int], jobs: int, enough: Callable[[], bool]) -> Iterator[Verdict]:
    with _pool(jobs) as pool:
        pending: set[Future[Verdict]] = {pool.submit(judge, plan, seed) for seed in islice(seeds, _AHEAD * jobs)}
        over = False
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            verdicts = sorted((future.result() for future in done), key=lambda verdict: verdict.seed)
            over = over or enough() or any(verdict.violation for verdict in verdicts)
            if over:
                pending = {future for future in pending if not future.cancel()}
            else:
                pending |= {pool.submit(judge, plan, seed) for seed in islice(seeds, len(done))}
            yield from verdicts


def _begin() -> None:
    """Ctrl-C ends a worker without a word: whoever started it says what there is to say."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def chase(name: str) -> tuple[str, Catch | None]:
    """Hunt one canary."""
    return name, hunt(CANARIES[name])


def chase_all(names: Sequence[str], *, jobs: int = 1) -> Iterator[tuple[str, Catch | None]]:
    """What came of the hunt for each canary, as they come."""
    if jobs == 1:
        yield from map(chase, names)
        return
    with _pool(jobs) as pool:
        for future in as_completed([pool.submit(chase, name) for name in names]):
            yield future.result()


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)
