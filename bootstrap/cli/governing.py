"""Commands by which queens decide: `propose`, `proposals`, `vote`, `decisions`; and `verify`, for everyone else."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from bootstrap.cli.asking import Result, ask, client_to, hand_over
from bootstrap.cli.deciding import Asked, details_of, tell_decision
from bootstrap.cli.decision_text import Names, decision_facts, details_text, names_in, shown_id
from bootstrap.cli.health_text import duration_text
from bootstrap.cli.options import DeadlineOption, HomeOption, JsonOption, WaitOption, between
from wire.errors import UsageError

ACTIONS = (
    "allocate_agents, preempt_lease, set_priority, admit, expel, reinstate, set_weight, set_parameter, set_policy, "
    "set_protocol_version"
)


def propose(
    subject: Annotated[
        Literal["RESOURCE_ALLOCATION", "PRIORITY_CHANGE", "FEDERATION_POLICY"],
        typer.Argument(
            metavar="SUBJECT", case_sensitive=False, help="RESOURCE_ALLOCATION, PRIORITY_CHANGE or FEDERATION_POLICY."
        ),
    ],
    action: Annotated[str, typer.Option("--action", metavar="NAME", help=f"What is to be done: {ACTIONS}.")],
    details: Annotated[
        str,
        typer.Option(
            "--details", metavar="JSON", help="With what: an object ('{}': it tells the fields); - reads stdin."
        ),
    ],
    deadline: DeadlineOption = "60s",
    wait: WaitOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask the queens of the federation to decide something."""
    deadline_s = int(between("--deadline", deadline, "1s", "7d"))
    text = sys.stdin.read() if details == "-" else details
    asked = Asked.of(home, subject, action, details_of(home, text), deadline_s)
    return tell_decision(asked, wait, as_json)


def proposals(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what is open, and how the ballots stand."""
    client = client_to(home)
    hand_over(client.call("proposals"), as_json, lambda result: _show_proposals(result, names_in(client)))


def _show_proposals(result: Result, names: Names) -> None:
    from bootstrap.console import on_terminal, say, table

    if not result["proposals"]:
        say("nothing is open")
        return
    short = on_terminal()
    table(
        ["proposal", "action", "details", "proposer", "approve", "reject", "abstain", "of", "voted", "time left"],
        [
            [
                shown_id(row["proposal"], short),
                row["action"],
                details_text(row["details"], names, short),
                row["proposer"],
                *(row["tally"][choice] for choice in ("approve", "reject", "abstain", "total")),
                " ".join(sorted(row["ballots"])) or None,
                duration_text(max(0.0, row["deadline_ms"] / 1000 - time.time())),
            ]
            for row in result["proposals"]
        ],
    )
    say("`zenmesh vote PROPOSAL approve|reject|abstain` is how this queen votes; the beginning of the id is enough.")


def vote(
    proposal: Annotated[str, typer.Argument(metavar="ID", help="The id of the proposal, or how it begins.")],
    choice: Annotated[
        Literal["approve", "reject", "abstain"],
        typer.Argument(metavar="CHOICE", case_sensitive=False, help="approve, reject or abstain."),
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it goes onto the chain.")] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Vote on an open proposal, as this swarm's queen. A vote is final."""
    result = ask(home, "vote", {"proposal": _id(proposal), "choice": choice, "reason": reason})
    hand_over(result, as_json, lambda result: print(f"{result['choice']}: the vote on {result['proposal']} is cast."))


def decisions(
    since: Annotated[int, typer.Option("--since", metavar="HEIGHT", help="From this height on.", min=0)] = 0,
    proposal: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="This one alone, with its proof (how its id begins).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it there, for `zenmesh verify`.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was decided. With --id one decision, and with --output what proves it to anyone."""
    if output is not None and proposal is None:
        raise UsageError("--output writes one decision: name it with --id")
    client = client_to(home)
    if proposal is None:
        found: Result = {"since": since, **client.call("decisions", {"since": since})}
        hand_over(found, as_json, lambda result: _show_decisions(result, names_in(client)))
        return
    found = client.call("decisions", {"proposal": _id(proposal)})
    if output is not None:
        found = _write(found, output)
    hand_over(found, as_json, lambda result: _show_decision(result, names_in(client)))


def _write(document: Result, path: Path) -> dict[str, Any]:
    """Write a decision file; what is told about it instead. Raises UsageError when something is there."""
    from bootstrap.verifying import spelled

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(spelled(document))
    except FileExistsError:
        raise UsageError(f"{path} is there already: name another file") from None
    return {**{name: value for name, value in document.items() if name != "proof"}, "file": str(path)}


def _show_decisions(result: Result, names: Names) -> None:
    from bootstrap.console import on_terminal, say, table

    if not result["decisions"]:
        say("nothing was decided" + (f" from height {result['since']} on" if result["since"] else ""))
        return
    short = on_terminal()
    table(
        [
            "height",
            "proposal",
            "status",
            "action",
            "details",
            "proposer",
            "approve",
            "reject",
            "abstain",
            "of",
            "void",
        ],
        [
            [
                row["height"],
                shown_id(row["proposal"], short),
                row["status"],
                row["action"],
                details_text(row["details"], names, short),
                row["proposer"],
                *(row["tally"][choice] for choice in ("approve", "reject", "abstain", "total")),
                row["void"],
            ]
            for row in result["decisions"]
        ],
    )


def _show_decision(result: Result, names: Names) -> None:
    from bootstrap.console import facts, say

    facts(decision_facts(result, names))
    if "file" in result:
        say("")
        say(f"{result['file']} proves it to anyone: `zenmesh verify {result['file']} --genesis GENESIS`")


def verify(
    decision: Annotated[Path, typer.Argument(metavar="DECISION", help="The decision file.")],
    genesis: Annotated[
        Path, typer.Option("--genesis", metavar="FILE", help="The genesis, as `federation genesis` hands it out.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Check a decision, on any machine. It takes no home, no node and no network."""
    from bootstrap.home import read_genesis
    from bootstrap.verifying import NotProven, verify

    raw = read_genesis(genesis.resolve())
    try:
        verified = verify(decision.read_bytes(), raw)
    except NotProven as error:
        raise NotProven(f"{decision} proves nothing: {error}") from None
    document = verified.document
    shown = {name: value for name, value in document.items() if name not in ("proof", "certificate")}
    result = {
        "valid": True,
        "decision": str(decision),
        **shown,
        "proposer": verified.names[document["proposer_id"]],
        "signers": list(verified.signers),
        "blocks": len(document["proof"]),
    }
    hand_over(result, as_json, lambda result: _show_verified(result, verified.names))


def _show_verified(result: Result, names: Names) -> None:
    from bootstrap.console import facts, say

    say(f"{result['decision']} holds.")
    say("")
    shown = {"federation": f"{result['federation_name']} {result['federation_id']}", **decision_facts(result, names)}
    facts({**shown, "certified by": ", ".join(result["signers"])})
    say("")
    blocks = result["blocks"]
    say(f"It follows from the genesis by {blocks} certified block(s). Whoever founded the federation is believed.")


def _id(text: str) -> str:
    """The beginning of an id, as the node takes it. Raises UsageError."""
    found = text.lower().rstrip("…")
    if not 1 <= len(found) <= 32 or not set(found) <= set("0123456789abcdef"):
        raise UsageError(
            f"{text!r} is no id of a proposal: up to 32 hexadecimal digits, as `zenmesh proposals` shows"
        )
    return found
