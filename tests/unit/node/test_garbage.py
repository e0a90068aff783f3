"""Whatever arrives, on whatever channel, from whomever: the node counts it and lives."""

from __future__ import annotations

from contextlib import suppress

import pytest

from mesh.protocol.commands import MemoryPut, Success
from mesh.protocol.events import GossipReceived, MessageReceived, PeerUp, StreamOffence
from mesh.protocol.topics import state_topic
from tests.support.small_swarms import Town
from wire import cbor
from wire.errors import Offence, RemoteError
from wire.frame import pack_message
from wire.ids import PeerId, peer_id_of
from wire.keys import SigningKey
from wire.rng import Rng
from wire.time import SECOND
from wire.types import Channel, MessageType

STRANGER = peer_id_of(SigningKey(b"s" * 32).public)
PAYLOADS = (b"", b"\x80", b"\xf6", b"\x00", cbor.encode([1, b"x" * 32, "text", None, [], True]), b"\xff" * 64)


def town_with_stranger() -> Town:
    town = Town("alpha", "beta")
    town.form()
    town.world.deliver(town["alpha"], PeerUp(peer=STRANGER, address="/ip4/10.0.9.9/tcp/1", inbound=True))
    return town


def still_works(town: Town) -> None:
    outcome = town.world.ask(town["alpha"], MemoryPut(key="alive", value=b"1"))
    assert isinstance(outcome, Success), outcome
    town.world.heal()
    town.world.run_until(town.equal, 60 * SECOND)


@pytest.mark.parametrize("kind", list(MessageType), ids=lambda kind: kind.name)
@pytest.mark.parametrize("sender", ["stranger", "beta"])
def test_every_type_on_every_channel(kind: MessageType, sender: str) -> None:
    town = town_with_stranger()
    peer = STRANGER if sender == "stranger" else town["beta"].peer
    for channel in (Channel.MESH, Channel.PRIORITY, Channel.SYNC, Channel.JOIN):
        for payload in PAYLOADS:
            event = MessageReceived(peer=peer, channel=channel, message=pack_message(kind, payload))
            town.world.deliver(town["alpha"], event)
    topic = state_topic(town.node("alpha").context.federation)
    for payload in PAYLOADS:
        message = pack_message(kind, payload)
        with suppress(RemoteError):
            town.node("alpha").check_gossip(peer, topic, message)
        town.world.deliver(town["alpha"], GossipReceived(forwarder=peer, topic=topic, message=message))
    still_works(town)


@pytest.mark.parametrize("seed", range(20))
def test_mutations_of_what_a_member_really_says(seed: int) -> None:
    town = town_with_stranger()
    rng = Rng(seed)
    taken: list[tuple[Channel, bytes]] = []
    town.world.tamper = lambda host, peer, send: taken.append((send.channel, send.message)) or send.message  # type: ignore[func-returns-value]
    town.world.ask(town["beta"], MemoryPut(key="k", value=b"[1, 2, 3]"))
    town.world.run(3 * SECOND)
    town.world.tamper = None
    for channel, message in taken[:60]:
        mutated = bytearray(message)
        for _ in range(1 + rng.randbelow(4)):
            mutated[rng.randbelow(len(mutated))] ^= 1 << rng.randbelow(8)
        for peer in (STRANGER, town["beta"].peer):
            event = MessageReceived(peer=peer, channel=channel, message=bytes(mutated))
            town.world.deliver(town["alpha"], event)
    still_works(town)


def test_a_stranger_is_sent_off_when_it_says_nothing() -> None:
    town = town_with_stranger()
    town.world.run(15 * SECOND)
    assert PeerId(STRANGER) not in {link.peer for link in town.node("alpha").context.links.all() if link.swarm}


def test_offences_of_the_stream_layer_add_up_to_a_ban() -> None:
    town = town_with_stranger()
    for _ in range(20):
        town.world.deliver(
            town["alpha"], StreamOffence(peer=STRANGER, offence=Offence.OVERSIZE, detail="a frame of 5 MiB")
        )
    node = town.node("alpha")
    assert node.context.counters["offence_oversize"] == 20
    assert node.context.scores.banned(STRANGER, town.world.now)
    still_works(town)


def test_an_unknown_type_is_counted_and_ignored() -> None:
    town = town_with_stranger()
    before = town.node("alpha").context.scores.score(town["beta"].peer, town.world.now)
    event = MessageReceived(peer=town["beta"].peer, channel=Channel.MESH, message=pack_message(999, b"later"))
    town.world.deliver(town["alpha"], event)
    node = town.node("alpha")
    assert node.context.counters["unknown_messages"] == 1
    assert node.context.scores.score(town["beta"].peer, town.world.now) == before
