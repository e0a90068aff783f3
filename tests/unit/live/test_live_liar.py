"""The liar of live federations: what its node says comes out crooked, in gossip too; what it hears is true."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from bootstrap.live.liar import CrookedTongue
from mesh.protocol.events import NetworkEvent, PeerDown
from wire.ids import PeerId
from wire.rng import Rng
from wire.types import Channel

MESSAGES = [bytes([0, 1]) + b"message %d" % number for number in range(200)]
PEER = PeerId("12D3")
HEARD = PeerDown(peer=PEER, reason="gone")


@dataclass
class Wire:
    """A network that keeps what it is told."""

    sent: list[bytes] = field(default_factory=list)
    published: list[bytes] = field(default_factory=list)
    told: list[tuple[object, ...]] = field(default_factory=list)

    async def receive(self) -> NetworkEvent:
        return HEARD

    def send(self, peer: PeerId, channel: Channel, message: bytes) -> None:
        self.sent.append(message)

    def publish(self, topic: str, message: bytes) -> None:
        self.published.append(message)

    def subscribe(self, topic: str) -> None:
        self.told.append((topic,))

    def dial(self, peer: PeerId, addresses: tuple[str, ...]) -> None:
        self.told.append((peer, addresses))

    def disconnect(self, peer: PeerId, reason: str) -> None:
        self.told.append((peer, reason))

    def set_trusted(self, peer: PeerId, trusted: bool) -> None:
        self.told.append((peer, trusted))


def said(rate: float) -> Wire:
    wire = Wire()
    tongue = CrookedTongue(wire, Rng(1), rate)
    for message in MESSAGES:
        tongue.send(PEER, Channel.MESH, message)
        tongue.publish("topic", message)
    return wire


def test_some_of_what_it_says_is_a_lie_and_most_is_true() -> None:
    wire = said(0.3)
    for words in (wire.sent, wire.published):
        assert len(MESSAGES) / 2 < len(set(words) & set(MESSAGES)) < len(MESSAGES)
        assert set(words) - set(MESSAGES)


def test_a_rate_of_nothing_is_the_truth() -> None:
    wire = said(0.0)
    assert (wire.sent, wire.published) == (MESSAGES, MESSAGES)


def test_all_else_passes_as_it_is() -> None:
    wire = Wire()
    tongue = CrookedTongue(wire, Rng(1))
    tongue.subscribe("topic")
    tongue.dial(PEER, ("here",))
    tongue.disconnect(PEER, "bye")
    tongue.set_trusted(PEER, True)
    assert wire.told == [("topic",), (PEER, ("here",)), (PEER, "bye"), (PEER, True)]
    assert trio.run(tongue.receive) is HEARD
