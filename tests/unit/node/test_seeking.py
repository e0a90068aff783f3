"""Asking after members that cannot be reached, and being asked."""

from __future__ import annotations

import pytest

from mesh.protocol.effects import Dial, Send
from mesh.protocol.events import PeerDown
from mesh.protocol.links import Link
from mesh.protocol.messages import MAX_SOUGHT, Seek, Sought
from mesh.protocol.outbox import Outbox
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import unpack_message
from wire.ids import PeerId, SwarmId, swarm_id_of
from wire.time import SECOND
from wire.types import MessageType


@pytest.fixture
def town() -> Town:
    town = Town("alpha", "beta", "gamma")
    town.form()
    town.world.run(2 * SECOND)
    return town


def swarm(town: Town, name: str) -> SwarmId:
    return swarm_id_of(town.swarms[name].root.public)


def link(town: Town, name: str, other: str) -> Link:
    found = town.node(name).context.links.of_swarm(swarm(town, other))
    assert found is not None
    return found


def sent(out: Outbox, kind: MessageType) -> list[bytes]:
    messages = [unpack_message(effect.message) for effect in out.effects if isinstance(effect, Send)]
    return [payload for code, payload in messages if code == kind]


def answers(town: Town, seek: Seek, now: int | None = None) -> list[bytes]:
    """What alpha answers beta."""
    out = Outbox()
    node = town.node("alpha")
    node.seeking.on_seek(link(town, "alpha", "beta"), seek, town.world.now if now is None else now, out)
    return sent(out, MessageType.DISCOVERY)


def about(town: Town, *names: str, newest: int = 0) -> Seek:
    return Seek(members=tuple(Sought(swarm=swarm(town, name), timestamp_ms=newest) for name in names))


def test_the_answer_is_the_announcement_as_received(town: Town) -> None:
    known = town.node("alpha").announcing.announcements[swarm(town, "gamma")]
    assert answers(town, about(town, "gamma")) == [known.raw]


def test_what_the_asker_holds_is_no_answer(town: Town) -> None:
    known = town.node("alpha").announcing.announcements[swarm(town, "gamma")].body.timestamp_ms
    assert answers(town, about(town, "gamma", newest=known)) == []
    assert len(answers(town, about(town, "gamma", newest=known - 1), town.world.now + SECOND)) == 1


def test_a_question_about_nobody_known_has_no_answer(town: Town) -> None:
    stranger = Seek(members=(Sought(swarm=bytes(16), timestamp_ms=0),))
    assert answers(town, stranger) == []


def test_who_asks_too_often_is_not_answered(town: Town) -> None:
    now, pause = town.world.now, town.node("alpha").context.config.seek_pause // 2
    assert len(answers(town, about(town, "gamma"), now)) == 1
    assert answers(town, about(town, "gamma"), now + pause - 1) == []
    assert town.node("alpha").context.counters["seeks_too_often"] == 1
    assert len(answers(town, about(town, "gamma"), now + pause)) == 1


def test_with_everybody_linked_nobody_is_asked(town: Town) -> None:
    node, out = town.node("alpha"), Outbox()
    assert node.seeking.next_deadline() is None
    node.seeking.tick(town.world.now + SECOND, out)
    assert out.effects == []


def test_who_lost_a_member_asks_the_others_and_says_what_it_holds(town: Town) -> None:
    node, gamma = town.node("alpha"), swarm(town, "gamma")
    node.handle(PeerDown(peer=town["gamma"].peer, reason="gone"), town.world.now)
    out, now = Outbox(), town.world.now + SECOND
    node.seeking.tick(now, out)
    assert sent(out, MessageType.SEEK) == []  # it is dialled at an address that is good, as far as one knows
    node.context.dialer.failed(town["gamma"].peer, "refused", now)
    node.seeking.tick(now + SECOND, out)
    (payload,) = sent(out, MessageType.SEEK)
    held = node.announcing.announcements[gamma].body.timestamp_ms
    assert cbor.decode_as(payload, Seek) == Seek(members=(Sought(swarm=gamma, timestamp_ms=held),))


def test_new_links_are_asked_but_not_each_of_many(town: Town) -> None:
    node, now = town.node("alpha"), town.world.now + 10 * SECOND
    node.handle(PeerDown(peer=town["gamma"].peer, reason="gone"), now)
    node.context.dialer.failed(town["gamma"].peer, "refused", now)
    out, pause = Outbox(), node.context.config.seek_pause
    for at in (now, now + 1, now + pause - 1, now + pause):
        node.seeking.met(link(town, "alpha", "beta"), at, out)
    assert len(sent(out, MessageType.SEEK)) == 2


def test_a_node_with_few_links_calls_on_any_member(town: Town) -> None:
    node, now = town.node("alpha"), town.world.now + 10 * SECOND
    for name in ("beta", "gamma"):
        node.handle(PeerDown(peer=town[name].peer, reason="gone"), now)
    out = Outbox()
    node.seeking.tick(now, out)
    dials = [effect.peer for effect in out.effects if isinstance(effect, Dial)]
    assert len(dials) == 1
    assert dials[0] in {town["beta"].peer, town["gamma"].peer}


def test_a_question_names_so_many_at_most(town: Town) -> None:
    node, out = town.node("alpha"), Outbox()
    lost = [town["beta"].peer] * (MAX_SOUGHT + 5)
    node.context.dialer.lost_track = lambda: lost  # type: ignore[method-assign]
    node.seeking.met(link(town, "alpha", "gamma"), town.world.now + 10 * SECOND, out)
    (payload,) = sent(out, MessageType.SEEK)
    assert len(cbor.decode_as(payload, Seek).members) == MAX_SOUGHT


def test_a_newcomer_learns_of_all_from_its_first_link() -> None:
    town = Town("alpha", "beta", "gamma", "delta")
    town.form()
    town.world.run(SECOND)
    node = town.node("delta")
    assert set(node.announcing.announcements) == {swarm(town, name) for name in ("alpha", "beta", "gamma")}
    assert len(node.context.links.members()) == 3


def test_who_has_no_link_calls_on_whomever_its_book_names(town: Town) -> None:
    """Its chain may be too short to name them: the disk was lost."""
    node, now, stranger = town.node("alpha"), town.world.now + 10 * SECOND, PeerId("stranger")
    node.context.dialer.learn(stranger, ["/ip4/10.9.9.9/tcp/1"], "bootstrap", now)
    out = Outbox()
    node.seeking.tick(now, out)
    assert (out.effects, node.seeking.next_deadline()) == ([], None)
    for name in ("beta", "gamma"):
        node.handle(PeerDown(peer=town[name].peer, reason="gone"), now)
    node.context.dialer.want([], now)
    dialled: list[PeerId] = []
    for second in (1, 2, 3):
        assert node.seeking.next_deadline() is not None
        out = Outbox()
        node.seeking.tick(now + second * SECOND, out)
        dialled += [effect.peer for effect in out.effects if isinstance(effect, Dial)]
    assert sorted(dialled) == sorted([stranger, town["beta"].peer, town["gamma"].peer])
