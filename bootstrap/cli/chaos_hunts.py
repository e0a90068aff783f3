"""`zenmesh chaos fuzz` and `canaries`: look for seeds that break an invariant, with all cores that are given."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.chaos import BROKEN, CanaryOption, ForOption, as_dict, seconds_of_faults, sentence
from bootstrap.cli.chaos_files import command, write_new
from bootstrap.cli.chaos_screen import meter
from bootstrap.cli.options import JsonOption, between
from wire.errors import UsageError

if TYPE_CHECKING:
    from chaos.campaign import Plan, Verdict

SEEDS = 200

JobsOption = Annotated[int, typer.Option("--jobs", min=1, max=256, metavar="N", help="Processes side by side.")]


def fuzz(
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=1, metavar="N", help=f"How many seeds: {SEEDS}, or with --time what fits."),
    ] = None,
    first: Annotated[int, typer.Option("--from", metavar="SEED", help="The first seed.")] = 1,
    swarms: Annotated[int, typer.Option("--swarms", min=1, metavar="N", help="How many swarms.")] = 5,
    faults_for: ForOption = "60s",
    jobs: JobsOption = 2,
    limit: Annotated[
        str | None, typer.Option("--time", metavar="DURATION", help="Begin no seed after this long.")
    ] = None,
    canary: CanaryOption = None,
    govern: Annotated[
        bool | None,
        typer.Option("--govern/--no-govern", help="The queens govern, or never do; else in two of five seeds."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where failing scenarios are written.")] = Path(),
    as_json: JsonOption = False,
) -> int:
    """Run random scenarios until an invariant breaks. One for each seed."""
    from chaos.campaign import Plan
    from chaos.runner import rules_of

    if not out.is_dir():
        raise UsageError(f"--out {out}: there is no such directory")
    plan = Plan(swarms=swarms, faults_s=seconds_of_faults(faults_for), canary=canary, govern=govern)
    rules_of(plan.scenario(first).canary)  # what is wrong with them is said here, and not by a worker
    limit_s = None if limit is None else between("--time", limit, "1s", "366d")
    most = SEEDS if seeds is None and limit_s is None else seeds
    verdicts = _hunt(plan, first, most, limit_s, jobs, as_json)
    failures = [_failure(plan, verdict, out) for verdict in verdicts if verdict.violation is not None]
    result = {
        "swarms": swarms,
        "from": first,
        "seeds": len(verdicts),
        "virtual_s": sum(verdict.virtual for verdict in verdicts) / 1e6,
        "events": sum(verdict.events for verdict in verdicts),
        "canary": canary,
        "govern": govern,
        "failures": failures,
    }
    hand_over(result, as_json, _show_fuzz)
    return BROKEN if failures else 0


def _hunt(plan: Plan, first: int, most: int | None, limit_s: float | None, jobs: int, as_json: bool) -> list[Verdict]:
    """Every verdict, in order of seeds."""
    from chaos.campaign import campaign

    began = time.monotonic()

    def enough() -> bool:
        return limit_s is not None and time.monotonic() - began >= limit_s

    verdicts = []
    with meter(most or limit_s, as_json) as show:
        wanted = count(first) if most is None else range(first, first + most)
        for verdict in campaign(plan, wanted, jobs=jobs, enough=enough):
            verdicts.append(verdict)
            done = time.monotonic() - began if most is None else len(verdicts)
            show(done, f"{len(verdicts)}{'' if most is None else f' of {most}'} seeds, {plan.swarms} swarms each")
    return sorted(verdicts, key=lambda verdict: verdict.seed)


def _failure(plan: Plan, verdict: Verdict, out: Path) -> dict[str, Any]:
    """Write what failed, and tell how to go on from there."""
    from msgspec.structs import replace

    assert verdict.violation is not None, "it failed"
    scenario = replace(plan.scenario(verdict.seed), digest=verdict.digest)
    file = write_new(out / f"chaos-{verdict.seed}-of-{plan.swarms}.json", scenario)
    return {
        "seed": verdict.seed,
        "violations": [as_dict(verdict.violation)],
        "trace_digest": verdict.digest,
        "file": str(file),
        "replay": command("replay", file),
        "minimize": command("minimize", file),
    }


def _show_fuzz(result: Result) -> None:
    from bootstrap.console import facts, say

    last = result["from"] + result["seeds"] - 1
    hours = result["virtual_s"] / 3600
    facts(
        {
            "seeds": f"{result['from']} to {last}, {result['swarms']} swarms each",
            "canary": result["canary"],
            "took": f"{hours:.1f} h of the world's time, {result['events']} events",
            "held": result["seeds"] - len(result["failures"]),
            "broken": len(result["failures"]) or None,
        }
    )
    for failure in result["failures"]:
        say("")
        facts(
            {
                "seed": failure["seed"],
                "broken": [sentence(one) for one in failure["violations"]],
                "written": failure["file"],
                "smaller": failure["minimize"],
                "again": failure["replay"],
            }
        )


def canaries(jobs: JobsOption = 2, as_json: JsonOption = False) -> int:
    """Plant known faults, and see that the checkers catch them. Exit 1 when one survives."""
    from chaos.campaign import chase_all
    from chaos.canaries import CANARIES

    rows = {}
    with meter(len(CANARIES), as_json) as show:
        for name, catch in chase_all(list(CANARIES), jobs=jobs):
            rows[name] = {
                "name": name,
                "what": CANARIES[name].what,
                "caught": catch is not None,
                "seeds": None if catch is None else catch.seeds,
                "checker": None if catch is None else catch.violation.checker,
            }
            show(len(rows), f"{len(rows)} of {len(CANARIES)} canaries")
    hand_over({"canaries": [rows[name] for name in CANARIES]}, as_json, _show_canaries)
    return 0 if all(row["caught"] for row in rows.values()) else BROKEN


def _show_canaries(result: Result) -> None:
    from bootstrap.console import say, table

    rows = [
        [row["name"], row["seeds"] if row["caught"] else "survived", row["checker"], row["what"]]
        for row in result["canaries"]
    ]
    table(["canary", "seeds", "caught by", "what is broken"], rows)
    survivors = [row["name"] for row in result["canaries"] if not row["caught"]]
    say(f"{len(survivors)} survived: {', '.join(survivors)}" if survivors else "every canary was caught")
