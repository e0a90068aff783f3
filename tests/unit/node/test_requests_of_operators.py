"""Who asks for a step of their own swarm is answered in time, whatever the chain does meanwhile."""

from __future__ import annotations

import pytest

from consensus.certificates import YEAR_MS, make_member_cert
from mesh.protocol.commands import Failure, FailureKind
from mesh.protocol.effects import Reply
from mesh.protocol.outbox import Outbox
from tests.support.small_swarms import Town
from tests.support.small_world import WALL_START_MS
from wire.time import SECOND


@pytest.mark.parametrize(
    ("what", "why"),
    [("renew", "the new certificate is not ordered yet"), ("leave", "that this swarm leaves is not decided yet")],
)
def test_the_wait_ends_though_the_chain_grew(what: str, why: str) -> None:
    town = Town("alpha", "beta")
    town.form()
    node, swarm, now = town.node("beta"), town.swarms["beta"], town.world.now
    if what == "leave":
        node.terms.leave(7, now)
    else:
        certificate = make_member_cert(
            federation=node.context.federation,
            name="beta",
            project="demo",
            root=swarm.root,
            term=swarm.term,
            queen_key=swarm.queen().public,
            peer=swarm.peer,
            not_after_ms=WALL_START_MS + 2 * YEAR_MS,
        )
        node.terms.renew(7, certificate, now)
    node.terms.chain_grew(Outbox())
    deadline = node.terms.next_deadline()
    assert deadline == now + node.context.config.decision_patience_s * SECOND
    out = Outbox()
    node.terms.tick(deadline, True, out)
    (reply,) = [effect for effect in out.effects if isinstance(effect, Reply)]
    assert reply.request_id == 7
    assert isinstance(reply.outcome, Failure)
    assert (reply.outcome.kind, why in reply.outcome.message) == (FailureKind.NO_QUORUM, True)
