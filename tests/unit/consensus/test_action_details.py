"""Details of actions: each field within its bounds, at the bound and beyond it, and named where it does not fit."""

from __future__ import annotations

import re

import pytest

from consensus.governance.actions import ACTIONS, check_details
from tests.support.realm import swarm
from wire.errors import UsageError

DAY_MS = 86_400_000
BETA = swarm("beta").hex()

GOOD: dict[str, dict[str, object]] = {
    "allocate_agents": {"lender": BETA, "borrower": BETA, "agent_type": "coder", "count": 1, "duration_ms": 1},
    "preempt_lease": {"lease": "ab"},
    "set_priority": {"kind": "task", "target": "t1", "priority": "high"},
    "admit": {"certificate": "ab"},
    "expel": {"swarm": BETA, "reason": ""},
    "reinstate": {"swarm": BETA, "reason": ""},
    "set_weight": {"swarm": BETA, "weight": 1},
    "set_parameter": {"name": "admission", "value": "open"},
    "set_policy": {},
    "set_protocol_version": {"version": 2},
}

# (action, field, what fits, what does not)
BOUNDS: list[tuple[str, str, list[object], list[object]]] = [
    ("allocate_agents", "lender", [BETA], [BETA.upper(), BETA[:-1], BETA + "ab", BETA + "\n", "", 1, None]),
    ("allocate_agents", "borrower", [BETA], [BETA[:-1], None]),
    ("allocate_agents", "agent_type", ["x", "x" * 64], ["", "x" * 65, 1]),
    ("allocate_agents", "count", [1, 1000], [0, 1001, True, "1"]),
    ("allocate_agents", "duration_ms", [1, 30 * DAY_MS], [0, 30 * DAY_MS + 1]),
    ("allocate_agents", "priority", ["low", "normal", "high", "critical"], ["urgent", 1]),
    ("preempt_lease", "lease", ["ab", "ab" * 20_000], ["", "a", "AB", "ab" * 20_001, "ab\n"]),
    ("preempt_lease", "reason", ["", "x" * 512], ["x" * 513]),
    ("set_priority", "kind", ["task", "lease", "swarm"], ["agent"]),
    ("set_priority", "target", ["x", "x" * 128], ["", "x" * 129]),
    ("set_priority", "priority", ["low"], ["lower"]),
    ("admit", "certificate", ["ab", "ab" * 20_000], ["", "abc", "ab" * 20_001]),
    ("admit", "inviter", [None, BETA], ["beta"]),
    ("expel", "swarm", [BETA], ["beta"]),
    ("expel", "reason", ["x" * 512], ["x" * 513, None]),
    ("reinstate", "swarm", [BETA], ["beta"]),
    ("reinstate", "reason", ["x" * 512], ["x" * 513]),
    ("set_weight", "swarm", [BETA], ["beta"]),
    ("set_weight", "weight", [1, 1_000_000], [0, 1_000_001]),
    ("set_policy", "swarm", [None, BETA], ["beta"]),
    ("set_policy", "max_agents", [None, 0, 100_000], [-1, 100_001]),
    ("set_policy", "max_duration_ms", [None, 1, 30 * DAY_MS], [0, 30 * DAY_MS + 1]),
    ("set_policy", "allowed_types", [None, [], ["x"] * 64], [["x"] * 65, [""], "coder"]),
    ("set_policy", "read", [True, False], [1, None]),
    ("set_policy", "write", [True, False], [0, None]),
    ("set_protocol_version", "version", [1, 1 << 31], [0, (1 << 31) + 1]),
]
FITS = [(action, field, value) for action, field, fits, _ in BOUNDS for value in fits]
TOO_MUCH = [(action, field, value) for action, field, _, bad in BOUNDS for value in bad]


def short(value: object) -> str:
    return f"{value!r:.20}"


@pytest.mark.parametrize(("action", "field", "value"), FITS, ids=short)
def test_a_field_that_fits(action: str, field: str, value: object) -> None:
    check_details(ACTIONS[action].subject, action, {**GOOD[action], field: value})


@pytest.mark.parametrize(("action", "field", "value"), TOO_MUCH, ids=short)
def test_a_field_that_does_not_fit_is_named(action: str, field: str, value: object) -> None:
    with pytest.raises(UsageError, match=rf"`\$\.{field}"):
        check_details(ACTIONS[action].subject, action, {**GOOD[action], field: value})


TOLD = {
    "allocate_agents": "lender, borrower, agent_type, count, duration_ms, [priority (low, normal, high, critical)]",
    "preempt_lease": "lease, [reason]",
    "set_priority": "kind (task, lease, swarm), target, priority (low, normal, high, critical)",
    "admit": "certificate, [inviter]",
    "expel": "swarm, reason",
    "reinstate": "swarm, reason",
    "set_weight": "swarm, weight",
    "set_parameter": "name, value",
    "set_policy": "[swarm], [max_agents], [max_duration_ms], [allowed_types], [read], [write]",
    "set_protocol_version": "version",
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("wrong", [{"colour": 1}, {"reason": 7, "swarm": 7, "name": 7}], ids=["unknown", "misfit"])
def test_who_gets_details_wrong_is_told_what_they_are(action: str, wrong: dict[str, object]) -> None:
    known = {name: value for name, value in wrong.items() if name in TOLD[action]} or {"colour": 1}
    with pytest.raises(UsageError, match=re.escape(f"they are {TOLD[action]}") + r"\Z"):
        check_details(ACTIONS[action].subject, action, known)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("quorum", "none", "quorum = 'none' does not fit: Invalid enum value 'none' (auto, byzantine)"),
        ("admission", "all", "admission = 'all' does not fit: Invalid enum value 'all' (ticket, vote, open)"),
        ("entries_per_owner", "many", "entries_per_owner = 'many' does not fit: Expected `int`, got `str`"),
    ],
)
def test_who_gets_a_parameter_wrong_is_told_what_it_takes(name: str, value: object, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why) + r"\Z"):
        check_details(ACTIONS["set_parameter"].subject, "set_parameter", {"name": name, "value": value})


@pytest.mark.parametrize("action", ACTIONS)
def test_each_field_that_is_needed_is_missed(action: str) -> None:
    check_details(ACTIONS[action].subject, action, GOOD[action])
    for field in GOOD[action]:
        rest = {name: value for name, value in GOOD[action].items() if name != field}
        with pytest.raises(UsageError, match=f"missing required field `{field}`"):
            check_details(ACTIONS[action].subject, action, rest)
