"""`zenmesh chaos` as typed: what it prints, what it writes, its exit codes, and that each command it prints works."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootstrap.cli import chaos_hunts
from bootstrap.cli.main import COMMANDS
from chaos.campaign import Plan
from chaos.canaries import CANARIES, hunt
from chaos.named import NAMED
from chaos.scenario import load
from mesh.protocol.commands import FailureKind
from tests.support.commands import command, conforms, schema_name
from tests.support.processes import Ran

QUICK = ("--swarms", "3", "--for", "5s")
HASTY = {
    "seed": 3,
    "swarms": 3,
    "faults_s": 5,
    "settle_s": 0,  # no time to agree in: what is written during the cut cannot be read
    "actions": [
        {"do": "write", "at_ms": 500, "host": "s2", "key": "early"},
        {"do": "cut", "at_ms": 1_000, "sources": ["s1"], "targets": ["s2", "s3"], "for_ms": 60_000},
        {"do": "pause", "at_ms": 1_500, "host": "s3", "for_ms": 200},
        {"do": "write", "at_ms": 2_000, "host": "s1", "key": "plan"},
        {"do": "write", "at_ms": 3_000, "host": "s3", "key": "plan"},
    ],
}


def chaos(*arguments: str) -> Ran:
    return command("chaos", *arguments)


def result_of(*arguments: str, code: int = 0) -> Any:
    """The one object that `--json` prints, which conforms to its schema."""
    ran = chaos(*arguments, "--json")
    assert ran.code == code, ran
    assert ran.err == ""
    conforms(ran.json, schema_name(("chaos", *arguments)))
    return ran.json


def typed(line: str) -> Ran:
    """Type a command that was printed."""
    words = shlex.split(line)
    assert words[0] == "zenmesh"
    return command(*words[1:])


@pytest.fixture
def hasty(tmp_path: Path) -> Path:
    """A scenario that breaks an invariant, in a directory whose name a shell would take apart."""
    directory = tmp_path / "what I found"
    directory.mkdir()
    file = directory / "hasty.json"
    file.write_text(json.dumps(HASTY))
    return file


# run


def test_a_run_that_holds() -> None:
    result = result_of("run", "partition", *QUICK, "--seed", "7")
    assert (result["scenario"], result["seed"], result["swarms"], result["violations"]) == ("partition", 7, 3, [])
    assert result["virtual_s"] >= 5
    assert typed(result["command"] + " --json").json == result


def test_a_run_for_people_tells_how_far_it_is_and_what_came_of_it() -> None:
    ran = chaos("run", "happy-path", *QUICK)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "1 of 5 s of faults"
    assert [line.split()[0] for line in lines[-5:]] == ["scenario", "took", "agreed", "digest", "held"]


def test_a_run_that_breaks_an_invariant_is_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.protocol.writer.Writer.tick", lambda writer, now, out: 1 / 0)
    result = result_of("run", "happy-path", *QUICK, code=1)
    assert [violation["checker"] for violation in result["violations"]] == ["ZeroDivisionError"]
    ran = chaos("run", "happy-path", *QUICK)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, f"again     {result['command']}")


def test_a_run_is_saved_to_be_edited(tmp_path: Path) -> None:
    mine = str(tmp_path / "mine.json")
    result = result_of("run", "partition", *QUICK, "--save", mine)
    assert result["file"] == mine
    assert result_of("replay", mine)["trace_digest"] == result["trace_digest"]
    assert result_of("run", "partition", *QUICK, "--save", mine)["file"] == str(tmp_path / "mine-2.json")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no-such"], "no scenario is called 'no-such'"),
        (["run", "partition", "--swarms", "1"], "from 2"),
        (["run", "partition", "--for", "soon"], "--for soon: no duration"),
        (["run", "partition", "--for", "0s"], "out of bounds"),
        (["run", "partition", "--seed", "x"], "--seed"),
        (["run", "partition", *QUICK, "--trace", "no/such/page.html"], "there is no directory no/such"),
        (["run", "partition", *QUICK, "--save", "no/such.json"], "there is no directory no"),
        (["replay", "no-such.json"], "no-such.json: No such file"),
        (["minimize", "no-such.json"], "no-such.json: No such file"),
        (["fuzz", "--swarms", "0"], "--swarms"),
        (["fuzz", "--out", "no-such"], "no such directory"),
        (["fuzz", "--time", "5"], "--time 5: no duration"),
        (["run", "partition", "--canary", "parrot"], "no canary is called 'parrot'"),
        (["fuzz", "--canary", "parrot"], "no canary is called 'parrot'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_misuse_is_exit_2(arguments: list[str], said: str) -> None:
    ran = chaos(*arguments)
    assert (ran.code, ran.out) == (FailureKind.USAGE, "")
    assert said in ran.err


def test_every_scenario_is_listed() -> None:
    assert [row["name"] for row in result_of("list")["scenarios"]] == list(NAMED)
    assert all(f"\n{name} " in chaos("list").out for name in NAMED)


# replay


def test_a_replay_that_breaks_an_invariant_ends_with_the_command_that_does_it_again(hasty: Path) -> None:
    result = result_of("replay", str(hasty), code=1)
    (violation,) = result["violations"]
    assert violation["checker"] == "acknowledged"
    assert result["recorded_digest"] is None
    ran = chaos("replay", str(hasty))
    assert ran.code == 1
    assert violation["what"] in ran.out
    last = ran.out.splitlines()[-1].removeprefix("again").strip()
    assert typed(last) == ran


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settle_s": -1}, "not negative"),
        ({"swarm": 3}, "unknown field `swarm`"),
        ({"actions": [{"do": "explode", "at_ms": 1}]}, "explode"),
        ({"actions": [{"do": "start", "at_ms": 1, "host": "s4"}]}, "s4"),
        ({"actions": [{"do": "start", "at_ms": -1, "host": "s1"}]}, "at_ms"),
        ({"actions": [{"do": "lie", "at_ms": 1, "host": "s1", "rate": 1.5, "for_ms": 1}]}, "rate"),
        ({"swarms": 5_000}, "5000"),
        ({"format": 2}, "format"),
    ],
    ids=str,
)
def test_a_file_that_is_no_scenario_says_where(hasty: Path, change: dict[str, Any], said: str) -> None:
    hasty.write_text(json.dumps(HASTY | change))
    ran = chaos("replay", str(hasty))
    assert ran.code == FailureKind.USAGE
    assert ran.err.startswith(f"zenmesh: {hasty}: this is no scenario: ")
    assert said in ran.err


@pytest.mark.parametrize("name", ["run", "replay"])
def test_what_happened_is_written_as_a_page(hasty: Path, tmp_path: Path, name: str) -> None:
    page = tmp_path / "page.html"
    what = ["run", "happy-path", *QUICK] if name == "run" else ["replay", str(hasty)]
    result = result_of(*what, "--trace", str(page), code=int(name == "replay"))
    assert result["page"] == str(page)
    text = page.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert result["trace_digest"] in text
    assert json.dumps(result["command"])[1:-1] in text


# minimize


def test_minimize_writes_what_is_left_and_it_replays_to_the_last_bit(hasty: Path) -> None:
    result = result_of("minimize", str(hasty))
    assert (result["actions_before"], result["actions"], result["swarms"], result["least"]) == (5, 2, 2, True)
    assert result["file"] == str(hasty.with_name("hasty.min.json"))
    ran = typed(result["command"])
    assert ran.code == 1
    assert "the same to the last bit" in ran.out
    again = typed(result["command"] + " --json").json
    assert again["trace_digest"] == again["recorded_digest"] == result["trace_digest"]


def test_a_file_from_other_code_is_told(hasty: Path) -> None:
    hasty.write_text(json.dumps(HASTY | {"digest": "0" * 32}))
    ran = chaos("replay", str(hasty))
    assert f"recorded  {'0' * 32}, by other code" in ran.out


def test_minimize_overwrites_nothing(hasty: Path) -> None:
    results = [result_of("minimize", str(hasty)) for _ in range(2)]
    assert [Path(result["file"]).name for result in results] == ["hasty.min.json", "hasty.min-2.json"]
    elsewhere = hasty.with_name("elsewhere.json")
    assert result_of("minimize", str(hasty), "--out", str(elsewhere))["file"] == str(elsewhere)


def test_what_holds_cannot_be_minimized(hasty: Path) -> None:
    hasty.write_text(json.dumps(HASTY | {"settle_s": 60}))
    ran = chaos("minimize", str(hasty))
    assert ran.code == FailureKind.USAGE
    assert "breaks nothing" in ran.err
    assert list(hasty.parent.iterdir()) == [hasty]


def test_an_interrupted_search_keeps_what_it_has(hasty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ddmin: Callable[..., Any] = lambda items, fails: fails(items[1:]) and _interrupt()  # noqa: E731
    monkeypatch.setattr("chaos.minimize.ddmin", ddmin)
    result = result_of("minimize", str(hasty))
    assert (result["actions"], result["least"]) == (4, False)


def test_a_search_that_is_long_enough_keeps_what_it_has(hasty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.cli.chaos.time.monotonic", itertools.count().__next__)
    result = result_of("minimize", str(hasty), "--time", "2s")
    assert (result["runs"], result["least"]) == (3, False)
    assert "not at its end" in chaos("minimize", str(hasty), "--time", "2s").out


def _interrupt() -> None:
    raise KeyboardInterrupt


# fuzz


def test_fuzzing_that_finds_nothing(tmp_path: Path) -> None:
    result = result_of("fuzz", "--seeds", "6", "--from", "10", *QUICK, "--out", str(tmp_path))
    assert (result["from"], result["seeds"], result["failures"]) == (10, 6, [])
    assert result["virtual_s"] >= 30
    assert list(tmp_path.iterdir()) == []
    assert chaos("fuzz", "--seeds", "2", "--jobs", "1", *QUICK).out.splitlines()[0] == "1 of 2 seeds, 3 swarms each"


@pytest.mark.parametrize(("option", "governs"), [("--govern", True), ("--no-govern", False), (None, None)])
def test_who_governs_may_be_said(
    option: str | None, governs: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []
    monkeypatch.setattr("chaos.campaign.campaign", lambda plan, *_, **__: plans.append(plan) or iter(()))
    result = result_of("fuzz", *QUICK, *([option] if option else []))
    assert result["govern"] is governs
    assert {plans[0].scenario(seed).govern for seed in range(8)} == ({True, False} if governs is None else {governs})


def test_a_time_limit_ends_it() -> None:
    assert result_of("fuzz", "--time", "1s", "--jobs", "1", *QUICK)["seeds"] >= 1


def test_a_seed_that_fails_is_written_with_its_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Plan.scenario

    def hasty_third(plan: Plan, seed: int) -> Any:
        return load(json.dumps(HASTY).encode()) if seed == 3 else made(plan, seed)

    monkeypatch.setattr(Plan, "scenario", hasty_third)
    fuzz = ["fuzz", "--jobs", "1", *QUICK, "--out", str(tmp_path)]
    result = result_of(*fuzz, code=1)
    (failure,) = result["failures"]
    assert (result["seeds"], failure["seed"]) == (3, 3)
    assert load(Path(failure["file"]).read_bytes()).digest == failure["trace_digest"]
    assert typed(failure["replay"]).code == 1
    assert typed(failure["minimize"]).code == 0
    ran = chaos(*fuzz)
    assert ran.code == 1
    assert typed(ran.out.splitlines()[-1].removeprefix("again").strip()).code == 1


# canaries

CANARY = next(iter(CANARIES))


def test_a_canary_is_caught_replayed_and_minimized(tmp_path: Path) -> None:
    hunted = ["fuzz", "--canary", CANARY, "--swarms", "3", "--jobs", "1", "--out", str(tmp_path)]
    result = result_of(*hunted, code=1)
    assert result["canary"] == CANARY
    failure = result["failures"][0]
    assert load(Path(failure["file"]).read_bytes()).canary == CANARY
    again = typed(failure["replay"] + " --json")
    assert (again.code, again.json["trace_digest"]) == (1, failure["trace_digest"])
    smaller = typed(failure["minimize"] + " --json")
    assert (smaller.code, smaller.json["violations"][0]["checker"]) == (0, failure["violations"][0]["checker"])
    assert smaller.json["actions"] <= 15


def test_a_canary_is_planted_into_a_run_and_a_file(tmp_path: Path) -> None:
    file = str(tmp_path / "sane.json")
    sane = result_of("run", "happy-path", *QUICK, "--save", file)
    for arguments in (["run", "happy-path", *QUICK], ["replay", file]):
        ran = chaos(*arguments, "--canary", CANARY, "--json")
        assert ran.json["canary"] == CANARY
        assert typed(ran.json["command"] + " --json").json["trace_digest"] == ran.json["trace_digest"]
        assert ran.json["trace_digest"] != sane["trace_digest"]


def test_canaries_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    catch = hunt(CANARIES[CANARY])
    assert catch is not None
    table = {"caught": CANARIES[CANARY], "sane": CANARIES[CANARY]}
    monkeypatch.setattr("chaos.canaries.CANARIES", table)
    monkeypatch.setattr(
        "chaos.campaign.chase_all",
        lambda names, jobs: [(name, catch if name == "caught" else None) for name in names],
    )
    caught, sane = result_of("canaries", code=1)["canaries"]
    assert (caught["caught"], caught["seeds"], caught["checker"]) == (True, catch.seeds, catch.violation.checker)
    assert (sane["caught"], sane["seeds"], sane["checker"]) == (False, None, None)
    ran = chaos("canaries")
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "1 survived: sane")
    del table["sane"]
    assert chaos("canaries").code == 0


def test_the_default_number_of_seeds_is_as_its_help_says() -> None:
    assert str(chaos_hunts.SEEDS) in chaos("fuzz", "--help").out
    assert {path for path in COMMANDS if path.startswith("chaos ")} >= {"chaos run", "chaos fuzz"}


# twins


def test_twins_are_counted_queen_by_queen() -> None:
    result = result_of("twins", "--grain", "view")
    assert (result["schedules"], [row["queen"] for row in result["doubled"]]) == (188, [0, 1, 2, 3])
    assert result["states"] == sum(row["states"] for row in result["doubled"])
    assert all(row["violation"] is None for row in result["doubled"])


def test_what_breaks_a_council_is_told_with_who_heard_whom() -> None:
    row = result_of("twins", "--grain", "view", "--canary", "quorum-less-one", code=1)["doubled"][0]
    assert row["violation"]["checker"] == "certified"
    assert len(row["path"]) == 1
    ran = chaos("twins", "--grain", "view", "--canary", "quorum-less-one")
    assert ran.code == 1
    assert f"step 1: {row['path'][0]}" in ran.out
