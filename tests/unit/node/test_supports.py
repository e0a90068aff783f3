"""Who is ready to govern says so to all: whose word counts, from when on, and whose is an offence."""

from __future__ import annotations

import pytest

from consensus.blocks import GovernTx, SupportStatement, TakeoverTx, encode_tx, support
from mesh.protocol.commands import DraftTakeover
from mesh.protocol.outbox import pack
from tests.support.governed import result
from tests.support.lost_creator import of_before, start
from tests.support.small_swarms import CREATORS_RULE
from tests.support.takeovers import OTHERS
from wire import cbor, cose
from wire.ids import swarm_id_of
from wire.time import SECOND
from wire.types import Channel, ContentType, MessageType


@pytest.mark.parametrize(
    "says",
    [
        pytest.param({"swarm": b"o" * 16}, id="of another swarm"),
        pytest.param({"federation": b"o" * 32}, id="of another federation"),
        pytest.param(None, id="of nothing"),
    ],
)
def test_a_support_that_could_be_in_no_block_is_an_offence(says: dict[str, object] | None) -> None:
    """Else one member could stop the creator, or a takeover."""
    town = of_before(*OTHERS)
    start(town, "alpha", *OTHERS, config=CREATORS_RULE)
    for name in ("alpha", "gamma"):
        context = town.node(name).context
        beta, federation = town.swarms["beta"], context.federation
        good = {"federation": federation, "swarm": swarm_id_of(beta.root.public), "term": 1}
        payload = b"x" if says is None else cbor.encode_struct(SupportStatement(**{**good, **says}))  # type: ignore[arg-type]
        raw = cose.seal(ContentType.SUPPORT, payload, beta.queen(), federation)
        town.world.hear(town[name], town["beta"], Channel.MESH, pack(MessageType.SUPPORT, raw))
        assert town.node(name).handover.supports() == {}
        assert sum(count for what, count in context.counters.items() if what.startswith("offence_")) == 1


def test_a_support_in_another_queens_name_is_an_offence() -> None:
    town = of_before(*OTHERS)
    start(town, *OTHERS, config=CREATORS_RULE)
    context = town.node("gamma").context
    beta = swarm_id_of(town.swarms["beta"].root.public)
    raw = support(context.federation, beta, 1, town.swarms["beta"].queen(2))
    town.world.hear(town["gamma"], town["beta"], Channel.MESH, pack(MessageType.SUPPORT, raw))
    assert context.counters["offence_signature"] == 1


@pytest.mark.parametrize("term", [0, 2])
def test_a_support_of_a_term_that_is_not_the_present_one_counts_for_nothing(term: int) -> None:
    """And is no offence: its sender may know of a block that we lack, or lack one that we know."""
    town = of_before(*OTHERS)
    start(town, *OTHERS, config=CREATORS_RULE)
    context = town.node("gamma").context
    beta = town.swarms["beta"]
    raw = support(context.federation, swarm_id_of(beta.root.public), term, beta.queen(2))
    town.world.hear(town["gamma"], town["beta"], Channel.MESH, pack(MessageType.SUPPORT, raw))
    assert town.node("gamma").handover.supports() == {}
    assert not any("offence" in name for name in context.counters)


def test_a_support_comes_before_the_block_that_makes_it_good() -> None:
    """The creator's new term for beta is on its way, and beta's word is quicker."""
    town = of_before(*OTHERS)
    start(town, "alpha", *OTHERS, config=CREATORS_RULE)
    beta = town.swarms["beta"]
    raw = support(town.node("gamma").context.federation, swarm_id_of(beta.root.public), 2, beta.queen(2))
    town.world.hear(town["gamma"], town["beta"], Channel.MESH, pack(MessageType.SUPPORT, raw))
    town.world.stop(town["beta"])
    beta.term = 2
    beta.certify(town.node("gamma").context.federation)
    start(town, "beta", config=CREATORS_RULE)
    town.settle()
    assert list(town.node("gamma").handover.supports()) == [swarm_id_of(beta.root.public)]


def test_what_the_queen_of_an_earlier_term_said_is_void() -> None:
    """The creator orders nothing that is not so; and is not stopped by it."""
    town = of_before(*OTHERS)
    start(town, *OTHERS)
    start(town, "alpha", config=CREATORS_RULE)
    beta = town.swarms["beta"]
    town.world.stop(town["beta"])
    beta.term = 2
    beta.certify(town.node("gamma").context.federation)
    start(town, "beta", config=CREATORS_RULE)
    town.settle()
    town.world.stop(town["alpha"])
    town.world.run(SECOND)
    assert result(town.world.ask(town["gamma"], DraftTakeover()))["supporters"] == ["delta", "gamma"]


@pytest.mark.parametrize("kind", [GovernTx, TakeoverTx])
def test_no_member_has_the_creator_hand_over(kind: type[GovernTx | TakeoverTx]) -> None:
    """By a transaction of its own, among the queens that it likes."""
    town = of_before(*OTHERS)
    start(town, "alpha", *OTHERS, config=CREATORS_RULE)
    context = town.node("alpha").context
    beta = town.swarms["beta"]
    tx = encode_tx(kind((support(context.federation, swarm_id_of(beta.root.public), 1, beta.queen()),)))
    town.world.hear(town["alpha"], town["beta"], Channel.MESH, pack(MessageType.TX_SUBMIT, tx))
    assert not context.chain.governed
    assert sum(count for what, count in context.counters.items() if what.startswith("offence_")) == 1
