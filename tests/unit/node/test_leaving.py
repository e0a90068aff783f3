"""Swarms that leave, or are sent away: the command ends when the chain says so, and the node knows what it is now."""

from __future__ import annotations

import pytest

from consensus.blocks import block_hash, leave_tx, sign_core
from mesh.protocol.commands import FailureKind, GetStatus, Leave, MemoryPut
from mesh.protocol.effects import Reply
from mesh.protocol.events import Command, MessageReceived
from mesh.protocol.messages import BlockRecord, ChainBlocks
from tests.support.governed import propose, refused, result, swarm_hex, town_of
from tests.support.small_swarms import CREATORS_RULE, Town
from wire import cbor
from wire.frame import pack_message
from wire.ids import swarm_id_of
from wire.time import SECOND
from wire.types import Channel, MessageType

LEFT = (
    "this swarm has left the federation: stop this node, its home stays readable; to come back, make a new home"
    " (`zenmesh init`) and join by ticket"
)
EXPELLED = (
    "the members have expelled this swarm: one of them can ask the others to take it back (`zenmesh reinstate`)"
)


def shown(town: Town, name: str) -> tuple[str, str, str]:
    """(lifecycle, the reason for it, why it is read-only), as `status` has them."""
    status = result(town.world.ask(town[name], GetStatus()))
    return status["lifecycle"], status["lifecycle_reason"], status["read_only"]


def gone(why: str) -> tuple[str, str, str]:
    return "INIT", why, f"read-only: {why}"


@pytest.mark.parametrize("size", [2, 3, 4])
def test_who_leaves_is_told_when_the_chain_says_so(size: int) -> None:
    town = town_of(size)
    last = ("alpha", "beta", "gamma", "delta")[size - 1]
    left = result(town.world.ask(town[last], Leave()))
    chain = town.node(last).context.chain
    said = {"swarm": last, "swarm_id": swarm_hex(town, last), "state": "LEFT", "height": chain.height}
    assert left == {**said, "others_know": True}
    assert chain.member_by_name(last) is None
    assert shown(town, last) == gone(LEFT)
    again = refused(town.world.ask(town[last], Leave()))
    assert (again.kind, again.message) == (FailureKind.REJECTED, f"{last} has left the federation already")
    assert refused(town.world.ask(town[last], MemoryPut(key="k", value=b"1"))).kind is FailureKind.REJECTED
    town.world.run(30 * SECOND)
    assert not town[last].links


def test_who_leaves_a_federation_of_two_may_stop_its_node_once_it_is_told() -> None:
    """It holds both COMMITs; the other has its own alone, until it hears of the block."""
    town = town_of(2)
    for delay in range(40):  # whatever of the decision is on its way when the answer comes, and the node stops
        town = town_of(2, seed=delay)
        result(town.world.ask(town["beta"], Leave()))
        town.world.crash(town["beta"])
        town.world.run(5 * SECOND)
        assert town.node("alpha").context.chain.member_by_name("beta") is None
    assert result(propose(town, "alpha"))["status"] == "APPROVED"


def test_who_left_and_reaches_nobody_is_told_in_the_end_what_is_left_to_do() -> None:
    town = town_of(2)
    beta, links = town.node("beta"), town.node("beta").context.links
    town.world.run_until(lambda: links.others(beta.context.me.swarm) == 1)
    beta.handle(Command(request_id=77, operation=Leave()), town.world.now)
    decided_alone(town, "beta")
    assert [e.outcome for e in beta.tick(town.world.now) if isinstance(e, Reply)] == []
    late = beta.tick(town.world.now + 31 * SECOND)
    [outcome] = [effect.outcome for effect in late if isinstance(effect, Reply)]
    assert result(outcome)["others_know"] is False


