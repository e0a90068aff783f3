"""Commands about the node: `run` is it, `status` and `peers` show it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from bootstrap.cli.asking import Result, ask, hand_over, home_of
from bootstrap.cli.health_text import duration_text, health_text, quorum_facts
from bootstrap.cli.options import HomeOption, JsonOption
from bootstrap.options import LogFormat, RunOptions


def run(
    listen: Annotated[
        list[str] | None, typer.Option("--listen", metavar="MULTIADDR", help="Listen there; may be repeated.")
    ] = None,
    bootstrap: Annotated[
        list[str] | None, typer.Option("--bootstrap", metavar="MULTIADDR", help="Dial this member; may be repeated.")
    ] = None,
    mdns: Annotated[bool | None, typer.Option("--mdns/--no-mdns", help="Find others on this LAN.")] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", metavar="HOST:PORT", help="Serve Prometheus metrics there too.")
    ] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option("--log-format", help="How log lines look, on standard error.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE", help="Append every trace record to this file.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Be the node of this home, in the foreground. SIGTERM or Ctrl-C ends it."""
    from bootstrap.cli.node_process import Order, become_node

    options = RunOptions(
        listen=tuple(listen or ()),
        bootstrap=tuple(bootstrap or ()),
        mdns=mdns,
        metrics=metrics,
        log_format=log_format or LogFormat.TEXT,
        trace=trace,
    )
    become_node(Order(home=str(home_of(home).path), options=options, log_format=log_format, as_json=as_json))


def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show who this node is, whom it belongs to, and how it does."""
    hand_over(ask(home, "status"), as_json, show_status)


def peers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show links, and whom the node tries to reach. Each with what came of it."""
    hand_over(ask(home, "peers"), as_json, lambda result: show_peers(result["peers"]))


def show_status(status: Result) -> None:
    """The node for people."""
    from bootstrap.console import facts, say, table

    facts(_facts_of(status))
    if status["members"]:
        say("")
        table(
            ["swarm", "state", "weight", "term", "records", "linked", "health", "project"],
            [
                [
                    row["swarm"],
                    row["state"],
                    row["weight"],
                    row["term"],
                    row["seq"],
                    _yes(row["connected"]),
                    health_text(row["health"], time.time() * 1000),
                    row["project"],
                ]
                for row in sorted(status["members"], key=lambda row: str(row["swarm"]))
            ],
        )
    for request in status["pending_joins"]:
        say(f"{request['swarm']} asks to be admitted: `zenmesh federation admit {request['swarm']}`")
    for warning in [*status["warnings"], *(f"mDNS: {problem}" for problem in status["mdns_problems"])]:
        say(f"warning: {warning}")


def _facts_of(status: Result) -> dict[str, object]:
    quorum, federation = status["quorum"], status["federation_id"]
    shown = {} if quorum is None else quorum_facts(quorum, status["consensus"]["governed_by"])
    if status["read_only"]:
        shown.pop("it can", None)  # the others can
    term = f" in term {status['term']}" if status["term"] else ""  # who was never queen has none
    name = f"{status['federation_name']} " if status["federation_name"] else ""
    return {
        "swarm": f"{status['swarm']} (project {status['project']}), {status['role']}{term}",
        "node": status["peer_id"],
        "addresses": status["addresses"],
        "lifecycle": f"{status['lifecycle']}: {status['lifecycle_reason']}",
        "federation": None if federation is None else f"{name}{federation}",
        "chain": f"height {status['height']}, epoch {status['epoch']}",
        **shown,
        "governed": _government(status),
        "read-only": status["read_only"] and status["read_only"].removeprefix("read-only: "),
        "state root": status["state_root"],
        "running": f"{duration_text(status['uptime_s'])}, {status['rss_bytes'] / 2**20:.0f} MiB of memory",
    }


def _government(status: Result) -> str | None:
    """Who decides; and how the queens are doing, where they do."""
    consensus = status.get("consensus")
    if consensus is None:
        return None
    if consensus["governed_by"] == "creator":
        handover = consensus["handover"]
        return f"by its creator alone; {handover['reason']}: {handover['remedy']}"
    voter = "this queen" if status["role"] == "queen" else "this node"
    voting = f"{voter} {'votes' if consensus['voting'] else 'does not vote'}"
    count = consensus["open_proposals"]
    found = f"{count} open: `zenmesh proposals`" if count else "nothing is open"
    return f"by its queens, led by {consensus['leader']} in view {consensus['view']}; {voting}; {found}"


def show_peers(rows: list[dict[str, Any]]) -> None:
    """Links and dials for people."""
    from bootstrap.console import on_terminal, say, table

    if not rows:
        say("nobody: no link, and no address of anyone")
        return
    table(
        ["swarm", "state", "rtt", "clock", "score", "peer", "address", "last error"],
        [
            [
                row["swarm"],
                row["state"],
                None if row["rtt_ms"] is None else f"{row['rtt_ms']:.1f} ms",
                None if row["clock_offset_ms"] is None else f"{row['clock_offset_ms']:+d} ms",
                row["score"],
                f"…{row['peer_id'][-8:]}" if on_terminal() else row["peer_id"],
                row["address"],
                row["error"],
            ]
            for row in rows
        ],
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"
