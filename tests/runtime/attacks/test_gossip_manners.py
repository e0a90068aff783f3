"""Gossip that is forged, or too much: whoever handed it on is named, and waits."""

from __future__ import annotations

import pytest
import trio

from mesh.protocol.events import GossipReceived, StreamOffence
from mesh.runtime.hardening import pubsub
from tests.support.bare_libp2p import within
from tests.support.hostile import Attacker, connected_attacker, signed_by
from tests.support.station import TOPIC, Station, open_station, serving
from wire.errors import BadSignature, Offence
from wire.ids import PeerId

PATIENCE_S = 60


async def join_topic(victim: Station, attacker: Attacker) -> PeerId:
    """Be in the victim's mesh, as a member is."""
    peer = PeerId(str(attacker.bare.peer))
    victim.network.set_trusted(peer, True)
    await attacker.bare.pubsub.subscribe(TOPIC)
    await attacker.bare.pubsub.wait_for_mesh(attacker.victim, TOPIC)
    return peer


async def test_forged_gossip_is_an_offence_of_the_forwarder() -> None:
    def check(forwarder: PeerId, topic: str, message: bytes) -> bool:
        if message == b"forged":
            raise BadSignature("by somebody else")
        return True

    with within(PATIENCE_S):
        async with open_station(1, check=check) as victim, serving(victim.address):
            async with connected_attacker(victim.address, TOPIC) as attacker:
                peer = await join_topic(victim, attacker)
                await attacker.bare.pubsub.publish(TOPIC, b"forged")
                await victim.until(StreamOffence, peer=peer, offence=Offence.SIGNATURE)
                assert not [event for event in victim.events if getattr(event, "message", b"") == b"forged"]


async def test_a_flood_of_gossip_is_dropped_slowed_and_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "BURST", 50)
    monkeypatch.setattr(pubsub, "MESSAGES_S", 50)
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address, TOPIC) as attacker:
            peer = await join_topic(victim, attacker)
            many = b"".join(signed_by(number, TOPIC) for number in range(200))
            await attacker.send_rpc(many, b"")
            await victim.until(StreamOffence, peer=peer, offence=Offence.FLOOD)
            heard = [event for event in victim.events if isinstance(event, GossipReceived)]
            assert len(heard) <= 60
            assert victim.network.stats["dropped_gossip"] >= 140


async def test_gossip_within_bounds_all_arrives() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address, TOPIC) as attacker:
            await join_topic(victim, attacker)
            await attacker.send_rpc(b"".join(signed_by(number, TOPIC) for number in range(200)))
            while sum(isinstance(event, GossipReceived) for event in victim.events) < 200:
                await trio.lowlevel.checkpoint()