def decided_alone(town: Town, name: str) -> None:
    """The node has the block by which its swarm leaves; the others do not."""
    node, swarm = town.node(name), town.swarms[name]
    chain = node.context.chain
    tx = leave_tx(node.context.federation, node.context.me.swarm, swarm.term, swarm.queen())
    block = chain.draft([tx], chain.time_ms + 1_000).block
    core = chain.core(block_hash(block), 0)
    signed = {swarm_id_of(one.root.public): sign_core(core, one.queen()) for one in town.swarms.values()}
    record = BlockRecord(block, chain.validators().certify(core, signed))
    news = cbor.encode_struct(ChainBlocks(height=chain.height, blocks=(record,)))
    message = pack_message(MessageType.CHAIN_BLOCKS, news)
    node.handle(MessageReceived(peer=town["alpha"].peer, channel=Channel.MESH, message=message), town.world.now)
    assert chain.member(node.context.me.swarm) is None


def test_the_last_one_stays() -> None:
    town = town_of(1)
    failure = refused(town.world.ask(town["alpha"], Leave()))
    assert failure.kind is FailureKind.REJECTED
    assert "nobody would be left who has a vote" in failure.message


def test_whom_the_queens_expel_learns_of_it() -> None:
    town = town_of(4)
    result(propose(town, "alpha", "expel", swarm=swarm_hex(town, "delta"), reason="it lies"))
    town.world.run(2 * SECOND)
    assert shown(town, "delta") == gone(EXPELLED)


def test_whom_the_queens_expel_while_it_is_away_learns_of_it_when_it_is_back() -> None:
    town = town_of(4)
    swarm = swarm_hex(town, "delta")
    town.world.crash(town["delta"])
    result(propose(town, "alpha", "expel", swarm=swarm, reason="it is gone"))
    town.world.start(town["delta"])
    town.world.run_until(lambda: shown(town, "delta") == gone(EXPELLED))
    result(propose(town, "alpha", "reinstate", swarm=swarm, reason="it is back"))
    town.world.run_until(lambda: town.node("delta").deciding.replica.voting, 60 * SECOND)
    assert shown(town, "delta")[0] == "OPERATIONAL"


@pytest.mark.parametrize("size", [2, 3])
def test_who_left_says_so_after_a_restart_too_and_looks_for_nobody(size: int) -> None:
    town = town_of(size)
    last = ("alpha", "beta", "gamma")[size - 1]
    result(town.world.ask(town[last], Leave()))
    town.world.stop(town[last])
    town.world.start(town[last])
    for _ in range(3):
        assert shown(town, last) == gone(LEFT)
        town.world.run(20 * SECOND)
    assert not town[last].links


def test_where_the_creator_governs_a_member_leaves_through_it() -> None:
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE)
    town.form()
    assert result(town.world.ask(town["gamma"], Leave()))["state"] == "LEFT"
    assert town.node("alpha").context.chain.member_by_name("gamma") is None
    failure = refused(town.world.ask(town["alpha"], Leave()))
    assert failure.kind is FailureKind.REJECTED
    assert failure.message == "alpha did not leave: it governs this federation alone, which would end with it"


def test_where_the_creator_is_out_of_reach_nobody_leaves() -> None:
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE)
    town.form()
    town.world.crash(town["alpha"])
    town.world.run(10 * SECOND)
    failure = refused(town.world.ask(town["gamma"], Leave()))
    assert failure.kind is FailureKind.NO_QUORUM
    assert (
        failure.message
        == "gamma did not leave: alpha, which governs this federation, is out of reach: start its node"
    )


def test_one_alone_does_not_leave() -> None:
    town = town_of(3)
    town.world.partition([town["alpha"], town["gamma"]], [town["beta"]])
    town.world.run(10 * SECOND)
    failure = refused(town.world.ask(town["beta"], Leave()))
    assert failure.kind is FailureKind.NO_QUORUM
    assert failure.message.startswith("beta did not leave: 1 of 3 weight is in reach")


def test_who_cannot_be_heard_is_told_that_it_is_still_a_member() -> None:
    town = town_of(3)
    town.world.tamper = lambda host, peer, send: None if host is town["beta"] else send.message
    failure = refused(town.world.ask(town["beta"], Leave(), limit=90 * SECOND))
    assert failure.kind is FailureKind.NO_QUORUM
    assert "is not decided" in failure.message
