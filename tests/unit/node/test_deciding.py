"""Whole nodes whose queens govern: they admit, decide, go on without one, refuse alone, remember after a crash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from consensus.chain import Chain
from consensus.governance.proposals import Choice
from consensus.governance.tally import Status
from consensus.membership import MemberState
from mesh.protocol import proofs
from mesh.protocol.commands import (
    Failure,
    FailureKind,
    GetDecisions,
    GetProposals,
    Leave,
    Outcome,
    Propose,
    Success,
    Vote,
)
from mesh.protocol.config import NodeConfig, VotingPolicy
from mesh.protocol.effects import Send
from mesh.protocol.messages import BlockRecord, ChainBlocks, ChainRequest, Leaps
from mesh.protocol.outbox import Outbox, pack
from tests.support.governed import (
    NAMES,
    URGENT,
    decisions,
    everyone_at,
    proposals,
    propose,
    put_to_vote,
    refused,
    result,
    swarm_hex,
    town_of,
)
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.time import SECOND
from wire.types import MessageType


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_proposal_is_decided_and_its_proof_convinces_who_has_the_genesis(size: int) -> None:
    town = town_of(size)
    decided = result(propose(town, NAMES[size - 1]))
    assert (decided["status"], decided["void"]) == ("APPROVED", None)
    town.world.run_until(lambda: everyone_at(town, decided["height"]))
    assert len({node.context.chain.state_hash for node in town.nodes()}) == 1
    genesis = town.node("alpha").context.chain.genesis.raw
    for name in NAMES[:size]:
        document = result(town.world.ask(town[name], GetDecisions(proposal=decided["proposal"][:8])))
        proof: Any = document["proof"]
        rows = [(bytes.fromhex(row["block"]), bytes.fromhex(row["certificate"])) for row in proof]
        replayed = proofs.replay(genesis, rows)
        assert proofs.document(replayed, bytes.fromhex(decided["proposal"])) == document
        assert replayed.standing.priorities == {("task", "t1"): "critical"}


def test_the_queens_admit_whom_a_ticket_brings() -> None:
    town = town_of(3)
    chain = town.node("gamma").context.chain
    assert chain.governed
    assert [member.state for member in chain.members()] == [MemberState.ACTIVE] * 3


def test_more_than_one_may_vouch_for_are_admitted_by_vote() -> None:
    chain = town_of(5).node("beta").context.chain
    (admission,) = chain.standing.outcomes.values()
    assert (admission.proposal.body.action, admission.status) == ("admit", Status.APPROVED)


def test_what_the_queens_reject_changes_nothing() -> None:
    town = town_of(4, set_priority=Choice.REJECT)
    decided = result(propose(town, "beta"))
    assert (decided["status"], decided["tally"]["approve"]) == ("REJECTED", 0)
    assert town.node("alpha").context.chain.standing.priorities == {}


def test_operators_vote_where_no_policy_does() -> None:
    town = town_of(3, default=None)
    proposal = put_to_vote(town, "beta")
    for name in ("alpha", "gamma"):
        town.world.run_until(lambda name=name: proposals(town, name) == [proposal])
        vote = Vote(proposal=proposal[:8], choice="approve", reason="it is urgent")
        assert result(town.world.ask(town[name], vote))["choice"] == "APPROVE"
    town.world.run_until(lambda: decisions(town, "beta") == [(proposal, "APPROVED")])
    again = refused(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="reject")))
    assert again.kind is FailureKind.USAGE


def test_a_ballot_that_did_not_get_out_is_ordered_after_the_next_start() -> None:
    town = town_of(3, default=None)
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=URGENT, deadline_s=60)
    proposal = result(town.world.ask(town["beta"], command))["proposal"]
    town.world.run_until(lambda: proposals(town, "alpha") == [proposal] == proposals(town, "gamma"))
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    vote = Vote(proposal=proposal, choice="approve")
    assert result(town.world.ask(town["alpha"], vote))["choice"] == "APPROVE"
    town.world.crash(town["alpha"])
    town.world.heal()
    town.world.start(town["alpha"])
    town.world.run(10 * SECOND)
    again = refused(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="reject")))
    assert "a vote is final" in again.message
    assert result(town.world.ask(town["gamma"], vote))["choice"] == "APPROVE"
    town.world.run_until(lambda: decisions(town, "beta") == [(proposal, "APPROVED")])


def test_a_proposal_that_nobody_votes_on_expires() -> None:
    town = town_of(3, default=None)
    assert result(propose(town, "alpha"))["status"] == "EXPIRED"


def test_of_three_two_decide_and_the_one_alone_refuses_and_catches_up() -> None:
    town = town_of(3)
    town.world.partition([town["alpha"], town["gamma"]], [town["beta"]])
    town.world.run_until(lambda: refused_alone(town))
    decided = result(propose(town, "gamma"))
    assert decided["status"] == "APPROVED"
    assert town.node("beta").context.chain.height < decided["height"]
    town.world.heal()
    town.world.run_until(lambda: everyone_at(town, decided["height"]))


def refused_alone(town: Town) -> bool:
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=URGENT)
    outcome = town.world.ask(town["beta"], command)
    return isinstance(outcome, Failure) and outcome.kind is FailureKind.NO_QUORUM and "MINORITY" in outcome.message


def test_of_five_cut_in_two_and_three_nobody_decides() -> None:
    town = town_of(5)
    height = town.node("alpha").context.chain.height
    few, many = [town["alpha"], town["beta"]], [town["gamma"], town["delta"], town["epsilon"]]
    town.world.partition(few, many)
    town.world.run(10 * SECOND)
    states = {name: refused(propose(town, name)).message for name in ("alpha", "gamma")}
    assert "MINORITY" in states["alpha"]
    assert "DEGRADED" in states["gamma"]
    town.world.heal()
    decided = result(propose_when_quorate(town, "alpha"))
    assert (decided["status"], decided["height"]) == ("APPROVED", height + 1)


def propose_when_quorate(town: Town, name: str) -> Outcome:
    town.world.run(10 * SECOND)
    return propose(town, name)


def test_four_go_on_without_their_leader() -> None:
    town = town_of(4)
    leader = town.node("alpha").deciding.replica.leader().swarm
    gone = next(name for name in NAMES[:4] if swarm_hex(town, name) == leader.hex())
    town.world.crash(town[gone])
    proposer = next(name for name in NAMES[:4] if name != gone)
    assert result(propose(town, proposer))["status"] == "APPROVED"
    assert town.node(proposer).deciding.replica.view > 0
    town.world.start(town[gone])
    town.world.run_until(lambda: everyone_at(town, town.node(proposer).context.chain.height))


def test_a_member_is_expelled_and_reinstated() -> None:
    town = town_of(4)
    gone = swarm_hex(town, "delta")
    assert result(propose(town, "alpha", "expel", swarm=gone, reason="it lies"))["status"] == "APPROVED"
    chain = town.node("alpha").context.chain
    assert chain.member_by_name("delta") is None
    assert result(propose(town, "beta", "reinstate", swarm=gone, reason="mended"))["status"] == "APPROVED"
    town.world.run_until(lambda: state_of(chain, "delta") is MemberState.ACTIVE)
    assert chain.validators().rule.members == 4


def test_who_is_to_be_expelled_neither_votes_on_that_nor_counts() -> None:
    town = town_of(4, default=None)
    details = {"swarm": swarm_hex(town, "delta"), "reason": "it lies"}
    command = Propose(subject="FEDERATION_POLICY", action="expel", details=details)
    asked = str(result(town.world.ask(town["alpha"], command))["proposal"])
    town.world.run_until(lambda: all(len(node.context.chain.standing.open) == 1 for node in town.nodes()))
    failure = refused(town.world.ask(town["delta"], Vote(proposal=asked, choice="reject")))
    assert (failure.kind, "neither votes on its expulsion nor counts" in failure.message) == (
        FailureKind.REJECTED,
        True,
    )
    result(town.world.ask(town["beta"], Vote(proposal=asked, choice="approve")))
    town.world.run_until(lambda: bool(opened(town)["ballots"]))
    assert opened(town)["tally"] == {"approve": 1, "reject": 0, "abstain": 0, "total": 3}


def opened(town: Town) -> Mapping[str, Any]:
    """The one open proposal, as alpha shows it."""
    rows: Any = result(town.world.ask(town["alpha"], GetProposals()))["proposals"]
    (row,) = rows
    return dict(row)


def state_of(chain: Chain, name: str) -> MemberState | None:
    member = chain.member_by_name(name)
    return None if member is None else member.state


def test_a_member_leaves_and_the_rule_stays() -> None:
    town = town_of(4)
    assert isinstance(town.world.ask(town["delta"], Leave()), Success)
    chain = town.node("alpha").context.chain
    town.world.run_until(lambda: chain.member_by_name("delta") is None)
    assert (len(chain.members()), chain.validators().rule.members) == (3, 4)


def test_who_is_told_of_a_later_block_asks_for_those_before_it() -> None:
    town = town_of(3)
    context, greeting = town.node("beta").context, town.node("beta").greeting
    link = next(iter(context.links.members()))
    whole = context.chain
    *_, (block, certificate) = whole.all_blocks()
    news = ChainBlocks(height=whole.height, blocks=(BlockRecord(block=block, certificate=certificate),))
    context.chain = Chain.from_genesis(whole.genesis.raw)
    for missing in (True, False):
        out = Outbox()
        assert greeting.on_chain_blocks(link, news, out) is not missing
        asked = [effect.message for effect in out.effects if isinstance(effect, Send)]
        request = pack(MessageType.CHAIN_REQUEST, ChainRequest(from_height=1, leaps=Leaps.FAR))
        assert asked == ([request] if missing else [])
        for known, proof in whole.all_blocks()[:-1]:
            context.chain.append(known, proof)


def test_decisions_survive_that_all_crash() -> None:
    town = town_of(4)
    decided = result(propose(town, "gamma"))
    for name in NAMES[:4]:
        town.world.crash(town[name])
    for name in NAMES[:4]:
        town.world.start(town[name])
    town.world.run_until(lambda: len(town.nodes()) == 4 and everyone_at(town, decided["height"]))
    town.world.run(10 * SECOND)
    assert result(propose(town, "beta"))["height"] == decided["height"] + 1


def test_a_federation_of_before_is_handed_over_once_all_are_ready() -> None:
    town = Town(*NAMES[:3], config=CREATORS_RULE)
    town.form()
    chain = town.node("alpha").context.chain
    before = chain.federation_id, [member.name for member in chain.members()]
    assert not chain.governed
    town.config = NodeConfig(voting=VotingPolicy(default=Choice.APPROVE))
    for name in NAMES[:3]:
        town.world.stop(town[name])
        town.world.start(town[name])
    town.world.run_until(lambda: all(node.context.chain.governed for node in town.nodes()))
    chain = town.node("beta").context.chain
    assert (chain.federation_id, [member.name for member in chain.members()]) == before
    town.world.run(10 * SECOND)
    assert result(propose(town, "gamma"))["status"] == "APPROVED"


@pytest.mark.parametrize(
    ("subject", "action", "details", "why"),
    [
        ("PRIORITY_CHANGE", "dance", {}, "no action is called 'dance'"),
        ("FEDERATION_POLICY", "set_priority", URGENT, "is decided as PRIORITY_CHANGE"),
        ("PRIORITY_CHANGE", "set_priority", {**URGENT, "kind": "cat"}, r"Invalid enum value 'cat' - at `\$.kind`"),
        ("PRIORITY_CHANGE", "set_priority", {**URGENT, "colour": "red"}, "have no field 'colour'"),
        ("FEDERATION_POLICY", "set_parameter", {"name": "quorum", "value": "none"}, "quorum = 'none' does not fit"),
        ("FEDERATION_POLICY", "set_parameter", {"name": "gravity", "value": 1}, "no parameter is called 'gravity'"),
    ],
)
def test_what_breaks_its_schema_is_refused_with_the_field(
    subject: str, action: str, details: Mapping[str, object], why: str
) -> None:
    town = town_of(1)
    failure = refused(town.world.ask(town["alpha"], Propose(subject=subject, action=action, details=details)))
    assert failure.kind is FailureKind.USAGE
    assert re.search(why, failure.message), failure.message
