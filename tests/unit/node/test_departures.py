"""Members that go in order: who stays is in its place again, or says whom it waits for."""

from __future__ import annotations

from consensus.blocks import block_hash, leave_tx, sign_core
from mesh.protocol.commands import GetStatus, MemoryPut, Success
from mesh.protocol.events import MessageReceived
from mesh.protocol.lifecycle import Lifecycle
from mesh.protocol.messages import BlockRecord, ChainBlocks
from mesh.protocol.trace import TraceKind
from tests.support.governed import town_of
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import pack_message
from wire.ids import swarm_id_of
from wire.time import SECOND
from wire.types import Channel, MessageType


def leave(town: Town, name: str) -> None:
    """The swarm asks the creator to take it out of the federation."""
    swarm = town.swarms[name]
    federation = town.node("alpha").context.federation
    transaction = leave_tx(federation, swarm_id_of(swarm.root.public), swarm.term, swarm.queen())
    message = pack_message(MessageType.TX_SUBMIT, transaction)
    town.world.deliver(town["alpha"], MessageReceived(peer=town[name].peer, channel=Channel.MESH, message=message))


def reason(town: Town, name: str) -> str:
    outcome = town.world.ask(town[name], GetStatus())
    assert isinstance(outcome, Success)
    return str(outcome.result["lifecycle_reason"])


def put(town: Town, name: str) -> None:
    assert isinstance(town.world.ask(town[name], MemoryPut(key="k", value=b"1")), Success)


def test_when_the_only_other_member_left_who_stays_is_operational() -> None:
    town = Town("alpha", "beta")
    town.form()
    leave(town, "beta")
    town.world.run(30 * SECOND)
    assert town.node("alpha").lifecycle is Lifecycle.OPERATIONAL
    put(town, "alpha")


def test_one_of_three_leaves_and_the_others_stay_operational() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    leave(town, "beta")
    town.world.run(30 * SECOND)
    assert town.node("alpha").lifecycle is town.node("gamma").lifecycle is Lifecycle.OPERATIONAL
    assert town["beta"].peer not in town["alpha"].links


def test_when_the_only_other_member_stops_the_reason_says_how_many_are_missing() -> None:
    town = Town("alpha", "beta")
    town.form()
    town.world.stop(town["beta"])
    town.world.run(10 * SECOND)
    assert reason(town, "alpha") == "only 0 of 1 other member(s) are linked: waiting for 1 more"
    put(town, "alpha")
    town.world.start(town["beta"])
    town.settle()
    assert reason(town, "alpha") == "in step with 1 of 1 other member(s)"


def next_block(town: Town, *txs: bytes) -> BlockRecord:
    """What the queens agree on next, by all their keys."""
    chain = town.node("alpha").context.chain
    block = chain.draft(txs, chain.time_ms + 1_000).block
    core = chain.core(block_hash(block), 0)
    signed = {swarm_id_of(one.root.public): sign_core(core, one.queen()) for one in town.swarms.values()}
    return BlockRecord(block, chain.validators().certify(core, signed))


def test_a_block_that_may_not_be_does_not_hide_the_one_before_it() -> None:
    """Who left is nobody's member from that block on, whatever a liar sends behind it."""
    town = town_of(4)
    town.world.run(2 * SECOND)
    gone, gamma = town.swarms["beta"], town.node("gamma")
    good = next_block(town, leave_tx(gamma.context.federation, swarm_id_of(gone.root.public), 1, gone.queen()))
    bad = BlockRecord(good.block[:-1] + bytes([good.block[-1] ^ 1]), good.certificate)
    for records in ((good, bad), (bad,)):
        news = ChainBlocks(height=gamma.context.chain.height + 1, blocks=records)
        message = pack_message(MessageType.CHAIN_BLOCKS, cbor.encode_struct(news))
        town.world.hear(town["gamma"], town["delta"], Channel.MESH, message)
    link = gamma.context.links.get(town["beta"].peer)
    assert link is not None
    assert link.swarm is None
    assert sum(record.kind is TraceKind.OFFENCE for record in town["gamma"].trace) == 2
