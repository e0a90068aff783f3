"""Homes of a version in which queens could not decide yet: they open, are the same, and come to govern themselves."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.protocol.commands import FailureKind
from tests.support.old_homes import WRITTEN, expected, unpack
from tests.support.processes import Federation, Home, agree, all_vote, zenmesh

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

URGENT = json.dumps({"kind": "task", "target": "t1", "priority": "critical"})
PROPOSAL = ("propose", "PRIORITY_CHANGE", "--action", "set_priority", "--details", URGENT)


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[list[Home]]:
    with Federation(tmp_path) as federation:
        federation.homes += unpack(tmp_path)
        yield federation.homes


@pytest.fixture
def aged(tmp_path: Path) -> Iterator[list[Home]]:
    """The homes, of which nobody took care for more than a year."""
    with Federation(tmp_path) as federation:
        federation.homes += unpack(tmp_path, days=400)
        yield federation.homes


def start(home: Home, *others: Home) -> Home:
    """Run a node that is told where others are: on one loopback their old addresses mean nothing."""
    return home.run(*(word for other in others for word in ("--bootstrap", other.addresses()[0])))


def is_as_it_was(home: Home, newcomer: str | None = None) -> None:
    """The same federation with the same members, but for one, and all that was ever written."""
    told, status = expected(), home.status()
    assert status["federation_id"] == told["federation_id"]
    rows = [row for row in status["members"] if row["swarm"] != newcomer]
    members = {row["swarm"]: {name: row[name] for name in ("peer_id", "swarm_id")} for row in rows}
    assert members == told["members"]
    assert {row["swarm"]: row["term"] for row in rows} == {"alpha": 1, "beta": 2, "gamma": 1}
    assert {key: home.get(key) for key in WRITTEN} == WRITTEN


def governed(home: Home) -> None:
    home.wait_until(all_vote, "the queens to govern, each with a vote")


def decide(home: Home, *voters: Home) -> str:
    """Propose something, have these operators say yes, and see that everyone knows it to be decided; its id."""
    proposal = home.cli(*PROPOSAL, "--deadline", "10m").json["proposal"]
    for voter in voters:
        voter.wait_until(lambda status: status["consensus"]["open_proposals"] == 1, "the proposal")
        voter.cli("vote", proposal, "approve")
    for one in (home, *voters):
        one.wait_until(lambda _, one=one: decisions(one) == {proposal: "APPROVED"}, "the decision")
    return str(proposal)


def hand_over(homes: list[Home]) -> None:
    """All start, the creator first, and govern themselves; what they were is still theirs."""
    creator, *others = homes
    start(creator).wait_until(lambda status: status["addresses"], "its address")
    for home in others:
        start(home, creator)
    for home in homes:
        governed(home)
        is_as_it_was(home)


def ends(home: Home) -> list[str]:
    """What a node warns of certificates."""
    return [line for line in home.status()["warnings"] if "certificate" in line]


def decisions(home: Home) -> dict[str, str]:
    rows: list[dict[str, Any]] = home.call("decisions")["decisions"]
    return {row["proposal"]: row["status"] for row in rows}


@pytest.mark.parametrize("number", [0, 1, 2], ids=["alpha", "beta", "gamma"])
def test_each_opens_alone(homes: list[Home], number: int) -> None:
    home = homes[number]
    start(home).wait_until(lambda status: status["height"] > 0, "its node")
    is_as_it_was(home)
    handover = home.status()["consensus"]["handover"]
    others = "waiting for beta, gamma to be ready"  # of whom one is enough, after a minute
    assert handover["reason"] == (others if number == 0 else "waiting for alpha to hand over, which is out of reach")


def test_all_hand_themselves_over_and_decide(homes: list[Home]) -> None:
    alpha, beta, gamma = homes
    hand_over(homes)
    decide(gamma, alpha, beta)
    for home in homes:
        assert home.stop() == 0
    start(beta).wait_until(lambda status: status["addresses"], "its address")
    start(gamma, beta).wait_until(all_vote, "two of three to go on")
    is_as_it_was(gamma)
    assert len(decisions(gamma)) == 1


def test_while_the_creator_is_down_the_others_work_and_say_whom_they_wait_for(homes: list[Home]) -> None:
    alpha, beta, gamma = homes
    start(beta).wait_until(lambda status: status["addresses"], "its address")
    start(gamma, beta)
    for home in (beta, gamma):
        home.wait_ready()
        is_as_it_was(home)
        shown = home.cli_text("status")
        assert "by its creator alone; waiting for alpha to hand over, which is out of reach: start its node" in shown
    beta.put("meanwhile", "by beta", replicated=True)
    gamma.wait_for("meanwhile", {"beta": "by beta"})
    refused = gamma.cli(*PROPOSAL, check=False)
    assert refused.code == FailureKind.REJECTED
    assert "the creator still governs; waiting for alpha to hand over" in refused.json["error"]["message"]
    start(alpha, beta)
    for home in homes:
        governed(home)
        home.wait_for("meanwhile", {"beta": "by beta"})
    decide(beta, alpha, gamma)
    agree(homes)


def test_members_whose_certificates_ended_before_have_time_to_renew(aged: list[Home]) -> None:
    """All were past their ends, which nobody had enforced: the handover takes nobody's vote."""
    alpha, beta, gamma = aged
    hand_over(aged)
    decide(gamma, alpha, beta)
    assert all(all_vote(home.status()) for home in aged), "what had ended would be ordered before a decision is"
    mends = "`zenmesh renew` with the root key"
    others = [row["swarm"] for row in beta.status()["members"] if row["swarm"] != "beta"]
    mine, *theirs = ends(beta)
    assert mine == f"the certificate of this swarm ends in 30 day(s): {mends}"
    assert theirs == [f"the certificate of {one} ends in 30 day(s): its operator runs {mends}" for one in others]
    assert beta.cli("renew").json["state"] == "ACTIVE"
    beta.wait_until(lambda _: ends(beta) == theirs, "its renewal")


