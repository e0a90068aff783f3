"""A queen that casts two ballots on one proposal is convicted by whoever sees both, on their way or on the chain."""

from __future__ import annotations

import pytest

from consensus.blocks import BallotTx, ProposalTx, encode_tx
from consensus.governance.proposals import BallotBody, Choice, ProposalBody, Subject, seal_ballot, seal_proposal
from consensus.membership import MemberState
from mesh.protocol.effects import RecordKind
from mesh.protocol.events import MessageReceived
from mesh.protocol.witness import MAX_BALLOTS, Witness
from tests.support.governed import URGENT, propose, put_to_vote, result, town_of
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import pack_message
from wire.ids import swarm_id_of
from wire.time import SECOND
from wire.types import Channel, MessageType

LIAR = "delta"


def ballot(town: Town, proposal: bytes, choice: Choice, reason: str = "", signer: str = LIAR) -> bytes:
    """A ballot in the liar's name."""
    context = town.node("alpha").context
    entry = context.chain.standing.open.get(proposal)
    body = BallotBody(
        federation=context.federation,
        proposal=proposal,
        proposal_hash=entry.proposal.hash if entry else bytes(32),
        voter=swarm_id_of(town.swarms[LIAR].root.public),
        term=1,
        choice=choice,
        weight=1,
        reasoning=reason,
    )
    return encode_tx(BallotTx(seal_ballot(body, town.swarms[signer].queen())))


def say(town: Town, name: str, tx: bytes) -> None:
    """The liar submits a transaction to one of the others."""
    message = pack_message(MessageType.TX_SUBMIT, tx)
    town.world.deliver(town[name], MessageReceived(peer=town[LIAR].peer, channel=Channel.MESH, message=message))


def undecided() -> tuple[Town, bytes]:
    town = town_of(4, default=None)
    proposal = bytes.fromhex(put_to_vote(town, "beta"))
    town.world.run_until(lambda: all(proposal in node.context.chain.standing.open for node in town.nodes()))
    return town, proposal


def quarantined(town: Town) -> bool:
    liar = swarm_id_of(town.swarms[LIAR].root.public)
    chains = [node.context.chain for node in town.nodes()]
    return all((member := chain.member(liar)) and member.state is MemberState.QUARANTINED for chain in chains)


def test_who_hears_both_on_their_way_has_the_voter_convicted() -> None:
    town, proposal = undecided()
    for choice in (Choice.APPROVE, Choice.REJECT, Choice.APPROVE):
        say(town, "beta", ballot(town, proposal, choice))
    town.world.run_until(lambda: quarantined(town))
    assert town.node("beta").context.counters["equivocations"] == 1


def test_one_on_the_chain_and_one_on_its_way_are_two() -> None:
    """Each half of the federation hears another choice; who gets the first in a block holds both."""
    town, proposal = undecided()
    say(town, "alpha", ballot(town, proposal, Choice.APPROVE))
    say(town, "beta", ballot(town, proposal, Choice.APPROVE))
    town.world.run_until(lambda: all(n.context.chain.standing.open[proposal].ballots for n in town.nodes()))
    say(town, "gamma", ballot(town, proposal, Choice.REJECT))
    town.world.run_until(lambda: quarantined(town))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"choice": Choice.APPROVE}, {"choice": Choice.APPROVE, "reason": "in other words"}),
        ({"choice": Choice.APPROVE}, {"choice": Choice.REJECT, "signer": "gamma"}),
        ({"choice": Choice.REJECT, "signer": "gamma"}, {"choice": Choice.APPROVE}),
    ],
    ids=["the same choice", "forged behind it", "forged before it"],
)
def test_nobody_is_convicted_by_what_is_no_contradiction(one: dict[str, object], two: dict[str, object]) -> None:
    town, proposal = undecided()
    for says in (one, two):
        say(town, "beta", ballot(town, proposal, **says))  # type: ignore[arg-type]
    town.world.run(5 * SECOND)
    assert not quarantined(town)
    assert sum(node.context.counters["equivocations"] for node in town.nodes()) == 0


def two_with_one_id(town: Town) -> tuple[bytes, bytes]:
    """Two proposals of the liar under one id, as transactions; the first is over before anybody hands it on."""
    context, key = town.node("alpha").context, town.swarms[LIAR].queen()
    wall_ms = context.wall_ms(town.world.now)
    one, two = (
        ProposalBody(
            federation=context.federation,
            proposal=b"one id for both!",
            proposer=swarm_id_of(town.swarms[LIAR].root.public),
            term=1,
            subject=Subject.PRIORITY_CHANGE,
            action="set_priority",
            details=cbor.encode(URGENT),
            created_ms=wall_ms,
            deadline_ms=wall_ms + lasts_ms,
        )
        for lasts_ms in (400, 60_000)
    )
    return encode_tx(ProposalTx(seal_proposal(one, key))), encode_tx(ProposalTx(seal_proposal(two, key)))


def test_who_answers_two_proposals_with_one_id_is_honest_and_their_proposer_gains_nothing() -> None:
    town = town_of(4)
    leader = town.node("alpha").deciding.replica.leader().swarm
    victim = next(n for n in ("alpha", "beta", "gamma") if town.node(n).context.me.swarm != leader)
    first, second = two_with_one_id(town)
    say(town, victim, first)
    town.world.run(2 * SECOND)
    result(propose(town, "gamma"))  # whose block is later than the deadline
    for name in ("alpha", "beta", "gamma"):
        say(town, name, second)
    town.world.run(10 * SECOND)
    ballots = [body for kind, body in town[victim].disk.records if kind == RecordKind.BALLOT]
    assert len([raw for raw in ballots if b"one id for both!" in raw]) == 2, "both were there to be answered"
    assert {member.state for member in town.node("alpha").context.chain.members()} == {MemberState.ACTIVE}
    assert sum(node.context.counters["equivocations"] for node in town.nodes()) == 0


def test_nobody_votes_on_what_is_over_for_the_memory_of_its_own_ballot_may_be_gone() -> None:
    town = town_of(4)
    first, _ = two_with_one_id(town)
    town.world.run(2 * SECOND)
    for name in ("alpha", "beta", "gamma"):
        say(town, name, first)
    town.world.run(SECOND)
    assert all(kind != RecordKind.BALLOT for name in town.swarms for kind, _ in town[name].disk.records)


def test_what_is_remembered_is_bounded() -> None:
    town, proposal = undecided()
    witness = Witness(town.node("alpha").context)
    assert witness.heard(ballot(town, proposal, Choice.APPROVE)) is None
    for number in range(MAX_BALLOTS):
        witness.heard(ballot(town, number.to_bytes(16, "big"), Choice.APPROVE))
    assert witness.heard(ballot(town, proposal, Choice.REJECT)) is None
    assert witness.heard(ballot(town, proposal, Choice.APPROVE)) is not None
