"""Ballots of whole nodes: one for a proposal and term, durable, sent until it counts, and only by who has a vote."""

from __future__ import annotations

import pytest

from consensus.governance.proposals import Choice
from consensus.membership import MemberState
from consensus.tickets import parse_ticket
from mesh.protocol.commands import FailureKind, Propose, Vote
from mesh.protocol.config import NodeConfig, VotingPolicy
from mesh.protocol.effects import RecordKind, Send
from mesh.protocol.intent import JoinIntent
from tests.support.governed import URGENT, decisions, proposals, propose, put_to_vote, refused, result, town_of
from tests.support.small_swarms import Swarm, Town
from tests.support.small_world import Host
from wire.errors import Overloaded
from wire.frame import unpack_message
from wire.ids import PeerId
from wire.time import SECOND
from wire.types import MessageType


def undecided(size: int = 3) -> tuple[Town, str]:
    """A town without policy, and the id of a proposal that everyone knows."""
    town = town_of(size, default=None)
    proposal = put_to_vote(town, "beta")
    town.world.run_until(lambda: all(len(node.context.chain.standing.open) == 1 for node in town.nodes()))
    return town, proposal


def counted(town: Town, proposal: str) -> dict[str, str]:
    """Names and choices of the ballots on the chain, as alpha has it."""
    context = town.node("alpha").context
    entry = context.chain.standing.open[bytes.fromhex(proposal)]
    return {context.name_of(swarm): choice.name for swarm, choice in entry.ballots.items()}


def test_a_ballot_that_a_crash_kept_at_home_is_sent_after_the_restart() -> None:
    town, proposal = undecided()
    leader = town.node("alpha").deciding.replica.leader().swarm
    voter = next(node.context.me.name for node in town.nodes() if node.context.me.swarm != leader)
    result(town.world.ask(town[voter], Vote(proposal=proposal, choice="reject")))
    town.world.crash(town[voter])
    town.world.run(5 * SECOND)
    town.world.start(town[voter])
    town.world.run_until(lambda: voter in counted(town, proposal))
    assert counted(town, proposal) == {voter: "REJECT"}


def test_a_vote_is_final_and_saying_it_again_is_no_fault() -> None:
    town, proposal = undecided()
    for _ in range(2):
        assert result(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="approve")))["choice"] == "APPROVE"
        town.world.run(SECOND)
    failure = refused(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="reject")))
    assert (failure.kind, "has voted APPROVE" in failure.message) == (FailureKind.REJECTED, True)
    assert counted(town, proposal) == {"alpha": "APPROVE"}


@pytest.mark.parametrize(
    ("proposal", "choice", "why"),
    [
        (None, "perhaps", "'perhaps' is no choice: approve, reject or abstain"),
        ("ffff", "approve", "no proposal that is open begins with 'ffff'"),
        ("", "approve", "no proposal that is open begins with ''"),
    ],
)
def test_a_vote_that_cannot_be_is_refused(proposal: str | None, choice: str, why: str) -> None:
    town, opened = undecided()
    command = Vote(proposal=opened if proposal is None else proposal, choice=choice)
    failure = refused(town.world.ask(town["alpha"], command))
    assert (failure.kind, why in failure.message) == (FailureKind.USAGE, True), failure


def test_a_ballot_for_which_there_is_no_room_leaves_the_choice_open(monkeypatch: pytest.MonkeyPatch) -> None:
    town, proposal = undecided()
    node = town.node("alpha")

    def full(*_: object) -> None:
        raise Overloaded("too many transactions wait")

    with monkeypatch.context() as patched:
        patched.setattr(node.deciding, "submit", full)
        failure = refused(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="approve")))
    assert failure.kind is FailureKind.REJECTED
    assert RecordKind.BALLOT not in [kind for kind, _ in town["alpha"].disk.records]
    result(town.world.ask(town["alpha"], Vote(proposal=proposal, choice="reject")))
    assert node.voting.records() == [body for kind, body in town["alpha"].disk.records if kind == RecordKind.BALLOT]


