"""Proposals and decisions for people: ids in the length that fits, details on one line, swarms by their names."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wire.errors import ZenmeshError

if TYPE_CHECKING:
    from bootstrap.cli.asking import Result
    from mesh.api.client import Client

Names = Mapping[str, str]  # of swarms, by their ids

_NAMED = ("swarm", "lender", "borrower", "inviter")  # details that name a swarm
_ID_SHOWN = 8  # digits of an id on a terminal: `vote` and `decisions --id` take the beginning
_SHOWN = 48  # characters of one detail on a terminal


def names_in(client: Client) -> Names:
    """The names of all swarms that the node knows; none when it does not say."""
    try:
        return {row["swarm_id"]: row["swarm"] for row in client.call("members")["members"]}
    except ZenmeshError:
        return {}


def decision_facts(result: Result, names: Names) -> dict[str, object]:
    """A decision for people."""
    tally, proposer = result["tally"], result["proposer_id"]
    decided = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(result["decided_ms"] / 1000))
    return {
        "proposal": result["proposal"],
        "status": f"{result['status']} at height {result['height']}, {decided}",
        "weight": f"{tally['approve']} approve, {tally['reject']} reject, {tally['abstain']} abstain, "
        f"of {tally['total']}",
        "void": result["void"] and f"it changed nothing: {result['void']}",
        "subject": f"{result['subject']}, {result['action']}",
        "details": details_text(result["details"], names, short=False),
        "proposer": names.get(proposer, proposer),
    }


def details_text(details: Mapping[str, object], names: Names, short: bool) -> str:
    """Details on one line; what is null is left out, and of a certificate there is whom it is for."""
    parts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in details.items()}
    parts |= {name: names.get(part, part) for name, part in parts.items() if name in names_of_swarms(details)}
    if "certificate" in parts:
        parts["certificate"] = _named_in(parts["certificate"])
    if short:
        parts = {name: part if len(part) <= _SHOWN else f"{part[: _SHOWN - 1]}…" for name, part in parts.items()}
    return " ".join(f"{name}={part}" for name, part in parts.items() if part != "null")


def _named_in(certificate: str) -> str:
    """Whom a certificate says that it is for: it takes effect only if that is true. As it is, where it is none."""
    from consensus.certificates import peek_cert

    try:
        body = peek_cert(bytes.fromhex(certificate))
    except (ValueError, ZenmeshError):
        return certificate
    return f"{body.name} (project {body.project})"


def names_of_swarms(details: Mapping[str, object]) -> tuple[str, ...]:
    """Which of these details name a swarm."""
    return (*_NAMED, "target") if details.get("kind") == "swarm" else _NAMED


def is_swarm_id(text: str) -> bool:
    """Whether it is the id of a swarm, and no name."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def shown_id(text: str, short: bool) -> str:
    """An id in a table."""
    return f"{text[:_ID_SHOWN]}…" if short else text
