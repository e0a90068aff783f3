"""How members and the quorum are, in words for people."""

from __future__ import annotations

from typing import Any

# What a node may do, by the words of the published schema.
POWERS = {
    "decide": "decide",
    "promise": "promise to other swarms what needs no decision",
    "own": "write, and share what is written",
}


def health_text(health: dict[str, Any] | None, now_ms: float) -> str | None:
    """`failed for 2 min 5 s, by alpha, beta`; None for a member that nobody watches."""
    if health is None:
        return None
    words = str(health["state"])
    if health["since_ms"] is not None:
        words += f" for {duration_text(max(0.0, now_ms - health['since_ms']) / 1000)}"
    if health["accused_by"] and health["state"] != "active":  # who answers us has somebody's word against it, no more
        words += f", by {', '.join(health['accused_by'])}"
    return words


def quorum_facts(quorum: dict[str, Any], governed_by: str) -> dict[str, object]:
    """Rows for `facts`: the rule and how much is in reach, what that allows, and what would mend it. None where the
    creator governs: it decides alone, whoever is in reach."""
    if governed_by == "creator":
        return {}
    crashed, hostile = quorum["crash_faults_tolerated"], quorum["byzantine_faults_tolerated"]
    return {
        "quorum": f"{quorum['state']}: {quorum['reason']}",
        "rule": f"{quorum['rule']}: goes on with up to {crashed} crashed and {hostile} hostile member(s)",
        "it can": "; ".join(POWERS[power] for power in quorum["can"]),
        "to mend it": quorum["remedy"],
    }


def duration_text(seconds: float) -> str:
    """A duration for people: its two largest units."""
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return " ".join(parts[:2]) or "0 s"
