"""What `propose`, `expel` and `reinstate` share: from the command line to a proposal, and on to its decision."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from bootstrap.cli.asking import Result, client_to, hand_over
from bootstrap.cli.decision_text import Names, decision_facts, is_swarm_id, names_in, names_of_swarms
from mesh.api.client import CallFailed, Client
from mesh.protocol.commands import FailureKind
from wire.errors import NoQuorum, NotRunning, UsageError

GRACE_S = 30.0  # after the deadline; then nobody is there who could close it
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25

OPEN = "OPEN"
APPROVED = "APPROVED"


@dataclass(frozen=True, slots=True)
class Asked:
    """A proposal that is on the chain."""

    client: Client
    proposal: str
    height: int
    deadline_s: int

    @classmethod
    def of(cls, home: str | None, subject: str, action: str, details: Mapping[str, object], deadline_s: int) -> Asked:
        """Propose it. Raises NotRunning, CallFailed, ConfigError."""
        client = client_to(home)
        fields = {"subject": subject, "action": action, "details": details, "deadline_s": deadline_s}
        taken = client.call("propose", fields)
        return cls(client, str(taken["proposal"]), int(taken["height"]), deadline_s)

    def opened(self) -> dict[str, Any]:
        """What is known of it so far."""
        return {"proposal": self.proposal, "status": OPEN, "height": self.height}


def await_decision(asked: Asked) -> dict[str, Any]:
    """The decision, with its proof.

    Raises:
        NoQuorum: the deadline has passed, and nobody could close it.
        NotRunning: the node has gone; the proposal goes on without it.
    """
    if sys.stderr.isatty():
        print(f"proposed {asked.proposal}: waiting for the queens", file=sys.stderr)
    deadline = time.monotonic() + asked.deadline_s + GRACE_S
    pause = _FIRST_PAUSE_S
    look = f"`zenmesh decisions --id {asked.proposal}` shows what becomes of it"
    while True:
        try:
            return asked.client.call("decisions", {"proposal": asked.proposal})
        except NotRunning as error:
            raise NotRunning(f"{error}; proposal {asked.proposal} may be decided all the same: {look}") from None
        except CallFailed as error:
            if error.kind is not FailureKind.USAGE:  # not decided yet
                raise
        if time.monotonic() >= deadline:
            why = "too few members could be reached in time"
            raise NoQuorum(f"proposal {asked.proposal} is not decided: {why}; {look}", 5.0)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def tell_decision(asked: Asked, wait: bool, as_json: bool) -> int:
    """Hand over what came of it, so far or in the end; the exit code says whether it is done, or asked for."""
    result = await_decision(asked) if wait else asked.opened()
    hand_over(result, as_json, lambda result: _show(result, names_in(asked.client)))
    done = result["status"] in (OPEN, APPROVED) and not result.get("void")
    return 0 if done else int(FailureKind.REJECTED)


def _show(result: Result, names: Names) -> None:
    from bootstrap.console import facts, say

    if result["status"] == OPEN:
        say(f"proposed {result['proposal']}: `zenmesh proposals` shows how it stands")
    else:
        facts(decision_facts(result, names))


def details_of(home: str | None, text: str) -> dict[str, object]:
    """The details in `text`, with ids in the place of names. Raises UsageError."""
    try:
        details = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f'--details is not JSON ({error}); quote it for the shell: \'{{"kind": "task"}}\'') from None
    if not isinstance(details, dict):
        raise UsageError('--details is a JSON object, such as \'{"kind": "task"}\'')
    swarms = names_of_swarms(details)
    named = {name: value for name, value in details.items() if name in swarms and isinstance(value, str)}
    if any(not is_swarm_id(value) for value in named.values()):
        rows = client_to(home).call("members")["members"]
        details |= {name: swarm_id(rows, value) for name, value in named.items()}
    return details


def swarm_id(rows: list[dict[str, Any]], swarm: str, *states: str) -> str:
    """The id of the swarm that is called so, or has this id; of those in `states`, if any are named.

    Raises:
        UsageError: no swarm, or several.
    """
    if is_swarm_id(swarm):
        return swarm
    called = [row for row in rows if row["swarm"] == swarm]
    fitting = [row for row in called if not states or row["state"] in states]
    belonging = [row for row in fitting if row["state"] not in ("LEFT", "EXPELLED")]
    chosen = belonging or fitting
    if len(chosen) == 1:
        return str(chosen[0]["swarm_id"])
    if len(chosen) > 1:
        ids = ", ".join(row["swarm_id"] for row in chosen)
        raise UsageError(f"{len(chosen)} swarms were called {swarm!r}: name one by its id ({ids})")
    if called:
        raise UsageError(f"{swarm} is {called[0]['state']}: this is for who is {' or '.join(states)}")
    raise UsageError(f"no swarm is called {swarm!r}: `zenmesh members` lists them")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
