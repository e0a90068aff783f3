"""Evidence is ordered as long as one honest node that found some is there, whoever found other evidence before."""

from __future__ import annotations

from consensus.blocks import QuarantineTx, encode_tx
from consensus.membership import MemberState
from mesh.protocol.outbox import Outbox
from tests.support.governed import contradiction, town_of
from wire.time import SECOND


def test_evidence_of_one_who_is_gone_does_not_keep_another_from_insisting_on_its_own() -> None:
    town = town_of(4)
    leader = town.node("alpha").deciding.replica.leader().swarm
    names = [node.context.me.name for node in town.nodes() if node.context.me.swarm != leader]
    liar, witness = names[:2]
    node, swarm = town.node(witness), town.node(liar).context.me.swarm
    of_one_who_is_gone = encode_tx(QuarantineTx(*contradiction(town, liar, b"one", b"another")))
    node.deciding.on_transaction(of_one_who_is_gone, town.world.now, Outbox())
    assert node.deciding.replica.pending == 1
    for block in (b"a third", b"a fourth"):
        own = contradiction(town, liar, b"one", block)
        node.deciding._convict(swarm, *own, town.world.now, Outbox())
    assert node.deciding.submitted == 1, "one for a culprit is enough"
    town.world.run(5 * SECOND)
    member = node.context.chain.member(swarm)
    assert member is not None
    assert member.state is MemberState.QUARANTINED
    assert node.deciding.submitted == 0
