"""Whoever meets a queen shows her what she said: before HELLO, and she takes her own word for it."""

from __future__ import annotations

import pytest

from consensus.bft.messages import Heard, ViewChange
from consensus.bft.safety import SafetyRules
from consensus.governance.proposals import BallotBody, Choice, seal_ballot
from mesh.protocol.commands import GetStatus, Vote
from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Effect, Persist, RecordKind, Send
from mesh.protocol.events import MessageReceived, PeerDown, PeerUp
from mesh.protocol.startup import FORGOTTEN
from tests.support.governed import put_to_vote, result, town_of
from tests.support.small_swarms import Town
from wire import cbor, cose
from wire.frame import pack_message, unpack_message
from wire.ids import PeerId
from wire.time import SECOND
from wire.types import Channel, ContentType, MessageType


@pytest.fixture
def town() -> tuple[Town, str, str]:
    """Three queens without policy, a proposal that is open, and one who does not lead."""
    town = town_of(3, default=None)
    proposal = put_to_vote(town, "beta")
    town.world.run_until(lambda: all(len(node.context.chain.standing.open) == 1 for node in town.nodes()))
    leader = town.node("alpha").deciding.replica.leader().swarm
    return town, proposal, next(node.context.me.name for node in town.nodes() if node.context.me.swarm != leader)


def greeted(town: Town, host: str, peer: PeerId) -> list[Send]:
    """What a node says first over a new link to a peer."""
    node = town.node(host)
    node.handle(PeerDown(peer=peer, reason="a test"), town.world.now)
    effects = node.handle(PeerUp(peer=peer, address="", inbound=True), town.world.now)
    return [effect for effect in effects if isinstance(effect, Send) and effect.channel is Channel.PRIORITY]


def shown(sent: list[Send]) -> list[bytes]:
    """The statements of a HEARD, if there is one, which comes first."""
    code, payload = unpack_message(sent[0].message)
    return list(cbor.decode_as(payload, Heard).statements) if code == MessageType.HEARD else []


def hears(town: Town, host: str, *statements: bytes) -> list[Effect]:
    """Somebody shows statements to a node."""
    message = pack_message(MessageType.HEARD, cbor.encode_struct(Heard(statements)))
    sender = next(node.context.me.peer for node in town.nodes() if node.context.me.name != host)
    event = MessageReceived(peer=sender, channel=Channel.PRIORITY, message=message)
    return town.node(host).handle(event, town.world.now)


def ballot(town: Town, host: str, proposal: str, choice: Choice, **changes: object) -> bytes:
    """A ballot of the queen of a host."""
    context = town.node(host).context
    known = context.chain.standing.open[bytes.fromhex(proposal)].proposal
    says = {
        "federation": context.federation,
        "proposal": known.id,
        "proposal_hash": known.hash,
        "voter": context.me.swarm,
        "term": context.me.term,
        "choice": choice,
        "weight": 1,
        "reasoning": "",
    }
    return seal_ballot(BallotBody(**{**says, **changes}), context.me.queen_key)  # type: ignore[arg-type]


def kept(effects: list[Effect]) -> int:
    """How many ballots were made durable."""
    return sum(isinstance(effect, Persist) and effect.kind is RecordKind.BALLOT for effect in effects)


def test_a_ballot_that_is_not_decided_is_shown_to_its_voter_before_hello(town: tuple[Town, str, str]) -> None:
    towns, proposal, voter = town
    assert shown(greeted(towns, "alpha", towns[voter].peer)) == []
    result(towns.world.ask(towns[voter], Vote(proposal=proposal, choice="reject")))
    towns.world.run(SECOND)
    witness = next(node.context.me.name for node in towns.nodes() if node.context.me.name != voter)
    sent = greeted(towns, witness, towns[voter].peer)
    assert [cose.parse(one).content_type for one in shown(sent)] == [ContentType.BALLOT]
    assert [unpack_message(one.message)[0] for one in sent[:2]] == [MessageType.HEARD, MessageType.HELLO]


def test_a_ballot_that_a_queen_is_shown_is_hers_and_she_casts_no_other(town: tuple[Town, str, str]) -> None:
    towns, proposal, voter = town
    said = ballot(towns, voter, proposal, Choice.REJECT)
    assert kept(hears(towns, voter, said)) == 1
    assert kept(hears(towns, voter, said)) == 0, "known by now"
    assert not towns.node(voter).startup.forgetful, "it is no vote on a block"
    outcome = towns.world.ask(towns[voter], Vote(proposal=proposal, choice="approve"))
    assert "has voted REJECT" in str(outcome)
    assert len(towns.node(voter).voting.records()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"term": 2}, id="of another term"),
        pytest.param({"voter": bytes(16)}, id="of somebody else"),
    ],
)
def test_a_ballot_that_is_not_hers_is_left_alone(town: tuple[Town, str, str], changes: dict[str, object]) -> None:
    towns, proposal, voter = town
    assert kept(hears(towns, voter, ballot(towns, voter, proposal, Choice.REJECT, **changes))) == 0


def test_a_vote_that_a_queen_does_not_know_makes_her_abstain_and_is_said_once(town: tuple[Town, str, str]) -> None:
    towns, _, voter = town
    node = towns.node(voter)
    context = node.context
    assert not node.deciding.abstaining
    twin = SafetyRules(context.me.queen_key, context.federation, context.me.swarm)
    twin.begin_epoch(context.chain.epoch)
    signed = twin.view_change(7, context.chain.height, context.chain.head_hash)
    header = cbor.decode_as(signed.body, ViewChange).header
    said = [str(effect) for _ in range(2) for effect in hears(towns, voter, header) if "FORGOT" in str(effect)]
    assert (node.deciding.abstaining, len(said)) == (True, 1)
    status = result(towns.world.ask(towns[voter], GetStatus()))
    assert status["warnings"] == [FORGOTTEN]
    assert status["consensus"]["voting"] is False


@pytest.mark.parametrize("raw", [b"x", b"\xd2\x84"])
def test_what_is_no_statement_is_an_offence(town: tuple[Town, str, str], raw: bytes) -> None:
    towns, _, voter = town
    assert any("Penalty" in type(effect).__name__ or "decode" in str(effect) for effect in hears(towns, voter, raw))


def test_nothing_is_shown_while_the_creator_governs() -> None:
    towns = Town("alpha", "beta", config=NodeConfig(govern=False))
    towns.form()
    assert towns.node("alpha").context.chain.governed is False
    assert shown(greeted(towns, "alpha", towns["beta"].peer)) == []
    assert hears(towns, "alpha", b"x") == []
