"""A probe with another state root is no news while writes are on their way; two in a row, a while apart, are."""

from __future__ import annotations

import pytest

from mesh.protocol.events import MessageReceived
from mesh.protocol.messages import Ping
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import pack_message
from wire.time import SECOND
from wire.types import Channel, MessageType


@pytest.mark.parametrize(
    ("probes", "sessions"),
    [
        pytest.param("o", 0, id="once"),
        pytest.param("oo", 1, id="twice in a row"),
        pytest.param("oso", 0, id="the same in between"),
        pytest.param("osoo", 1, id="the same, then twice"),
    ],
)
def test_a_session_is_opened_after_two_probes_in_a_row_with_another_root(probes: str, sessions: int) -> None:
    town = Town("alpha", "beta")
    town.form()
    alpha, context = town["alpha"], town.node("alpha").context
    before = context.counters["sync_sessions"]
    for number, letter in enumerate(probes):
        root = bytes([number]) * 32 if letter == "o" else context.replica.root()
        if number == len(probes) - 1:
            town.world.run(SECOND // 2)
        ping = Ping(nonce=1, wall_ms=context.wall_ms(town.world.now), height=context.chain.height, state_root=root)
        message = pack_message(MessageType.PING, cbor.encode_struct(ping))
        town.world.deliver(alpha, MessageReceived(peer=town["beta"].peer, channel=Channel.PRIORITY, message=message))
    town.world.run(SECOND)
    assert context.counters["sync_sessions"] - before == sessions
