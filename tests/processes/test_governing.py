"""Queens of real nodes decide: by policy, by hand, by a program; without one of them, and never one alone."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bootstrap.home import read_genesis
from bootstrap.verifying import NotProven, verify
from mesh.protocol.commands import FailureKind
from tests.support.commands import conforms
from tests.support.processes import Federation, Home, Ran, Status, agree, patiently, zenmesh

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

FLIPS = 150
NAMES = ("alpha", "beta", "gamma", "delta")
SECRET = "a-token-of-the-operator"


def propose(home: Home, *options: str, target: str = "t1", check: bool = True) -> Ran:
    """`zenmesh propose`, to make a task urgent."""
    details = json.dumps({"kind": "task", "target": target, "priority": "critical"})
    return home.cli(
        "propose", "PRIORITY_CHANGE", "--action", "set_priority", "--details", details, *options, check=check
    )


def answers(home: Home) -> float:
    """How many answers its hook gave; two of three queens may have decided before the third one's has said a word."""
    counted = home.metrics()
    return counted.get("hook_votes_total", 0) + counted.get("hook_overtaken_total", 0)


def statuses(home: Home) -> dict[str, str]:
    """What this node knows to be decided."""
    rows: list[dict[str, Any]] = home.call("decisions")["decisions"]
    return {row["proposal"]: row["status"] for row in rows}


def states(home: Home) -> dict[str, str]:
    return {row["swarm"]: row["state"] for row in home.call("members")["members"]}


def health(status: Status, name: str) -> dict[str, Any]:
    """A member's health, as a status shows it."""
    (found,) = (row["health"] for row in status["members"] if row["swarm"] == name)
    return dict(found)


def wait_for(home: Home, proposal: str, status: str) -> None:
    home.wait_until(lambda _: statuses(home).get(proposal) == status, f"{proposal} to be {status}")


def test_four_decide_and_what_they_decided_holds_for_anyone(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES, default="approve")
        printed = propose(homes[3], "--wait").out
        decided = json.loads(printed)
        conforms(decided, "propose")
        assert (decided["status"], decided["tally"]["total"]) == ("APPROVED", 4)
        for home in homes:
            wait_for(home, decided["proposal"], "APPROVED")
        genesis = tmp_path / "genesis"
        homes[0].cli("federation", "genesis", "--out", str(genesis))
        files = {home: tmp_path / f"{home.name}.json" for home in (homes[1], homes[3])}
        for home, file in files.items():
            home.cli("decisions", "--id", decided["proposal"][:8], "--output", str(file))
    assert files[homes[3]].read_text() == printed
    for file in files.values():  # each with the certificates that its node has seen: any quorum will do
        ran = zenmesh("verify", str(file), "--genesis", str(genesis), "--json", env={"ZENMESH_HOME": "/nowhere"})
        conforms(ran.json, "verify")
        assert (ran.json["status"], ran.json["proposer"], len(ran.json["signers"])) == ("APPROVED", "delta", 3)
    no_byte_can_be_another(printed.encode(), genesis, tmp_path / "flipped.json")


def no_byte_can_be_another(text: bytes, genesis: Path, file: Path) -> None:
    random, raw = Random(3), read_genesis(genesis)
    for number in range(FLIPS):
        changed = bytearray(text)
        changed[random.randrange(len(text))] ^= 1 << random.randrange(8)
        with pytest.raises(NotProven):
            verify(bytes(changed), raw)
        if number < 3:
            file.write_bytes(changed)
            assert zenmesh("verify", str(file), "--genesis", str(genesis), check=False).code == 1


