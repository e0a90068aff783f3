"""A member repeats a transaction until its chain shows it: a repeat that comes after the block is no offence."""

from __future__ import annotations

import pytest

from consensus.blocks import leave_tx, promote_tx
from mesh.protocol.events import MessageReceived
from tests.support.small_swarms import Town
from wire.frame import pack_message
from wire.ids import swarm_id_of
from wire.types import Channel, MessageType


@pytest.fixture
def town() -> Town:
    town = Town("alpha", "beta")
    town.form()
    return town


def submit(town: Town, transaction: bytes) -> None:
    """The creator, alpha, hears `transaction` from beta."""
    message = pack_message(MessageType.TX_SUBMIT, transaction)
    town.world.deliver(town["alpha"], MessageReceived(peer=town["beta"].peer, channel=Channel.MESH, message=message))


def promotion(town: Town, height: int = 0) -> bytes:
    """beta asks for its weight, which it has."""
    swarm, federation = town.swarms["beta"], town.node("alpha").context.federation
    return promote_tx(federation, swarm_id_of(swarm.root.public), height, federation, swarm.queen())


def test_a_repeat_is_counted_and_costs_nothing(town: Town) -> None:
    context = town.node("alpha").context
    height = context.chain.height
    submit(town, promotion(town))
    assert context.counters["transactions_overtaken"] == 1
    assert context.counters["offence_replay"] == context.counters["offence_protocol"] == 0
    assert context.chain.height == height


def test_what_could_never_be_ordered_costs_as_before(town: Town) -> None:
    context = town.node("alpha").context
    submit(town, promotion(town, height=1))
    alpha = town.swarms["alpha"]
    submit(town, leave_tx(context.federation, swarm_id_of(alpha.root.public), 1, town.swarms["beta"].queen()))
    assert context.counters["transactions_overtaken"] == 0
    assert (context.counters["offence_protocol"], context.counters["offence_signature"]) == (1, 1)
