"""Gossip of strangers and of members that went bad: who hears it, whom it makes us dial, what reaches the node."""

from __future__ import annotations

import itertools

import trio
from libp2p.abc import ISubscriptionAPI

from mesh.protocol.events import GossipReceived, PeerUp
from tests.support.bare_libp2p import bare_host, ed25519_keys, within
from tests.support.hostile import (
    IDENTIFY,
    Attacker,
    connected_attacker,
    control,
    field,
    prune_with_exchange,
    signed_by,
    subscriptions,
)
from tests.support.station import EVERYBODY, TOPIC, Station, open_station, serving
from wire.ids import PeerId

PATIENCE_S = 60


async def test_a_recommendation_in_a_prune_is_not_followed() -> None:
    with within(PATIENCE_S):
        async with (
            open_station(1, trusts=EVERYBODY) as victim,
            bare_host(ed25519_keys(67)) as decoy,
            serving(victim.address),
        ):
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
        async with open_station(1, trusts=EVERYBODY, check=check) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                await attacker.bare.pubsub.subscribe(TOPIC)
                await attacker.bare.pubsub.wait_for_mesh(attacker.victim, TOPIC)
                for text in (b"poison", b"food"):
                    await attacker.bare.pubsub.publish(TOPIC, text)
                await victim.until(GossipReceived, message=b"food")
        assert b"poison" not in [event.message for event in victim.events if isinstance(event, GossipReceived)]


async def test_what_the_validator_refuses_is_not_handed_on() -> None:
    with within(PATIENCE_S):
        async with open_station(1, trusts=EVERYBODY, check=lambda _, __, message: message != b"spam") as victim:
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
        async with open_station(1, trusts=EVERYBODY) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                await attacker.bare.pubsub.subscribe("other")
                await attacker.bare.pubsub.publish("other", b"x")
                await attacker.speak(IDENTIFY)
        assert {event.topic for event in victim.events if isinstance(event, GossipReceived)} == {TOPIC}


async def heard_by(
    attacker: Attacker, subscription: ISubscriptionAPI, speaker: Station, honest: Station
) -> list[bytes]:
    """What the attacker has read by the time an honest station heard the same and more."""
    await honest.converse(speaker.peer)
    speaker.network.publish(TOPIC, b"secret")
    await honest.until(GossipReceived, message=b"secret")
    await attacker.speak(IDENTIFY)  # answered after all that was sent before
    heard = []
    with trio.move_on_after(0):
        while True:
            heard.append((await subscription.get()).data)
    return heard


async def test_a_stranger_hears_nothing_and_is_not_heard() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, open_station(2) as honest:
            await honest.link(victim.address)
            async with connected_attacker(victim.address, TOPIC) as attacker:
                subscription = await attacker.bare.pubsub.subscribe(TOPIC)
                await attacker.send_rpc(
                    subscriptions([TOPIC]), control(3, field(1, TOPIC.encode())), signed_by(1, TOPIC, b"news")
                )
                assert await heard_by(attacker, subscription, victim, honest) == []
        assert b"news" not in [event.message for event in victim.events if isinstance(event, GossipReceived)]


async def test_what_a_peer_said_before_it_was_trusted_counts_afterwards() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address, TOPIC) as attacker:
            subscription = await attacker.bare.pubsub.subscribe(TOPIC)
            await attacker.send_rpc(subscriptions([TOPIC]), signed_by(1, TOPIC, b"news"))
            stranger = attacker.bare.host.get_id()
            victim.network.set_trusted(PeerId(str(stranger)), True)
            await victim.until(GossipReceived, message=b"news")
            await victim.gossip.wait_for_mesh(stranger, TOPIC)
            victim.network.publish(TOPIC, b"secret")
            while (await subscription.get()).data != b"secret":
                pass


async def test_who_is_trusted_no_more_hears_no_more() -> None:
    with within(PATIENCE_S):
        async with open_station(1, trusts=EVERYBODY) as victim, open_station(2) as honest:
            await honest.link(victim.address)
            async with connected_attacker(victim.address, TOPIC) as attacker:
                subscription = await attacker.bare.pubsub.subscribe(TOPIC)
                await victim.gossip.wait_for_mesh(attacker.bare.host.get_id(), TOPIC)
                victim.network.publish(TOPIC, b"for members")
                while (await subscription.get()).data != b"for members":
                    pass
                victim.network.set_trusted(PeerId(str(attacker.bare.host.get_id())), False)
                await attacker.bare.pubsub.subscribe(TOPIC)
                assert b"secret" not in await heard_by(attacker, subscription, victim, honest)