# the creator is lost


@pytest.fixture
def four(homes: list[Home]) -> list[Home]:
    """The three, and delta, which alpha let in before it came to an end; none of them runs."""
    alpha, beta, gamma = homes
    start(alpha.configure(govern=False)).wait_until(lambda status: status["addresses"], "its address")
    delta = Home(alpha.directory.with_name("delta"), "delta", alpha.launch).init(project="elders")
    homes.append(delta)
    start(delta).wait_until(lambda status: status["addresses"], "its address")
    delta.call("join", {"ticket": alpha.invite()})  # to its node, which has the clock of the others
    for home in (beta, gamma):
        start(home, alpha)
    for home in homes:
        home.wait_until(lambda status: [row["state"] for row in status["members"]] == ["ACTIVE"] * 4, "delta")
        home.wait_ready()
    delta.put("later", "by delta", replicated=True)
    agree(homes)
    for home in homes:
        assert home.stop() == 0
    return homes


def carry(request: Path, *signers: Home) -> list[str]:
    """Have root keys sign, each where it is kept; the files with the signatures."""
    files: list[str] = []
    for home in signers:
        key, file = home.directory / "keys" / "root.key", request.with_name(f"{home.name}.signed")
        zenmesh("takeover", "sign", str(request), "--root-key", str(key), "--output", str(file))
        files.append(str(file))
    return files


def test_root_keys_replace_a_creator_that_is_lost(four: list[Home], tmp_path: Path) -> None:
    alpha, beta, gamma, delta = four
    shutil.rmtree(alpha.directory)
    start(beta).wait_until(lambda status: status["addresses"], "its address")
    others = [beta, start(gamma, beta), start(delta, beta)]
    for home in others:
        home.wait_ready()
    ready = ["beta", "delta", "gamma"]
    beta.wait_until(lambda _: beta.call("takeover/request")["supporters"] == ready, "all to be ready")
    assert "where it is lost for good, 3 of 4 root keys take over: `zenmesh takeover request`" in beta.cli_text(
        "status"
    )
    request = tmp_path / "takeover.request"
    beta.cli("takeover", "request", "--output", str(request))
    files = carry(request, *others)
    few = gamma.cli("takeover", "submit", *files[1:], check=False)
    assert few.code == FailureKind.NO_QUORUM
    assert gamma.cli("takeover", "submit", *files).json["voters"] == ready
    for home in others:
        home.wait_until(
            lambda status: status["consensus"]["governed_by"] == "queens" and status["consensus"]["voting"],
            "its vote",
        )
        is_as_it_was(home, newcomer="delta")
        home.wait_for("later", {"delta": "by delta"})
    decision = decide(delta, beta, gamma)
    agree(others)
    proof, genesis = (str(tmp_path / name) for name in ("decision.json", "genesis"))
    beta.cli("decisions", "--id", decision, "--output", proof)
    beta.cli("federation", "genesis", "--out", genesis)
    assert "decision.json holds." in zenmesh("verify", proof, "--genesis", genesis).out
    for home in others:
        home.kill()
    start(beta).wait_until(lambda status: status["addresses"], "its address")
    for home in (start(gamma, beta), start(delta, beta), beta):
        home.wait_until(lambda status: status["consensus"]["voting"], "its vote after a power cut")
        assert len(decisions(home)) == 1
