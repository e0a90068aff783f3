"""Sessions take turns: only so many are under way at once, however many are wanted; and there is a round of some."""

from __future__ import annotations

import pytest

from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Trace
from mesh.protocol.outbox import Outbox
from mesh.protocol.syncing import Syncing
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


def test_a_round_comes_every_period_and_asks_some() -> None:
    town = Town("alpha", "beta", "gamma", config=NodeConfig(sync_fanout=1))
    town.form()
    context = town.node("alpha").context
    town.world.run_until(lambda: len(context.links.members()) == 2)
    syncing, period = Syncing(context), context.config.profile.sync_round
    for number in (1, 2, 3):
        due = context.started + number * period
        assert syncing.next_deadline() == due
        for link in context.links.members():
            link.ping_sent, link.next_ping = None, due + 1
        syncing.tick(due - 1, Outbox())
        assert not any(link.next_ping < due for link in context.links.members())
        syncing.tick(due, Outbox())
        (asked,) = (link for link in context.links.members() if link.next_ping == due)
        assert not syncing.doubts, "its answer tells whether there is something to compare"
        syncing.compare_root(asked.peer, b"another", due + 1)
        assert syncing.doubts.wanted() == [asked.peer]
        syncing.peer_down(asked.peer)


def test_a_doubt_that_waited_long_is_asked_before_it_is_compared() -> None:
    town = Town("alpha", "beta")
    town.form()
    context = town.node("alpha").context
    town.world.run_until(lambda: len(context.links.members()) == 1)
    (link,) = context.links.members()
    syncing, now = Syncing(context), town.world.now
    link.ping_sent, link.next_ping = None, now + context.config.profile.probe
    syncing.doubts.differs(link.peer, b"another", now)
    out = Outbox()
    syncing.tick(now + context.config.profile.probe // 2, out)
    assert not out.effects
    assert link.next_ping == now + context.config.profile.probe // 2
