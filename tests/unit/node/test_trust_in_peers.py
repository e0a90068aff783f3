"""What a node asks before it believes: a protocol that both speak, and a chain that holds what the ticket names."""

from __future__ import annotations

import msgspec

from mesh.protocol.effects import Send
from mesh.protocol.messages import PROTOCOL_VERSION, Hello, Refusal
from tests.support.small_swarms import Town
from tests.support.small_world import Host
from wire import cbor
from wire.frame import pack_message, unpack_message
from wire.ids import PeerId
from wire.time import SECOND
from wire.types import MessageType


def test_a_hello_of_another_protocol_version_is_refused_with_the_version_spoken_here() -> None:
    town = Town("alpha", "beta")
    town.form()
    town.world.stop(town["beta"])
    refusals: list[Refusal] = []

    def newer(host: Host, peer: PeerId, effect: Send) -> bytes:
        """beta's build is of the next protocol version."""
        code, payload = unpack_message(effect.message)
        if code == MessageType.REFUSAL and host is town["alpha"]:
            refusals.append(cbor.decode_as(payload, Refusal))
        if code != MessageType.HELLO or host is not town["beta"]:
            return effect.message
        hello = msgspec.structs.replace(cbor.decode_as(payload, Hello), protocol_version=PROTOCOL_VERSION + 1)
        return pack_message(MessageType.HELLO, cbor.encode_struct(hello))

    town.world.tamper = newer
    town.world.start(town["beta"])
    town.world.run_until(lambda: bool(refusals), 10 * SECOND)
    assert refusals[0].code == "other-version"
    assert refusals[0].reason == "this node speaks protocol version 1, not 2: update the older"
    assert not town.node("alpha").context.links.members()
    town.world.tamper = None
    town.settle()
