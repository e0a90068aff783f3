"""Commands about who belongs: `members` shows it, `expel` and `reinstate` ask the queens, `leave` asks nobody."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bootstrap.cli.asking import Result, ask, hand_over
from bootstrap.cli.deciding import Asked, swarm_id, tell_decision
from bootstrap.cli.decision_text import shown_id
from bootstrap.cli.health_text import health_text, quorum_facts
from bootstrap.cli.options import DeadlineOption, HomeOption, JsonOption, WaitOption, between

POLICY = "FEDERATION_POLICY"
GONE = ("LEFT", "EXPELLED")
BELONGS = ("LEARNER", "ACTIVE", "SUSPENDED", "QUARANTINED", "TAKING_OVER", "EXPIRED")
RETURNS = ("SUSPENDED", "QUARANTINED", "EXPELLED")

Swarm = Annotated[str, typer.Argument(metavar="SWARM", help="Its name, or its id.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the others read it when they vote.")]


def members(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show who belongs and who did, and how each is. What each weighs, too, and what can be decided."""
    hand_over(ask(home, "members"), as_json, _show_members)


def _show_members(result: Result) -> None:
    from bootstrap.console import facts, on_terminal, say, table

    short = on_terminal()
    governor = "its queens" if result["governed_by"] == "queens" else "its creator"
    facts(
        {
            "federation": f"{result['federation_name']} {result['federation_id']}, governed by {governor}",
            "chain": f"height {result['height']}, epoch {result['epoch']}",
            **quorum_facts(result["quorum"], result["governed_by"]),
        }
    )
    say("")
    table(
        ["swarm", "id", "state", "weight", "term", "in reach", "health", "invited by", "until", "project"],
        [
            [
                row["swarm"],
                shown_id(row["swarm_id"], short),
                row["state"],
                row["weight"],
                row["term"],
                "yes" if row["in_reach"] else "no",
                health_text(row["health"], time.time() * 1000),
                row["inviter"],
                time.strftime("%Y-%m-%d", time.gmtime(row["expires_ms"] / 1000)),
                row["project"],
            ]
            for row in sorted(result["members"], key=lambda row: (row["state"] in GONE, str(row["swarm"])))
        ],
    )
    for warning in result["warnings"]:
        say(f"warning: {warning}")


def expel(
    swarm: Swarm,
    reason: Reason,
    deadline: DeadlineOption = "60s",
    wait: WaitOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask the queens to send a member away. It neither votes on that nor counts."""
    return _ask(home, "expel", swarm, reason, BELONGS, deadline, wait, as_json)


def reinstate(
    swarm: Swarm,
    reason: Reason,
    deadline: DeadlineOption = "60s",
    wait: WaitOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask the queens to take a member back. One that was suspended, quarantined or expelled."""
    return _ask(home, "reinstate", swarm, reason, RETURNS, deadline, wait, as_json)


def _ask(
    home: str | None,
    action: str,
    swarm: str,
    reason: str,
    states: tuple[str, ...],
    deadline: str,
    wait: bool,
    as_json: bool,
) -> int:
    deadline_s = int(between("--deadline", deadline, "1s", "7d"))
    whom = swarm_id(ask(home, "members")["members"], swarm, *states)
    asked = Asked.of(home, POLICY, action, {"swarm": whom, "reason": reason}, deadline_s)
    return tell_decision(asked, wait, as_json)


def leave(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Take this swarm out of the federation, for good. Returns once the chain says so, here and elsewhere."""
    hand_over(ask(home, "leave"), as_json, _show_leave)


def _show_leave(result: Result) -> None:
    from bootstrap.console import say

    say(f"{result['swarm']} has left the federation, at height {result['height']}.")
    if result["others_know"]:
        say("Its node can be stopped.")
    else:
        say("No other member has shown yet that it knows, and they may need this node for that: let it run until one")
        say("is back (see `zenmesh peers`).")
    say("What this home holds stays there to be read.")
