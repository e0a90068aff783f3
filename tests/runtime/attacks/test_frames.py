"""What a peer may write on a lane: frames, and nothing that only looks like them."""

from __future__ import annotations

import pytest

from mesh.protocol.events import MessageReceived, StreamOffence
from mesh.runtime import reader
from tests.support.bad_frames import BAD_FRAMES
from tests.support.bare_libp2p import within
from tests.support.hostile import connected_attacker
from tests.support.station import open_station, serving
from wire.frame import encode_frame
from wire.types import Channel

PATIENCE_S = 90


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_a_bad_frame_is_an_offence_and_ends_the_lane_only(name: str) -> None:
    frame, offence = BAD_FRAMES[name]
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                await (await attacker.speak(Channel.MESH)).write(frame)
                reported = await victim.until(StreamOffence, peer=str(attacker.bare.peer))
                assert reported.offence is offence


async def test_a_frame_that_trickles_in_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FRAME_S", 0.5)
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                await (await attacker.speak(Channel.MESH)).write(encode_frame([b"x" * 100])[:9])
                await victim.until(StreamOffence, peer=str(attacker.bare.peer))


async def test_a_frame_cut_short_is_no_message() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with connected_attacker(victim.address) as attacker:
                lane = await attacker.speak(Channel.MESH)
                await lane.write(encode_frame([b"x" * 100])[:-1])
                await lane.close()
                whole = await attacker.speak(Channel.MESH)
                await whole.write(encode_frame([b"y"]))
                await victim.until(MessageReceived, peer=str(attacker.bare.peer), message=b"y")
                assert not [e for e in victim.events if isinstance(e, MessageReceived) and b"x" * 9 in e.message]
