"""Queens with backups in the chaos world: killed, cut off, paused, replaced while a view changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chaos.actions import AnyAction, Crash, Cut, Pause, Propose, Start, Write
from chaos.canaries import CANARIES, hunt
from chaos.runner import Report, run
from chaos.scenario import Scenario
from chaos.trace import Kind

FAILED_WITHIN_S = 9
ACTIVE_WITHIN_S = 20
KILLED_MS = 10_000


def story(*actions: AnyAction, swarms: int = 4, backed: str = "s2", **fields: object) -> Scenario:
    """Some seconds of a federation that governs itself, in which one queen has a backup; all is healed in the end."""
    everyone = (*(f"s{number}" for number in range(1, swarms + 1)), f"{backed}b")
    told = {"faults_s": 40, "core": everyone, "backups": (backed,), **fields}
    ordered = tuple(sorted(actions, key=lambda action: action.at_ms))
    return Scenario(
        name="failover", seed=3, swarms=swarms, govern=True, actions=ordered, **told  # type: ignore[arg-type]
    )  # fmt: skip


def propose(at_ms: int, host: str) -> Propose:
    return Propose(
        at_ms=at_ms, host=host, action="set_priority", details={"kind": "task", "target": "t", "priority": "high"}
    )


def told(report: Report, what: str, who: str | None = None) -> list[tuple[float, str, str]]:
    """(seconds, host, detail) of the trace records of a kind."""
    return [
        (record.at / 1e6, record.host, str(record.values[1:]))
        for record in report.trace.records
        if record.kind is Kind.NODE and record.values[0] == what and who in (None, record.host)
    ]


@pytest.mark.parametrize("swarms", [3, 4, 7])
def test_a_killed_queen_is_failed_everywhere_and_replaced_in_time(swarms: int) -> None:
    writes = [Write(at_ms=1_000 * number, host="s2", key=f"k{number}") for number in range(1, 9)]
    report = run(story(*writes, Crash(at_ms=KILLED_MS, host="s2"), swarms=swarms), keep=True)
    assert report.violation is None
    failed = [(at, host) for at, host, _ in told(report, "failed") if at > KILLED_MS / 1e3]
    others = {f"s{number}" for number in range(1, swarms + 1)} - {"s2"}
    assert {host for _, host in failed} >= others
    assert max(at for at, host in failed) <= KILLED_MS / 1e3 + FAILED_WITHIN_S
    ((taken, host, _),) = told(report, "taking_over")
    assert host == "s2b"
    active = min(at for at, _, _ in told(report, "batch_written", "s2b") or [(taken, "", "")])
    assert active <= KILLED_MS / 1e3 + ACTIVE_WITHIN_S
    assert told(report, "fenced", "s2"), "it came back in the end, when all was healed, and learnt of it"


@pytest.mark.parametrize(
    "actions",
    [
        pytest.param(
            [Cut(at_ms=8_000, sources=("s2",), targets=("s1", "s3", "s4", "s2b"), for_ms=25_000)], id="cut off"
        ),
        pytest.param([Cut(at_ms=8_000, sources=("s2",), targets=("s1", "s3", "s4"), for_ms=25_000)], id="but for it"),
        pytest.param([Pause(at_ms=8_000, host="s2", for_ms=20_000)], id="paused"),
        pytest.param([Crash(at_ms=8_000, host="s2"), Start(at_ms=12_000, host="s2")], id="back at once"),
        pytest.param(
            [
                Crash(at_ms=8_000, host="s2"),
                propose(8_100, "s1"),
                propose(12_000, "s3"),
                Crash(at_ms=13_000, host="s1"),
            ],
            id="and the leader too",
        ),
        pytest.param(
            [Crash(at_ms=8_000, host="s2"), Crash(at_ms=14_000, host="s2b"), Start(at_ms=16_000, host="s2b")],
            id="twice",
        ),
    ],
)
def test_nobody_promises_in_two_terms_at_a_time(actions: list[AnyAction]) -> None:
    writes = [
        Write(at_ms=500 * number + offset, host=host, key=f"{host}/{number}")
        for number in range(1, 70)
        for host, offset in (("s2", 0), ("s2b", 100))
    ]
    assert run(story(*writes, *actions)).violation is None


@pytest.mark.parametrize(
    ("actions", "queens"),
    [
        pytest.param([], ["s2b"], id="the first is there"),
        pytest.param(
            [Crash(at_ms=9_000, host="s2b"), Start(at_ms=30_000, host="s2b")], ["s2c"], id="the first is gone"
        ),
        pytest.param([Cut(at_ms=9_000, sources=("s2b",), targets=("s1",), for_ms=20_000)], None, id="half gone"),
        pytest.param(
            [Crash(at_ms=22_000, host="s2b"), Start(at_ms=39_000, host="s2b")],
            ["s2b", "s2c"],
            id="one after the other",
        ),
        pytest.param(
            [
                Pause(at_ms=9_000, host="s2b", for_ms=6_000),
                Crash(at_ms=13_000, host="s1"),
                Start(at_ms=16_000, host="s1"),
            ],
            None,
            id="both at once, and the view changes",
        ),
    ],
)
def test_of_two_backups_one_is_queen_at_a_time(actions: list[AnyAction], queens: list[str] | None) -> None:
    writes = [
        Write(at_ms=500 * number + offset, host=host, key=f"{host}/{number}")
        for number in range(1, 70)
        for host, offset in (("s2", 0), ("s2b", 100), ("s2c", 200))
    ]
    everyone = ("s1", "s2", "s3", "s4", "s2b", "s2c")
    crash = Crash(at_ms=8_000, host="s2")
    report = run(story(*writes, crash, *actions, backups=("s2", "s2"), core=everyone), keep=True)
    assert report.violation is None
    taken = [host for _, host, _ in told(report, "taking_over")]
    assert taken == queens or (queens is None and len(taken) == 1)


def test_an_old_term_that_is_believed_is_noticed() -> None:
    canary = CANARIES["old-term-after-failover"]
    catch = hunt(canary)
    assert catch is not None
    assert catch.violation.checker == "fenced"
    honest = replace(catch.scenario, canary=None)
    assert run(honest).violation is None
