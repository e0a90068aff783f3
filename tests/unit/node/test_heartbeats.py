"""What a node says of itself on gossip: news at the profile's pace, the same again rarely, nothing while alone."""

from __future__ import annotations

from mesh.protocol.announcing import Announcing
from mesh.protocol.commands import MemoryPut
from mesh.protocol.effects import Publish
from mesh.protocol.outbox import Outbox
from tests.support.small_swarms import Town
from wire.frame import unpack_message
from wire.types import MessageType


def formed() -> Town:
    town = Town("alpha", "beta")
    town.form()
    town.world.run_until(lambda: len(town.node("alpha").context.links.members()) == 1)
    return town


def said(announcing: Announcing, kind: MessageType, until: int) -> list[int]:
    """When `announcing` says something of this kind on gossip, if it is asked whenever it wants to be."""
    times = []
    while (now := announcing.next_deadline()) <= until:
        out = Outbox()
        announcing.tick(now, True, out)
        published = [unpack_message(effect.message)[0] for effect in out.effects if isinstance(effect, Publish)]
        times += [now] * published.count(kind)
    return times


def test_a_heartbeat_that_says_the_same_again_is_as_rare_as_an_announcement() -> None:
    context = formed().node("alpha").context
    profile, began = context.config.profile, context.started
    beats = said(Announcing(context), MessageType.HEARTBEAT, began + 2 * profile.announce)
    assert beats[0] == began
    assert len(beats) == 2
    assert profile.announce <= beats[1] - beats[0] <= profile.announce + 2 * profile.heartbeat


def test_news_is_told_within_a_period() -> None:
    town = formed()
    context = town.node("alpha").context
    profile = context.config.profile
    announcing = Announcing(context)
    assert len(said(announcing, MessageType.HEARTBEAT, context.started + 3 * profile.heartbeat)) == 1
    town.world.ask(town["alpha"], MemoryPut(key="k", value=b"1"))
    (told,) = said(announcing, MessageType.HEARTBEAT, context.started + 5 * profile.heartbeat)
    assert told <= context.started + 5 * profile.heartbeat


def test_swarms_that_began_together_do_not_speak_together() -> None:
    town = formed()
    periods = set()
    for name in ("alpha", "beta"):
        announcing = Announcing(town.node(name).context)
        announcing.tick(announcing.next_deadline(), True, Outbox())
        periods.add(announcing.next_deadline() - town.node(name).context.started)
    profile = town.node("alpha").context.config.profile
    assert len(periods) == 2
    assert all(0.9 * profile.heartbeat <= period <= 1.1 * profile.heartbeat for period in periods)


def test_who_is_alone_says_nothing_and_speaks_up_at_the_first_link() -> None:
    town = Town("alpha")
    town.form()
    node = town.node("alpha")
    announcing = Announcing(node.context)
    end = node.context.started + 2 * node.context.config.profile.announce
    assert said(announcing, MessageType.DISCOVERY, end) == []
    assert said(Announcing(node.context), MessageType.HEARTBEAT, end) == []
