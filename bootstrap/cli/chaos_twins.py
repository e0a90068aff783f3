"""`zenmesh chaos twins`: everything that can happen to four queens of whom one has a twin, none of it left out."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.chaos import BROKEN, CanaryOption
from bootstrap.cli.chaos_screen import meter
from bootstrap.cli.options import JsonOption

if TYPE_CHECKING:
    from chaos.twins import Found


class Ways(StrEnum):
    """`chaos.twins.Grain` by another name: that is not loaded for other commands."""

    VIEW = "view"
    PHASE = "phase"
    EXCHANGE = "exchange"


def twins(
    views: Annotated[int, typer.Option("--views", min=1, max=4, metavar="N", help="How many views.")] = 1,
    grain: Annotated[
        Ways, typer.Option("--grain", help="How long it stays the same who hears whom.", case_sensitive=False)
    ] = Ways.PHASE,
    late: Annotated[bool, typer.Option("--late", help="What is not heard is heard later, not lost.")] = False,
    canary: CanaryOption = None,
    as_json: JsonOption = False,
) -> int:
    """Explore every history of four queens, one of them doubled. Each of them in turn."""
    from chaos.runner import rules_of
    from chaos.twins import QUEENS, Grain, Plan, explore

    rules, found = rules_of(canary), []
    with meter(None, as_json) as show:
        for doubled in range(QUEENS):
            plan = Plan(views=views, grain=Grain(grain.value), doubled=doubled, late=late)

            def told(step: int, states: int, plan: Plan = plan) -> None:
                show(step, f"queen {plan.doubled} doubled: step {step} of {len(plan.steps)}, {states} states")

            found.append(explore(plan, rules, told))
    result = {
        "views": views,
        "grain": grain.value,
        "late": late,
        "canary": canary,
        "schedules": sum(one.schedules for one in found),
        "states": sum(one.states for one in found),
        "doubled": [_as_dict(one) for one in found],
    }
    hand_over(result, as_json, _show)
    return BROKEN if any(one.violation for one in found) else 0


def _as_dict(found: Found) -> dict[str, Any]:
    violation = found.violation
    return {
        "queen": found.plan.doubled,
        "schedules": found.schedules,
        "states": found.states,
        "minds": found.minds,
        "violation": None if violation is None else {"checker": violation.checker, "what": violation.what},
        "path": list(found.path),
    }


def _show(result: Result) -> None:
    from bootstrap.console import facts, table

    rows = [
        [row["queen"], row["schedules"], row["states"], row["violation"]["checker"] if row["violation"] else "held"]
        for row in result["doubled"]
    ]
    table(["doubled", "schedules", "states", "outcome"], rows)
    broken = [row for row in result["doubled"] if row["violation"]]
    facts(
        {
            "schedules": result["schedules"],
            "states": result["states"],
            "canary": result["canary"],
            "held": None if broken else "every invariant",
            "broken": [f"{row['violation']['checker']}: {row['violation']['what']}" for row in broken] or None,
            "first": [f"step {number}: {way}" for number, way in enumerate(broken[0]["path"], 1)] if broken else None,
        }
    )
