"""`zenmesh chaos live`: the same torture for real nodes in real processes, on namespaces or on loopback.

| exit | |
|---|---|
| 0 | everything held |
| 1 | something broke; homes, logs and traces are kept, and the directory is named |
| 2 | there is no such scenario, or not with so many swarms, or not on the network that can be had here |
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.chaos import BROKEN, SwarmsOption, TraceOption
from bootstrap.cli.chaos_screen import meter
from bootstrap.cli.options import JsonOption, between
from wire.errors import UsageError

if TYPE_CHECKING:
    from bootstrap.live.plans import Plan
    from bootstrap.live.play import Verdict


def live(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="happy-path, partition, byzantine, recovery, high-load, degraded, lans or random.",
            show_default=False,
        ),
    ],
    swarms: SwarmsOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="SEED", help="Any number: whom what befalls.")] = 1,
    lasting: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it goes on.")] = "30s",
    root: Annotated[
        bool | None,
        typer.Option(
            "--root/--no-root", help="On network namespaces, or on loopback; by default whatever can be had here."
        ),
    ] = None,
    trace: TraceOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave homes, logs and traces there.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Torture real nodes, on a network that is cut under them. They are processes of their own."""
    from bootstrap.live.play import play
    from bootstrap.live.stories import make_plan

    plan = make_plan(name, seed=seed, swarms=swarms, seconds=between("--for", lasting, "1s", "24h"))
    if trace is not None and not trace.parent.is_dir():
        raise UsageError(f"--trace {trace}: there is no directory {trace.parent}")
    with meter(None, as_json) as show:
        verdict = play(plan, root=root, keep=keep, tell=lambda text: show(0, text))
    if trace is not None:
        _write_page(trace, plan, verdict)
    result = {**_result(plan, verdict), "page": None if trace is None else str(trace)}
    hand_over(result, as_json, _show)
    return BROKEN if result["violations"] else 0


def _write_page(file: Path, plan: Plan, verdict: Verdict) -> None:
    from bootstrap.live.timeline import live_page

    count, evidence = len(plan.names), verdict.evidence
    text = live_page(
        plan.name,
        plan.seed,
        count,
        deeds=verdict.deeds,
        traced=evidence.traced,
        peers={row["peer_id"]: row["swarm"] for status in evidence.final.values() for row in status["members"]},
        violations=[(one.check, one.swarm, one.what) for one in verdict.broken],
        command=f"zenmesh chaos live {plan.name} --swarms {count} --seed {plan.seed} --for {plan.seconds:g}s",
        ground=verdict.ground,
    )
    file.write_text(text, "utf-8")


def _result(plan: Plan, verdict: Verdict) -> dict[str, Any]:
    from bootstrap.live.lag import lags

    evidence = verdict.evidence
    lag = lags(evidence.traced, evidence.honest)
    unlike = {one.swarm for one in verdict.broken if one.check in ("alive", "convergence", "durability")}
    most = {
        name: max((seen.status["rss_bytes"] for seen in evidence.sightings if seen.swarm == name), default=0)
        for name in plan.names
    }
    return {
        "scenario": plan.name,
        "seed": plan.seed,
        "ground": verdict.ground,
        "for_s": plan.seconds,
        "left_out": list(evidence.left_out),
        "writes_per_minute": round(60 * len(evidence.written) / evidence.writing_s) if evidence.writing_s else 0,
        "swarms": [
            {
                "swarm": name,
                "lifecycle": evidence.final[name]["lifecycle"] if name in evidence.final else None,
                "height": evidence.final[name]["height"] if name in evidence.final else None,
                "hostile": name in evidence.hostile,
                "acknowledged": sum(write.swarm == name for write in evidence.written),
                "lag_median_ms": lag[name].median if name in lag else None,
                "lag_longest_ms": lag[name].longest if name in lag else None,
                "converged": name not in evidence.hostile and not unlike & {name, ""},
                "rss_bytes": most[name],
            }
            for name in plan.names
        ],
        "violations": [
            {"checker": one.check, "swarm": one.swarm or None, "what": one.what} for one in verdict.broken
        ],
        "directory": None if verdict.directory is None else str(verdict.directory),
    }


def _show(result: Result) -> None:
    from bootstrap.console import facts, say, table

    say("")
    table(
        ["swarm", "lifecycle", "height", "acknowledged", "lag", "longest", "converged", "memory"],
        [
            [
                row["swarm"],
                row["lifecycle"],
                row["height"],
                row["acknowledged"],
                _time(row["lag_median_ms"]),
                _time(row["lag_longest_ms"]),
                "it lies" if row["hostile"] else "yes" if row["converged"] else "no",
                f"{row['rss_bytes'] / 1e6:.0f} MB",
            ]
            for row in result["swarms"]
        ],
    )
    say("")
    broken = [f"{one['checker']}: {one['what']} ({one['swarm'] or 'all'})" for one in result["violations"]]
    facts(
        {
            "scenario": f"{result['scenario']}, seed {result['seed']}, {result['for_s']:g} s, on {result['ground']}",
            "writes": f"{result['writes_per_minute']} a minute in all",
            "left out": result["left_out"] or None,
            "held": None if broken else "everything",
            "broken": broken or None,
            "page": result["page"],
            "kept": result["directory"],
        }
    )


def _time(ms: int | None) -> str | None:
    return None if ms is None else f"{ms} ms" if ms < 1_000 else f"{ms / 1_000:.1f} s"
