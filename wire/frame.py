"""Frames: how messages travel on a stream.

    frame   = u32 big-endian length ‖ body           body ≤ 4 MiB
    body    = flag (0 plain, 1 zstd) ‖ content       content ≤ 4 MiB after decompression
    content = deterministic CBOR array of messages (byte strings), 1 … 256 of them
    message = deterministic CBOR [type code, payload byte string]

Several messages share a frame when they are sent together; compression is used when it makes the frame smaller, which
a large frame must first show on a sample: what does not compress takes longer to try than to send.
A message of an unknown type code is the receiver's to count and ignore, so that nodes can be upgraded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import zstandard

from wire import cbor
from wire.errors import DecodeError, Offence

LENGTH_SIZE = 4
MAX_BODY = 4 * 1024 * 1024  # bytes
MAX_MESSAGES = 256
COMPRESS_ABOVE = 512  # bytes: below this, zstd does not pay
SAMPLE_ABOVE = 64 * 1024  # bytes: what is larger is judged by …
SAMPLE_SLICES, SLICE = 8, 2048  # … so many slices of so many bytes

MAX_CODE = 1 << 16

_PLAIN, _ZSTD = b"\0", b"\1"
_PAIR = b"\x82"  # the head of a CBOR array of two
_VALUE_SIZES = {24: 1, 25: 2, 26: 4}  # what the low bits of a head say of the bytes behind it (RFC 8949 §3)


def pack_message(code: int, payload: bytes) -> bytes:
    """A message of type `code` (see `wire.types`)."""
    return _beginning(code, len(payload)) + payload


@lru_cache(maxsize=4096)
def _beginning(code: int, size: int) -> bytes:
    """What stands before a payload of `size` bytes; most messages are small, and of few types."""
    return _PAIR + cbor.head(0, code) + cbor.head(2, size)


def unpack_message(message: bytes, limit: int = MAX_BODY) -> tuple[int, bytes]:
    """(type code, payload) of a message; raises DecodeError."""
    if len(message) > limit:
        raise DecodeError(f"{len(message)} bytes where {limit} are allowed", Offence.OVERSIZE)
    try:
        code, at = _value(message, 1)
        size, at = _value(message, at)
    except IndexError as error:
        raise DecodeError("not a [type code, payload] message") from error
    # Whatever else its beginning may be: it has one spelling.
    if code >= MAX_CODE or message[:at] != _beginning(code, size) or len(message) - at != size:
        raise DecodeError("not a [type code, payload] message")
    return code, message[at:]


def code_of(message: bytes) -> int:
    """The type code of a message that is well-formed; whatever stands in its place in another, -1 behind its end."""
    at = 2 if message[1:2] == b"\x18" else 1
    return message[at] if len(message) > at else -1


def _value(message: bytes, at: int) -> tuple[int, int]:
    """The value in the CBOR head at `at`, and where what follows it begins; raises IndexError behind the end."""
    value = message[at] & 31
    size = _VALUE_SIZES.get(value)
    if size is None:
        return value, at + 1
    return int.from_bytes(message[at + 1 : at + 1 + size], "big"), at + 1 + size


def encode_frame(messages: Sequence[bytes], *, compress: bool = True) -> bytes:
    """`messages` as one frame, length prefix included."""
    assert 0 < len(messages) <= MAX_MESSAGES, "a frame holds 1 to 256 messages"
    content = cbor.encode(list(messages))
    assert len(content) < MAX_BODY, "messages of a frame are over 4 MiB together"
    flag = _PLAIN
    if compress and len(content) > COMPRESS_ABOVE:
        packed = _compressed(content)
        if packed is not None:
            flag, content = _ZSTD, packed
    return b"".join(((1 + len(content)).to_bytes(LENGTH_SIZE, "big"), flag, content))


def body_size(prefix: bytes, limit: int = MAX_BODY) -> int:
    """The length in a frame's 4-byte prefix; raises DecodeError (oversize) before anything is allocated."""
    size = int.from_bytes(prefix, "big")
    if not 1 < size <= limit:
        raise DecodeError(f"frame of {size} bytes where 2 to {limit} are allowed", Offence.OVERSIZE)
    return size


def decode_frame(body: bytes, limit: int = MAX_BODY) -> list[bytes]:
    """The messages in a frame's body (without the length prefix).

    Raises:
        DecodeError: unknown flag, not zstd, more than `limit` bytes once decompressed, or not an array of messages.
    """
    flag, content = body[:1], body[1:]
    if flag == _ZSTD:
        content = _decompress(content, limit)
    elif flag != _PLAIN:
        raise DecodeError("unknown frame flag")
    messages = cbor.decode(content, limit)
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise DecodeError("a frame holds an array of 1 to 256 messages")
    if not all(type(message) is bytes for message in messages):
        raise DecodeError("a message in a frame is not a byte string")
    return messages


def _compressed(content: bytes) -> bytes | None:
    """`content` as zstd, if that saves a tenth of it."""
    if len(content) > SAMPLE_ABOVE:
        step = len(content) // SAMPLE_SLICES
        sample = b"".join([content[at : at + SLICE] for at in range(0, step * SAMPLE_SLICES, step)])
        if _zstd(sample) is None:
            return None
    return _zstd(content)


def _zstd(content: bytes) -> bytes | None:
    packed = zstandard.ZstdCompressor(level=1).compress(content)
    return packed if len(packed) < len(content) * 9 // 10 else None


def _decompress(content: bytes, limit: int) -> bytes:
    """zstd with the output capped: the declared size is checked first, and never trusted alone."""
    try:
        declared = zstandard.frame_content_size(content)
        if not 0 <= declared <= limit:
            raise DecodeError(f"zstd frame declares {declared} bytes where {limit} are allowed", Offence.OVERSIZE)
        # Without a size in the header the library would need max_output_size; with one, it allocates exactly that.
        return zstandard.ZstdDecompressor().decompress(content, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DecodeError(f"not zstd: {error}") from error
