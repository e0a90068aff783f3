"""Crash points, one for each row of the write-ahead table: the power goes before, between and behind what it orders.

In each run the first process that is about to keep a record of the row's kind is cut off from power there: before the
record is durable, when it is and nothing that rests on it has left, or once all has. It starts again, and every
checker watches: nothing was said that is forgotten, nothing is said in two ways, and all go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import pytest

from chaos.actions import AnyAction, Cut, Deceit, Deceive, Left, Propose, Start, Write
from chaos.disk import Crash
from chaos.process import Process
from chaos.rules import Rules
from chaos.runner import run
from chaos.scenario import Scenario
from mesh.protocol.commits import Commit
from mesh.protocol.effects import Effect
from tests.support.write_ahead import ROWS
from wire.rng import Rng

HOSTS = ("s1", "s2", "s3", "s4")


class Moment(StrEnum):
    """Where the power goes."""

    BEFORE = "before it is durable"
    BETWEEN = "durable, and nothing has left"
    BEHIND = "everything has left"


class CutAt(Rules):
    """The first commit with a record of a row is the last thing of its process, as far as it comes."""

    def __init__(self, row: str, moment: Moment) -> None:
        super().__init__(Rng(1))
        self._is_one, self._moment = ROWS[row], moment
        self.hit = False

    def booted(self, process: Process) -> None:
        process.host.leaves = Left.POWER_CUT

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        for commit in super().commits(effects):
            here = not self.hit and any(map(self._is_one, commit.records))
            self.hit = self.hit or here
            if here and self._moment is Moment.BEFORE:
                raise Crash
            silent = here and self._moment is Moment.BETWEEN
            yield Commit(compact=commit.compact, records=commit.records, rest=()) if silent else commit
            if here:
                raise Crash


def propose(at_ms: int, host: str) -> Propose:
    details = {"lease": bytes(16).hex(), "reason": f"at {at_ms}"}
    return Propose(at_ms=at_ms, host=host, action="preempt_lease", details=details)  # type: ignore[arg-type]


def story(false_accusations: bool) -> Scenario:
    """All write and propose; each in turn is cut off for as long as it takes a view to fail; in the end one
    accuses the others falsely, if that is wanted."""
    actions: list[AnyAction] = [Start(at_ms=at, host=host) for at in range(2_000, 60_000, 2_000) for host in HOSTS]
    for number, host in enumerate(HOSTS):
        at, others = 8_000 + 11_000 * number, tuple(other for other in HOSTS if other != host)
        actions.append(Cut(at_ms=at, sources=(host,), targets=others, for_ms=7_000))
    for at in range(5_000, 58_000, 1_500):
        actions += [propose(at, HOSTS[at // 500 % 4]), Write(at_ms=at + 100, host=HOSTS[at // 500 % 4], key="plan")]
    actions.append(
        Cut(at_ms=52_500, sources=("s1",), targets=("s2",), for_ms=6_000)
    )  # both hear what is said of them
    if false_accusations:
        actions.append(Deceive(at_ms=52_000, host="s4", lie=Deceit.ACCUSES, for_ms=3_000))
    ordered = tuple(sorted(actions, key=lambda action: action.at_ms))
    return Scenario(name="crash-points", seed=1, swarms=4, govern=True, core=HOSTS, settle_s=120, actions=ordered)


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("row", ROWS)
def test_the_power_goes_there(row: str, moment: Moment) -> None:
    rules = CutAt(row, moment)
    report = run(story(row == "refutation"), rules=lambda rng: rules)
    assert report.violation is None
    assert rules.hit, "nobody came by"
    assert report.settled is not None
