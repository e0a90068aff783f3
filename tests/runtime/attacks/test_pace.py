"""What a member may say in a second: far more than an honest one has to, and then it waits."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from mesh.protocol.events import MessageReceived, StreamOffence
from mesh.runtime import reader
from mesh.runtime.tokens import Tokens
from tests.support.bare_libp2p import within
from tests.support.hostile import connected_attacker
from tests.support.station import open_station, serving
from wire.errors import Offence
from wire.frame import encode_frame, pack_message
from wire.ids import PeerId
from wire.types import Channel

PATIENCE_S = 60


def test_tokens_run_out_and_come_back() -> None:
    tokens = Tokens(burst=10, rate=5)
    assert [tokens.take(10, 0), tokens.take(5, 0), tokens.take(0, 1)] == [0, 1, 0]
    assert tokens.take(5, 2) == 0
    assert tokens.debt(1000) == 0
    assert tokens.take(11, 1000) == pytest.approx(0.2)


async def test_a_member_that_floods_is_slowed_and_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MEMBER_BURST", 100)
    monkeypatch.setattr(reader, "MEMBER_MESSAGES_S", 100)
    frame = encode_frame([pack_message(999, b"x")] * 50)
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker, serving(victim.address):
            peer = PeerId(str(attacker.bare.peer))
            victim.network.set_trusted(peer, True)
            attacker.take(Channel.MESH)
            lane = await attacker.speak(Channel.MESH)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_say_for_ever, lane, frame)
                await victim.until(StreamOffence, peer=str(peer), offence=Offence.FLOOD)
                heard = sum(isinstance(event, MessageReceived) and event.peer == peer for event in victim.events)
                nursery.cancel_scope.cancel()
            assert 100 <= heard <= 400


async def test_what_a_member_was_asked_for_has_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MEMBER_BURST", 10)
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker, serving(victim.address):
            victim.network.set_trusted(PeerId(str(attacker.bare.peer)), True)
            attacker.take(Channel.SYNC)
            lane = await attacker.speak(Channel.SYNC)
            for _ in range(20):
                await lane.write(encode_frame([pack_message(999, b"x")] * 50))
            await lane.write(encode_frame([pack_message(998, b"x")]))
            await victim.until(MessageReceived, message=pack_message(998, b"x"))
            assert not [event for event in victim.events if isinstance(event, StreamOffence)]


async def test_members_within_bounds_are_not_charged() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker, serving(victim.address):
            peer = PeerId(str(attacker.bare.peer))
            victim.network.set_trusted(peer, True)
            attacker.take(Channel.MESH)
            lane = await attacker.speak(Channel.MESH)
            for _ in range(10):
                await lane.write(encode_frame([pack_message(999, b"x")] * 50))
            await lane.write(encode_frame([pack_message(998, b"x")]))
            await victim.until(MessageReceived, message=pack_message(998, b"x"))
            assert not [event for event in victim.events if isinstance(event, StreamOffence)]


async def test_a_frame_cut_short_is_counted() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, connected_attacker(victim.address) as attacker:
            attacker.take(Channel.MESH)
            for content in (encode_frame([b"x" * 100])[:-1], encode_frame([b"whole"])):
                lane = await attacker.speak(Channel.MESH)
                await lane.write(content)
                await lane.close()
            await victim.until(MessageReceived, message=b"whole")
            while victim.network.stats["frames_cut_short"] != 1:
                await trio.lowlevel.checkpoint()


async def _say_for_ever(lane: object, frame: bytes) -> None:
    with suppress(Exception):  # the window closes when nobody reads
        while True:
            await lane.write(frame)  # type: ignore[attr-defined]
