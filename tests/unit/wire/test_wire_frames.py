"""Frames: what is packed comes out, bad ones are refused with their offence, and no bomb goes off."""

from __future__ import annotations

import tracemalloc

import cbor2
import pytest
import zstandard

from tests.support.bad_frames import BAD_FRAMES, zstd
from wire import cbor
from wire.errors import DecodeError, Offence
from wire.frame import (
    COMPRESS_ABOVE,
    LENGTH_SIZE,
    MAX_BODY,
    MAX_MESSAGES,
    body_size,
    code_of,
    decode_frame,
    encode_frame,
    pack_message,
    unpack_message,
)
from wire.rng import Rng

NOISE = Rng(2).bytes(4096)


def read(frame: bytes, limit: int = MAX_BODY) -> list[bytes]:
    """As from a stream: the length first."""
    size = body_size(frame[:LENGTH_SIZE], limit)
    assert len(frame) == LENGTH_SIZE + size
    return decode_frame(frame[LENGTH_SIZE:], limit)


# messages


@pytest.mark.parametrize(
    ("code", "payload", "spelling"),
    [(1, b"", "820140"), (35, b"ab", "821823426162"), ((1 << 16) - 1, b"\0", "8219ffff4100")],
)
def test_a_message_is_its_code_and_payload(code: int, payload: bytes, spelling: str) -> None:
    assert pack_message(code, payload).hex() == spelling
    assert unpack_message(bytes.fromhex(spelling)) == (code, payload)


@pytest.mark.parametrize("code", [0, 1, 23, 24, 35, 255])
def test_the_code_of_a_message_is_seen_without_reading_it(code: int) -> None:
    assert code_of(pack_message(code, b"payload")) == code


@pytest.mark.parametrize("message", [b"", b"\x82", b"\x82\x18"])
def test_what_ends_before_its_code_has_none(message: bytes) -> None:
    assert code_of(message) == -1


def test_a_code_that_nobody_knows_is_read_all_the_same() -> None:
    assert unpack_message(pack_message(60_000, b"later")) == (60_000, b"later")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([], id="nothing"),
        pytest.param([1], id="no payload"),
        pytest.param([1, b"", b""], id="one part more"),
        pytest.param([-1, b""], id="a negative code"),
        pytest.param([1 << 16, b""], id="a code of 17 bits"),
        pytest.param([True, b""], id="a truth value as code"),
        pytest.param(["1", b""], id="text as code"),
        pytest.param([1.0, b""], id="a float as code"),
        pytest.param([1, "text"], id="text as payload"),
        pytest.param([1, None], id="null as payload"),
        pytest.param({"a": 1}, id="a map"),
        pytest.param(b"bytes", id="bytes"),
    ],
)
def test_what_is_no_message_is_refused(value: object) -> None:
    with pytest.raises(DecodeError) as caught:
        unpack_message(cbor2.dumps(value))
    assert caught.value.offence is Offence.DECODE


def test_a_message_has_the_limit_that_its_reader_names() -> None:
    message = pack_message(1, bytes(100))
    assert unpack_message(message, len(message)) == (1, bytes(100))
    with pytest.raises(DecodeError) as caught:
        unpack_message(message, len(message) - 1)
    assert caught.value.offence is Offence.OVERSIZE


# frames


MESSAGES: dict[str, list[bytes]] = {
    "one": [b"a"],
    "one of nothing": [b""],
    "many": [b"%d" % number for number in range(MAX_MESSAGES)],
    "what compresses": [b"again " * 500],
    "what does not": [NOISE],
}


@pytest.mark.parametrize("messages", MESSAGES.values(), ids=MESSAGES)
@pytest.mark.parametrize("compress", [True, False])
def test_messages_come_out_as_they_went_in(messages: list[bytes], compress: bool) -> None:
    assert read(encode_frame(messages, compress=compress)) == messages


@pytest.mark.parametrize(
    ("message", "compress", "flag"),
    [
        pytest.param(bytes(COMPRESS_ABOVE - 4), True, 0, id="too small to try"),
        pytest.param(bytes(COMPRESS_ABOVE - 3), True, 1, id="just large enough"),
        pytest.param(bytes(COMPRESS_ABOVE - 3), False, 0, id="not wanted"),
        pytest.param(NOISE, True, 0, id="noise"),
        pytest.param(NOISE + bytes(300), True, 0, id="noise with less than a tenth of zeros"),
        pytest.param(NOISE + bytes(600), True, 1, id="noise with more than a tenth of zeros"),
    ],
)
def test_a_frame_is_compressed_where_that_pays(message: bytes, compress: bool, flag: int) -> None:
    frame = encode_frame([message], compress=compress)
    assert frame[LENGTH_SIZE] == flag
    assert len(frame) <= LENGTH_SIZE + 1 + 1 + 3 + len(message)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([], id="none"),
        pytest.param([b""] * (MAX_MESSAGES + 1), id="too many"),
        pytest.param([bytes(MAX_BODY)], id="too large"),
    ],
)
def test_a_frame_that_nobody_would_read_is_never_written(messages: list[bytes]) -> None:
    with pytest.raises(AssertionError):
        encode_frame(messages)


