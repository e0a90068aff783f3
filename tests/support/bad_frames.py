"""Frames that break the form, each with the offence that it is: what any peer may try on a lane."""

from __future__ import annotations

import zstandard

from wire import cbor
from wire.errors import Offence
from wire.frame import MAX_BODY, MAX_MESSAGES


def framed(body: bytes) -> bytes:
    """`body` behind its length, whatever it is."""
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
