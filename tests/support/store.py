"""Damage on purpose: bytes that are not what was written, in memory and in files."""

from __future__ import annotations

from pathlib import Path


def flip(raw: bytes, offset: int, mask: int) -> bytes:
    """`raw` with the bits of `mask` changed in the byte at `offset`."""
    return raw[:offset] + bytes([raw[offset] ^ mask]) + raw[offset + 1 :]


def flip_file(path: Path, offset: int, mask: int) -> None:
    """Change one byte of a file in place."""
    path.write_bytes(flip(path.read_bytes(), offset, mask))
