"""Sessions take turns: only so many are under way at once, however many are wanted."""

from __future__ import annotations

import pytest

from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Trace
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from tests.support.small_swarms import Town


@pytest.mark.parametrize("bound", [1, 2, 3])
def test_no_more_sessions_than_the_bound_are_begun(bound: int) -> None:
    town = Town("alpha", "beta", "gamma", "delta", config=NodeConfig(sync_sessions=bound))
    town.form()
    node = town.node("alpha")
    town.world.run_until(lambda: len(node.context.links.members()) == 3)
    begun = 0
    for link in node.context.links.members():
        node.syncing.peer_down(link.peer)  # nothing is under way, and nobody has to be waited for
        node.syncing.want(link.peer)
    for _ in range(3):
        out = Outbox()
        node.syncing.tick(town.world.now, out)
        begun += sum(
            isinstance(effect, Trace) and effect.record.kind is TraceKind.SYNC_STARTED for effect in out.effects
        )
    assert begun == bound
