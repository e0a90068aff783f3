"""A HELLO on a link that has had one: the other side made the link anew, and must not wait for ours for ever."""

from __future__ import annotations

import pytest

from mesh.protocol.effects import Send
from mesh.protocol.events import MessageReceived
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import pack_message, unpack_message
from wire.time import SECOND
from wire.types import Channel, MessageType


@pytest.mark.parametrize(
    ("after", "answers"),
    [
        pytest.param(6 * SECOND, 1, id="long after ours"),
        pytest.param(SECOND, 0, id="ours is on its way: two that answer each other would never end"),
    ],
)
def test_a_second_hello_is_answered_unless_ours_is_young(after: int, answers: int) -> None:
    town = Town("alpha", "beta")
    town.form()
    node, peer = town.node("alpha"), town["beta"].peer
    link = node.context.links.get(peer)
    assert link is not None
    assert link.hello is not None
    message = pack_message(MessageType.HELLO, cbor.encode_struct(link.hello))
    event = MessageReceived(peer=peer, channel=Channel.PRIORITY, message=message)
    effects = node.handle(event, link.greeted_at + after)
    sent = [unpack_message(effect.message)[0] for effect in effects if isinstance(effect, Send)]
    assert sent.count(MessageType.HELLO) == answers
    again = node.handle(event, link.greeted_at + 1)
    assert not [e for e in again if isinstance(e, Send) and unpack_message(e.message)[0] == MessageType.HELLO]
