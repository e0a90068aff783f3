"""What a peer may write on a lane: frames, and nothing that only looks like them."""

from __future__ import annotations

import pytest
import zstandard

from mesh.protocol.events import MessageReceived, StreamOffence
from mesh.runtime import reader
from tests.support.bare_libp2p import within
from tests.support.hostile import connected_attacker
from tests.support.station import open_station, serving
from wire import cbor
from wire.errors import Offence
from wire.frame import MAX_BODY, MAX_MESSAGES, encode_frame
from wire.types import Channel

PATIENCE_S = 90


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def zstd(size: int, *, declared: bool) -> bytes:
    """A frame body that grows to `size` zeros."""
    return b"\1" + zstandard.ZstdCompressor(write_content_size=declared).compress(bytes(size))


BAD_FRAMES: dict[str, tuple[bytes, Offence]] = {
    "length-4-gib": (b"\xff\xff\xff\xff", Offence.OVERSIZE),
    "length-over-limit": ((MAX_BODY + 1).to_bytes(4, "big"), Offence.OVERSIZE),
    "length-zero": (bytes(4), Offence.OVERSIZE),
    "flag-unknown": (framed(b"\7" + cbor.encode([b"x"])), Offence.DECODE),
    "not-cbor": (framed(b"\0" + b"\xff" * 20), Offence.DECODE),
    "not-an-array": (framed(b"\0" + cbor.encode(b"x")), Offence.DECODE),
    "array-empty": (framed(b"\0" + cbor.encode([])), Offence.DECODE),
    "array-too-long": (framed(b"\0" + cbor.encode([b""] * (MAX_MESSAGES + 1))), Offence.DECODE),
    "message-not-bytes": (framed(b"\0" + cbor.encode([7])), Offence.DECODE),
    "cbor-nested-deep": (framed(b"\0" + b"\x81" * 100_000), Offence.DECODE),
    "cbor-array-of-2-to-the-60": (framed(b"\0" + b"\x9b\x10" + bytes(7)), Offence.DECODE),
    "zstd-garbage": (framed(b"\1" + b"garbage"), Offence.DECODE),
    "zstd-bomb-declared": (framed(zstd(16 * MAX_BODY, declared=True)), Offence.OVERSIZE),
    "zstd-bomb-undeclared": (framed(zstd(16 * MAX_BODY, declared=False)), Offence.OVERSIZE),
}


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
