"""`zenmesh chaos`: torture a federation in a simulated world. Needs no home and no network.

| exit | |
|---|---|
| 0 | every invariant held |
| 1 | one broke; the last line is the command that does the same again |
| 2 | what was asked for is wrong: no such scenario, no such file, a file that is no scenario |
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.chaos_files import command, read, write_new
from bootstrap.cli.chaos_screen import meter
from bootstrap.cli.options import JsonOption, between
from mesh.protocol.commands import FailureKind
from wire.errors import UsageError

if TYPE_CHECKING:
    from chaos.checkers import Violation
    from chaos.minimize import Minimizer
    from chaos.runner import Report
    from chaos.scenario import Scenario

BROKEN = int(FailureKind.FAILED)

SwarmsOption = Annotated[int | None, typer.Option("--swarms", min=1, metavar="N", help="How many swarms.")]
ForOption = Annotated[
    str, typer.Option("--for", metavar="DURATION", help="How long faults last, in the time of the world.")
]
TraceOption = Annotated[
    Path | None, typer.Option("--trace", metavar="FILE", help="Write what happened there, as one HTML page.")
]
CanaryOption = Annotated[
    str | None,
    typer.Option("--canary", metavar="NAME", help="Plant this fault into the nodes (see `zenmesh chaos canaries`)."),
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A scenario, as JSON.")]


def list_(as_json: JsonOption = False) -> None:
    """List the scenarios that have a name."""
    from chaos.named import NAMED

    rows = [{"name": name, "swarms": entry.swarms, "what": entry.what} for name, entry in NAMED.items()]
    hand_over({"scenarios": rows}, as_json, _show_list)


def _show_list(result: Result) -> None:
    from bootstrap.console import table

    table(["name", "swarms", "what"], [[row["name"], row["swarms"], row["what"]] for row in result["scenarios"]])


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A scenario of `zenmesh chaos list`.")],
    swarms: SwarmsOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Any number: when what happens.")] = 1,
    faults_for: ForOption = "60s",
    canary: CanaryOption = None,
    trace: TraceOption = None,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the scenario there, to edit and replay.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Run a named scenario in the simulated world."""
    from chaos.named import again, named

    scenario = named(name, seed=seed, swarms=swarms, faults_s=seconds_of_faults(faults_for), canary=canary)
    if save is not None and not save.parent.is_dir():
        raise UsageError(f"--save {save}: there is no directory {save.parent}")
    result = _run(scenario, again(scenario), trace, as_json)
    result["file"] = None if save is None else str(write_new(save, scenario))
    hand_over(result, as_json, _show_run)
    return BROKEN if result["violations"] else 0


def replay(
    file: FileArgument, canary: CanaryOption = None, trace: TraceOption = None, as_json: JsonOption = False
) -> int:
    """Run the scenario of a file. One that fuzz or minimize wrote, or you."""
    from msgspec.structs import replace

    scenario = read(file)
    planted = "" if canary is None else f" --canary {shlex.quote(canary)}"
    if canary is not None and canary != scenario.canary:
        scenario = replace(scenario, canary=canary, digest=None)
    result = _run(scenario, command("replay", file) + planted, trace, as_json)
    result |= {"file": str(file), "recorded_digest": scenario.digest}
    hand_over(result, as_json, _show_run)
    return BROKEN if result["violations"] else 0


def seconds_of_faults(option: str) -> int:
    """What `--for` means."""
    return int(between("--for", option, "1s", "24h"))


def _run(scenario: Scenario, again: str, trace: Path | None, as_json: bool) -> dict[str, Any]:
    from chaos.runner import run as run_in_world

    if trace is not None and not trace.parent.is_dir():
        raise UsageError(f"--trace {trace}: there is no directory {trace.parent}")
    with meter(scenario.faults_s, as_json) as show:

        def told(now: int) -> None:
            second = now // 1_000_000
            healed = "" if second <= scenario.faults_s else ", healed: waiting until all agree"
            show(second, f"{second} of {scenario.faults_s} s of faults{healed}")

        report = run_in_world(scenario, keep=trace is not None, progress=told)
    if trace is not None:
        _write_page(trace, report, again)
    return {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "swarms": scenario.swarms,
        "canary": scenario.canary,
        "virtual_s": report.virtual / 1e6,
        "settled_s": None if report.settled is None else report.settled / 1e6,
        "events": report.events,
        "violations": [] if report.violation is None else [as_dict(report.violation)],
        "trace_digest": report.digest,
        "page": None if trace is None else str(trace),
        "command": again,
    }


