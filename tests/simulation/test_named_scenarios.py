"""The scenarios with names: each holds, and each does to the federation what its name says."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.actions import Crash, Cut, Left, Lie, Propose, Remove, Start, Twin, Vote, Write
from chaos.named import NAMED, again, named
from chaos.runner import run
from chaos.scenario import Scenario
from chaos.trace import Kind
from mesh.protocol.writer import Writer
from wire.errors import UsageError

# With how many swarms, beside the number that a scenario has by itself, for how long.
SIZES: dict[str, dict[int, int]] = {
    "happy-path": {3: 60},
    "partition": {2: 30, 3: 30, 5: 30, 7: 60},
    "byzantine": {3: 30, 4: 60},
    "high-load": {1: 20, 10: 15},
    "recovery": {1: 30, 5: 60},
    "random": {1: 30, 2: 30},
}


@pytest.mark.parametrize(
    ("name", "swarms", "seconds"),
    [(name, swarms, seconds) for name, sizes in SIZES.items() for swarms, seconds in sizes.items()],
)
def test_it_holds(name: str, swarms: int, seconds: int) -> None:
    report = run(named(name, seed=1, swarms=swarms, faults_s=seconds))
    assert report.violation is None
    assert report.settled is not None
    assert report.virtual >= seconds * 1_000_000


def test_code_that_raises_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(writer: Writer, now: int, out: object) -> None:
        if now > 5_000_000:
            raise KeyError("no such thing")

    monkeypatch.setattr(Writer, "tick", careless)
    violation = run(named("happy-path", faults_s=10)).violation
    assert violation is not None
    assert (violation.checker, violation.at >= 4_000_000) == ("KeyError", True)
    assert "'no such thing' (in careless, test_named_scenarios.py:" in violation.what


def test_every_name_is_tried() -> None:
    assert set(SIZES) == set(NAMED)


def only(scenario: Scenario, kind: type[Any]) -> list[Any]:
    return [action for action in scenario.actions if isinstance(action, kind)]


@pytest.mark.parametrize(
    ("swarms", "sides"), [(2, (1, 1)), (3, (1, 2)), (4, (1, 3)), (5, (2, 3)), (7, (2, 5)), (20, (2, 18))]
)
def test_a_partition_cuts_a_minority_off_and_both_sides_write(swarms: int, sides: tuple[int, int]) -> None:
    scenario = named("partition", swarms=swarms)
    (cut,) = only(scenario, Cut)
    assert (len(cut.sources), len(cut.targets)) == sides
    assert {*cut.sources, *cut.targets} == {f"s{number}" for number in range(1, swarms + 1)}
    during = {write.host for write in only(scenario, Write) if cut.at_ms < write.at_ms < cut.at_ms + cut.for_ms}
    assert during & {*cut.sources}
    assert during & {*cut.targets}


def test_a_byzantine_swarm_lies_and_writes_with_two_hands() -> None:
    scenario = named("byzantine", swarms=4)
    assert {lie.host for lie in only(scenario, Lie)} == {twin.host for twin in only(scenario, Twin)} == {"s4"}
    assert scenario.core == ("s1", "s2", "s3")


def test_recovery_takes_everyone_down_at_once_and_starts_them_from_their_disks() -> None:
    scenario = named("recovery", swarms=5)
    crashes = only(scenario, Crash)
    moments = sorted({crash.at_ms for crash in crashes})
    assert [{crash.host for crash in crashes if crash.at_ms == moment} for moment in moments] == [
        {"s1", "s2", "s3", "s4", "s5"}
    ] * 2
    assert {crash.leaves for crash in crashes} == set(Left)
    report = run(scenario, keep=True)
    starts = [
        record for record in report.trace.records if record.kind is Kind.STATE and record.values[0] == "started"
    ]
    assert len(starts) == 5 + len(only(scenario, Start)) == 15


def test_a_high_load_is_one() -> None:
    calm, load = (named(name, swarms=10, faults_s=30) for name in ("happy-path", "high-load"))
    users = [len(only(scenario, Write) + only(scenario, Remove)) for scenario in (calm, load)]
    assert users == [60, 600]


@pytest.mark.parametrize(
    ("name", "swarms", "governed"), [("recovery", 1, True), ("byzantine", 4, True), ("byzantine", 3, False)]
)
def test_the_queens_govern_and_are_asked_unless_one_of_three_lies(name: str, swarms: int, governed: bool) -> None:
    scenario = named(name, swarms=swarms)
    assert (scenario.govern, bool(only(scenario, Propose)), bool(only(scenario, Vote))) == (governed,) * 3


def test_the_seed_and_the_length_make_another_scenario() -> None:
    made = [named("partition", seed=seed, faults_s=seconds) for seed, seconds in ((1, 60), (2, 60), (1, 30))]
    assert len({scenario.actions for scenario in made}) == 3
    assert made[0] == named("partition", seed=1, faults_s=60)


@pytest.mark.parametrize("name", NAMED)
def test_the_command_to_run_it_again_says_all(name: str) -> None:
    words = again(named(name, seed=-5, swarms=4, faults_s=7)).split()
    assert words == ["zenmesh", "chaos", "run", name, "--swarms", "4", "--seed", "-5", "--for", "7s"]


@pytest.mark.parametrize(
    ("name", "swarms", "said"),
    [("party", 3, "happy-path"), ("partition", 1, "from 2"), ("byzantine", 2, "from 3"), ("random", 2_001, "2000")],
)
def test_what_cannot_be_is_refused(name: str, swarms: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        named(name, swarms=swarms)