def test_no_policy_votes_before_its_node_may_sign() -> None:
    town, proposal = undecided()
    town.world.crash(town["alpha"])
    town.config = NodeConfig(voting=VotingPolicy(default=Choice.APPROVE))
    town.world.start(town["alpha"])
    assert town.node("alpha").read_only_reason(town.world.now)
    assert town.node("alpha").voting.records() == []
    town.world.run_until(lambda: counted(town, proposal) == {"alpha": "APPROVE"})


def only_a_learner(host: Host, peer: PeerId, send: Send) -> bytes | None:
    """Nothing that zeta hands in arrives: it can never prove to be alive."""
    lost = host.name == "zeta" and unpack_message(send.message)[0] == MessageType.TX_SUBMIT
    return None if lost else send.message


def test_who_proposes_is_answered_once_the_chain_has_it() -> None:
    town = town_of(3, default=None)
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=URGENT)
    asked = result(town.world.ask(town["beta"], command))
    assert asked["height"] == town.node("beta").context.chain.height
    assert [entry.proposal.id.hex() for entry in town.node("beta").context.chain.standing.open.values()] == [
        asked["proposal"]
    ]


def test_a_proposal_that_nobody_hears_is_a_failure() -> None:
    town = town_of(3, default=None)
    town.world.tamper = lambda host, peer, send: None if host is town["beta"] else send.message
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=URGENT, deadline_s=600)
    failure = refused(town.world.ask(town["beta"], command, limit=90 * SECOND))
    assert failure.kind is FailureKind.NO_QUORUM
    assert "is not on the chain yet: too few members could be reached in time" in failure.message


def test_who_has_no_vote_is_told_so() -> None:
    town, proposal = undecided()
    town.world.tamper = only_a_learner
    zeta = Swarm("zeta", b"zeta", intent=JoinIntent(ticket=parse_ticket(town.ticket("alpha"))))
    town.world.start(town.add(zeta, "/ip4/10.0.0.99/tcp/4150"))
    town.world.run_until(lambda: len(town.nodes()) == 4 and proposals(town, "zeta") == [proposal])
    town.world.run(5 * SECOND)
    member = town.node("zeta").context.chain.member_by_name("zeta")
    assert member is not None
    assert member.state is MemberState.LEARNER
    for outcome in (town.world.ask(town["zeta"], Vote(proposal=proposal, choice="reject")), propose(town, "zeta")):
        failure = refused(outcome)
        assert (failure.kind, "zeta has no vote: it is LEARNER" in failure.message) == (FailureKind.REJECTED, True)


def test_the_operator_is_asked_once_about_what_no_policy_decides() -> None:
    town = town_of(3, default=None, set_policy=Choice.APPROVE)
    proposal = put_to_vote(town, "beta")
    town.world.run(5 * SECOND)
    for name in ("alpha", "beta", "gamma"):
        (asked,) = town[name].asked
        assert asked.items() >= {"proposal": proposal, "proposer": "beta", "action": "set_priority"}.items()
        assert asked["details"] == URGENT
    for name in ("alpha", "gamma"):
        result(town.world.ask(town[name], Vote(proposal=proposal, choice="approve")))
    town.world.run_until(lambda: decisions(town, "alpha") == [(proposal, "APPROVED")])
    town.world.run(5 * SECOND)
    assert [town[name].concluded for name in ("alpha", "beta", "gamma")] == [[proposal]] * 3
    town.world.crash(town["beta"])
    town.world.start(town["beta"])
    town.world.run(10 * SECOND)
    assert result(propose(town, "beta", "set_policy", max_agents=3))["status"] == "APPROVED"
    assert [len(town[name].asked) for name in ("alpha", "beta", "gamma")] == [1, 1, 1]