def _write_page(file: Path, report: Report, again: str) -> None:
    from chaos.timeline import page

    title = f"{report.scenario.name}: {report.violation.checker if report.violation else 'held'}"
    violations = [] if report.violation is None else [report.violation]
    file.write_text(page(report.trace, report.scenario, title=title, violations=violations, command=again), "utf-8")


def as_dict(violation: Violation) -> dict[str, Any]:
    """A violation for programs."""
    return {
        "checker": violation.checker,
        "at_s": violation.at / 1e6,
        "host": violation.host or None,
        "what": violation.what,
    }


def sentence(violation: Result) -> str:
    """A violation for people."""
    where = violation["host"] or "the world"
    return f"{violation['checker']}: {violation['what']} ({where}, at {violation['at_s']:.6f} s)"


def _show_run(result: Result) -> None:
    from bootstrap.console import facts

    settled = result["settled_s"]
    facts(
        {
            "scenario": f"{result['scenario']}, {result['swarms']} swarms, seed {result['seed']}",
            "file": result["file"],
            "canary": result["canary"],
            "took": f"{result['virtual_s']:.1f} s of the world's time, {result['events']} events",
            "agreed": None if settled is None or result["violations"] else f"{settled:.1f} s after all was healed",
            "digest": result["trace_digest"],
            "recorded": _compared(result),
            "page": result["page"],
            "held": None if result["violations"] else "every invariant",
            "broken": [sentence(one) for one in result["violations"]] or None,
            "again": result["command"] if result["violations"] else None,
        }
    )


def _compared(result: Result) -> str | None:
    """How a replay relates to the run that wrote the file."""
    recorded = result.get("recorded_digest")
    if recorded is None:
        return None
    return "the same to the last bit" if recorded == result["trace_digest"] else f"{recorded}, by other code"


def minimize(
    file: FileArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the result goes; else beside FILE.")
    ] = None,
    limit: Annotated[
        str | None, typer.Option("--time", metavar="DURATION", help="Keep what was found after this long.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Take away what a failure does not need. What is left is written as a scenario of its own."""
    from chaos.minimize import Minimizer, size

    wanted = out or file.with_suffix(".min.json")
    scenario = read(file)
    if not wanted.parent.is_dir():
        raise UsageError(f"--out {wanted}: there is no directory {wanted.parent}")
    limit_s = None if limit is None else between("--time", limit, "1s", "366d")
    began, ended = time.monotonic(), True
    with meter(None, as_json) as show:

        def told(minimizer: Minimizer) -> None:
            show(minimizer.runs, f"{size(minimizer.best)} left")
            if limit_s is not None and time.monotonic() - began >= limit_s:
                raise TimeoutError

        minimizer = Minimizer(scenario, told)
        try:
            if not minimizer.search():
                raise UsageError(f"{file}: this scenario breaks nothing, so there is nothing to minimize")
        except (KeyboardInterrupt, TimeoutError):
            ended = False
    if minimizer.violation is None:
        raise KeyboardInterrupt
    path = write_new(wanted, minimizer.best)
    result = {
        "file": str(path),
        "swarms": minimizer.best.swarms,
        "actions": len(minimizer.best.actions),
        "actions_before": len(scenario.actions),
        "faults_s": minimizer.best.faults_s,
        "runs": minimizer.runs,
        "least": ended,
        "violations": [as_dict(minimizer.violation)],
        "trace_digest": minimizer.best.digest,
        "command": command("replay", path),
    }
    hand_over(result, as_json, _show_minimize)
    return 0


def _show_minimize(result: Result) -> None:
    from bootstrap.console import facts

    facts(
        {
            "left": f"{result['actions']} of {result['actions_before']} actions, {result['swarms']} swarms,"
            f" {result['faults_s']} s of faults, after {result['runs']} runs"
            + ("" if result["least"] else "; not at its end, it may get smaller"),
            "broken": [sentence(one) for one in result["violations"]],
            "written": result["file"],
            "again": result["command"],
        }
    )
