"""Real nodes far behind: one that was away for long, and one that joins late, leap to a checkpoint and go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootstrap.home import read_genesis
from bootstrap.verifying import verify
from mesh.protocol.config import NodeConfig
from tests.support.processes import Federation, Home, agree

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

NAMES = ("alpha", "beta", "gamma")


def decide(home: Home, until_height: int) -> None:
    """Proposals by the control socket, as many as it takes: a command for each would take minutes."""
    number = 0
    while home.call("status")["height"] < until_height:
        for _ in range(8):
            number += 1
            details = {"kind": "task", "target": f"t{number}", "priority": "high"}
            home.call(
                "propose",
                {
                    "subject": "PRIORITY_CHANGE",
                    "action": "set_priority",
                    "details": details,
                    "deadline_s": 60,
                    "wait": True,
                },
            )


def outcomes(home: Home) -> list[tuple[str, str]]:
    return [(row["proposal"], row["status"]) for row in home.call("decisions")["decisions"]]


def test_one_that_was_away_and_one_that_joins_late_catch_up_by_a_checkpoint(tmp_path: Path) -> None:
    enough = NodeConfig().leap_from + 2 * NodeConfig().checkpoint_every
    with Federation(tmp_path) as federation:
        alpha, beta, gamma = federation.govern(*NAMES, default="approve")
        gamma.stop()
        decide(alpha, enough)
        gamma.run()
        late = federation.home("delta").init()
        late.configure(govern=True, voting={"default": "approve"})
        late.cli("join", beta.invite())
        late.run()
        height = alpha.call("status")["height"]
        for home in (gamma, late):
            home.wait_until(lambda status: status["height"] >= height, "the height of the others")
            assert home.call("status")["counters"]["leaps"] == 1, "not every block was replayed"
        late.wait_until(lambda status: status["consensus"]["voting"], "a vote of its own")
        told = json.loads(late.cli("propose", *_URGENT, "--wait").out)
        for home in (alpha, gamma):
            agree([home, late])
            assert outcomes(home) == outcomes(late), "to the last one that is remembered"
        genesis = tmp_path / "genesis"
        alpha.cli("federation", "genesis", "--out", str(genesis))
        assert verify((json.dumps(told, ensure_ascii=False) + "\n").encode(), read_genesis(genesis)).document == told
        assert len(told["proof"]) < told["height"], "it leaps over most of the chain"
        gamma.kill()
        gamma.run()
        gamma.wait_until(lambda status: status["lifecycle"] == "OPERATIONAL", "gamma, by what is on its disk")
        assert gamma.call("status")["height"] >= height


_URGENT = (
    "PRIORITY_CHANGE",
    "--action",
    "set_priority",
    "--details",
    json.dumps({"kind": "task", "target": "last", "priority": "critical"}),
)
