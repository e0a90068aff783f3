"""Gossip from strangers: whom it makes us dial, what reaches the node, and what a wrong validator costs."""

from __future__ import annotations

import itertools

import trio

from mesh.protocol.events import GossipReceived, PeerUp
from tests.support.bare_libp2p import bare_host, ed25519_keys, within
from tests.support.hostile import IDENTIFY, connected_attacker, prune_with_exchange
from tests.support.station import TOPIC, open_station, serving
from wire.ids import PeerId

PATIENCE_S = 60


async def test_a_recommendation_in_a_prune_is_not_followed() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, bare_host(ed25519_keys(67)) as decoy, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                place = decoy.address.partition("/p2p/")[0]
                await attacker.send_rpc(prune_with_exchange(TOPIC, decoy, [place]))
                await attacker.speak(IDENTIFY)  # taken after the prune
        assert not decoy.host.get_network().get_connections()
        assert not [event for event in victim.events if isinstance(event, PeerUp) and not event.inbound]


async def test_a_validator_that_raises_rejects_the_message_and_nothing_else() -> None:
    def check(forwarder: PeerId, topic: str, message: bytes) -> bool:
        if message == b"poison":
            raise ZeroDivisionError
        return True

    with within(PATIENCE_S):
        async with open_station(1, check=check) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                await attacker.bare.pubsub.subscribe(TOPIC)
                await attacker.bare.pubsub.wait_for_mesh(attacker.victim, TOPIC)
                for text in (b"poison", b"food"):
                    await attacker.bare.pubsub.publish(TOPIC, text)
                await victim.until(GossipReceived, message=b"food")
        assert b"poison" not in [event.message for event in victim.events if isinstance(event, GossipReceived)]


async def test_what_the_validator_refuses_is_not_handed_on() -> None:
    with within(PATIENCE_S):
        async with open_station(1, check=lambda _, __, message: message != b"spam") as victim:
            async with open_station(2) as other, connected_attacker(victim.address, TOPIC) as attacker:
                await other.link(victim.address)
                await attacker.bare.pubsub.subscribe(TOPIC)
                await attacker.bare.pubsub.wait_for_mesh(attacker.victim, TOPIC)
                for number in itertools.count():
                    await attacker.bare.pubsub.publish(TOPIC, b"spam")
                    await attacker.bare.pubsub.publish(TOPIC, b"news %d" % number)
                    with trio.move_on_after(0.2):
                        await other.until(GossipReceived, message=b"news %d" % number)
                        break
        assert b"spam" not in [event.message for event in other.events if isinstance(event, GossipReceived)]


async def test_topics_that_nobody_asked_for_do_not_arrive() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                await attacker.bare.pubsub.subscribe("other")
                await attacker.bare.pubsub.publish("other", b"x")
                await attacker.speak(IDENTIFY)
        assert {event.topic for event in victim.events if isinstance(event, GossipReceived)} == {TOPIC}