def test_of_three_two_go_on_without_the_one_that_was_killed_and_one_alone_refuses(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        alpha, beta, gamma = federation.govern(*NAMES[:3], default="approve")
        port = gamma.addresses()[0].split("/p2p/")[0]
        gamma.kill()
        for home in (alpha, beta):
            home.wait_until(lambda status: health(status, "gamma")["state"] == "failed", "gamma to be failed")
            seen = health(home.status(), "gamma")
            assert (seen["accused_by"], seen["since_ms"] <= time.time() * 1000) == (["alpha", "beta"], True)
            assert home.metrics()["node_members_failed"] == 1
            assert home.status()["quorum"]["can"] == ["decide", "promise", "own"]
        first = propose(alpha, "--wait").json
        second = propose(beta, "--wait", target="t2").json
        assert [first["status"], second["status"]] == ["APPROVED", "APPROVED"]
        beta.kill()
        alpha.wait_until(lambda status: status["quorum"]["state"] == "MINORITY", "being alone")
        for refused in (propose(alpha, check=False), propose(alpha, "--wait", check=False)):
            error = refused.json["error"]
            assert (refused.code, error["code"], error["kind"]) == (FailureKind.NO_QUORUM, 5, "no_quorum")
            assert "1 of 3 weight is in reach and a decision takes 2: waiting for " in error["message"]
            assert "start their nodes or mend the network: see `zenmesh peers`" in error["message"]
        alone = alpha.cli("members").json
        conforms(alone, "members")
        assert alone["quorum"]["can"] == ["own"]
        alpha.put("alone", 1)
        gamma.run(listen=[port])
        wait_for(gamma, second["proposal"], "APPROVED")
        alpha.wait_until(lambda status: status["quorum"]["state"] == "QUORATE", "two in reach")
        gamma.wait_until(lambda status: status["consensus"]["voting"], "gamma's vote")
        third = propose(gamma, "--wait", target="t3").json
        assert third["height"] > second["height"]
        agree([alpha, gamma])


def test_operators_decide_where_no_policy_does(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        alpha, beta, gamma = federation.govern(*NAMES[:3])
        proposal = propose(alpha, "--deadline", "10m").json["proposal"]
        gamma.wait_until(lambda status: status["consensus"]["open_proposals"] == 1, "the proposal")
        assert gamma.cli("proposals").json["proposals"][0]["proposal"] == proposal
        beta.cli("vote", proposal[:8], "approve", "--reason", "it is urgent")
        beta.kill()
        beta.run()
        assert statuses(alpha) == {}
        gamma.cli("vote", proposal[:8], "approve")
        for home in (alpha, gamma, beta):
            wait_for(home, proposal, "APPROVED")
        late = beta.cli("vote", proposal[:8], "reject", check=False)
        assert (late.code, "(it is APPROVED)" in late.json["error"]["message"]) == (FailureKind.USAGE, True)
        expired = propose(gamma, "--deadline", "1s", "--wait", check=False)
        assert (expired.code, expired.json["status"]) == (FailureKind.REJECTED, "EXPIRED")


HOOK = """
import json, os, sys
asked = json.load(sys.stdin)
print(os.environ["TOKEN"], file=sys.stderr)
if asked["details"]["target"] == "broken":
    sys.exit("it breaks")
choice = "reject" if asked["details"]["target"] == "bad" else "approve"
print(json.dumps({"choice": choice, "reason": asked["proposer"] + " asks"}))
"""


def test_a_program_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    script = tmp_path / "judge.py"
    script.write_text(HOOK)
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES[:3], hook=[sys.executable, str(script), SECRET], hook_timeout_s=20)
        assert propose(homes[0], "--wait").json["status"] == "APPROVED"
        rejected = propose(homes[1], "--wait", target="bad", check=False)
        assert (rejected.code, rejected.json["status"]) == (FailureKind.REJECTED, "REJECTED")
        broken = propose(homes[2], "--deadline", "10m", target="broken").json["proposal"]
        for home in homes:
            home.wait_until(
                lambda status: any("voting.hook failed 1 time" in w for w in status["warnings"]), "a failure"
            )
            home.wait_until(lambda _, home=home: answers(home) == 2, "two answers")
            assert home.metrics()["hook_failures_total"] == 1
        for home in homes[:2]:
            home.call("vote", {"proposal": broken, "choice": "approve"})
        wait_for(homes[2], broken, "APPROVED")
        for home in homes:
            assert home.stop() == 0
            told = home.log_path.read_text()
            assert f"proposal {broken} is left to `zenmesh vote`: voting.hook: it ended with 1" in told
            assert SECRET not in told


def test_a_program_that_is_not_there_keeps_the_node_from_starting(tmp_path: Path) -> None:
    home = Home(tmp_path / "alpha", "alpha").init().configure(voting={"hook": ["/no/such/judge", "--verbose"]})
    home.create_federation()
    ran = home.cli("run", check=False)
    assert ran.code == FailureKind.USAGE
    assert "voting.hook = '/no/such/judge': no program that this user can run" in ran.json["error"]["message"]


def test_a_member_is_sent_away_and_taken_back_and_goes(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES, default="approve")
        alpha, delta = homes[0], homes[3]
        expelled = alpha.cli("expel", "delta", "--reason", "it lies", "--wait")
        conforms(expelled.json, "expel")
        assert (expelled.json["status"], states(alpha)["delta"]) == ("APPROVED", "EXPELLED")
        delta.wait_until(lambda status: "have expelled this swarm" in str(status["read_only"]), "to know it")
        assert delta.cli("memory", "put", "k", "1", check=False).code == FailureKind.REJECTED
        alpha.cli("reinstate", "delta", "--reason", "it was a mistake", "--wait")
        for _ in patiently(40.0):
            if states(alpha)["delta"] == "ACTIVE":
                break
        delta.wait_until(lambda status: not status["read_only"] and status["consensus"]["voting"], "its vote", 40.0)
        assert propose(delta, "--wait").json["tally"]["total"] == 4
        left = delta.cli("leave")
        conforms(left.json, "leave")
        assert (left.json["state"], states(delta)["delta"]) == ("LEFT", "LEFT")
        for home in homes[:3]:
            home.wait_until(lambda _, home=home: states(home)["delta"] == "LEFT", "three members")
        assert propose(alpha, "--wait", target="t2").json["tally"]["total"] == 3