def test_the_largest_frame_is_read() -> None:
    message = bytes(MAX_BODY - 7)
    frame = encode_frame([message], compress=False)
    assert len(frame) == LENGTH_SIZE + MAX_BODY
    assert read(frame) == [message]


@pytest.mark.parametrize(
    ("size", "limit"),
    [(0, MAX_BODY), (1, MAX_BODY), (MAX_BODY + 1, MAX_BODY), ((1 << 32) - 1, MAX_BODY), (101, 100)],
)
def test_a_length_is_judged_before_a_body_is_read(size: int, limit: int) -> None:
    with pytest.raises(DecodeError, match=f"frame of {size} bytes where 2 to {limit} are allowed") as caught:
        body_size(size.to_bytes(LENGTH_SIZE, "big"), limit)
    assert caught.value.offence is Offence.OVERSIZE


@pytest.mark.parametrize(("size", "limit"), [(2, MAX_BODY), (MAX_BODY, MAX_BODY), (100, 100)])
def test_a_length_within_its_bounds_passes(size: int, limit: int) -> None:
    assert body_size(size.to_bytes(LENGTH_SIZE, "big"), limit) == size


@pytest.mark.parametrize(("frame", "offence"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_bad_frame_is_refused(frame: bytes, offence: Offence) -> None:
    with pytest.raises(DecodeError) as caught:
        read(frame)
    assert caught.value.offence is offence


def packed(content: bytes) -> bytes:
    """The body of a compressed frame."""
    return b"\1" + zstandard.ZstdCompressor(level=1).compress(content)


CONTENT = cbor.encode([bytes(2000)])
BAD_BODIES = {
    "nothing": b"",
    "a flag alone": b"\0",
    "a flag of zstd alone": b"\1",
    "zstd without the flag": packed(CONTENT)[1:],
    "zstd cut short": packed(CONTENT)[:-1],
    "zstd with a byte behind": packed(CONTENT) + b"\0",
    "zstd twice": packed(CONTENT) + packed(CONTENT)[1:],
    "zstd of zstd": packed(packed(CONTENT)[1:]),
    "zstd of nothing": packed(b""),
    "more behind the array": b"\0" + CONTENT + b"\0",
    "a map": b"\0" + cbor.encode({"a": b""}),
    "text among the messages": b"\0" + cbor.encode([b"", ""]),
    "an array among the messages": b"\0" + cbor.encode([b"", [b""]]),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_body_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_frame(body)
    assert caught.value.offence is Offence.DECODE


def test_what_is_decompressed_has_the_limit_of_the_frame() -> None:
    body = packed(CONTENT)
    assert decode_frame(body, len(CONTENT)) == [bytes(2000)]
    with pytest.raises(DecodeError, match="declares 2004 bytes where 2003 are allowed") as caught:
        decode_frame(body, len(CONTENT) - 1)
    assert caught.value.offence is Offence.OVERSIZE


def test_what_is_not_compressed_has_it_too() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_frame(b"\0" + CONTENT, len(CONTENT) - 1)
    assert caught.value.offence is Offence.OVERSIZE


def lying(declared: int, content: bytes) -> bytes:
    """A compressed body that declares another size than it has (a single segment, with a size of 8 bytes)."""
    honest = zstandard.ZstdCompressor(level=1).compress(content)
    parameters = zstandard.get_frame_parameters(honest)
    header = zstandard.frame_header_size(honest)
    assert parameters.content_size == len(content)
    return b"\1" + honest[:4] + b"\xe0" + declared.to_bytes(8, "little") + honest[header:]


@pytest.mark.parametrize("declared", [0, 1, 1000, 2003, 2005, MAX_BODY])
def test_a_declared_size_is_not_trusted(declared: int) -> None:
    assert decode_frame(lying(len(CONTENT), CONTENT)) == [bytes(2000)]
    with pytest.raises(DecodeError):
        decode_frame(lying(declared, CONTENT))


BOMBS = {
    "that says so": zstd(64 * MAX_BODY, declared=True),
    "that says nothing": zstd(64 * MAX_BODY, declared=False),
    "that says less": lying(100, bytes(64 * MAX_BODY)),
    "that says 2^63": lying(1 << 63, bytes(64 * MAX_BODY)),
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_no_bomb_takes_more_memory_than_a_frame(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode_frame(body)
        assert tracemalloc.get_traced_memory()[1] < 2 * MAX_BODY
    finally:
        tracemalloc.stop()
