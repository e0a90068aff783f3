"""A queen that casts two ballots on one proposal is convicted by whoever sees both, on their way or on the chain."""

from __future__ import annotations

import pytest

from consensus.blocks import BallotTx, encode_tx
from consensus.governance.proposals import BallotBody, Choice, seal_ballot
from consensus.membership import MemberState
from mesh.protocol.events import MessageReceived
from mesh.protocol.witness import MAX_BALLOTS, Witness
from tests.support.governed import put_to_vote, town_of
from tests.support.small_swarms import Town
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


def test_what_is_remembered_is_bounded() -> None:
    town, proposal = undecided()
    witness = Witness(town.node("alpha").context)
    assert witness.heard(ballot(town, proposal, Choice.APPROVE)) is None
    for number in range(MAX_BALLOTS):
        witness.heard(ballot(town, number.to_bytes(16, "big"), Choice.APPROVE))
    assert witness.heard(ballot(town, proposal, Choice.REJECT)) is None
    assert witness.heard(ballot(town, proposal, Choice.APPROVE)) is not None
