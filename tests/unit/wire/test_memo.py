"""What is read twice: small things from memory, large ones and bad ones anew."""

from __future__ import annotations

import pytest

from wire.errors import DecodeError
from wire.memo import KEPT, SMALL, read_once


class _Reader:
    """A reader that counts, and takes no exclamation marks."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, raw: bytes, suffix: str = "") -> str:
        self.reads += 1
        if b"!" in raw:
            raise DecodeError("loud")
        return raw.decode() + suffix

    __name__ = "reader"


def test_small_bytes_are_read_once_for_the_same_arguments() -> None:
    reader = _Reader()
    read = read_once(reader)
    assert [read(b"a", "1"), read(bytes(bytearray(b"a")), "1"), read(b"a", "2"), read(b"b", "1")] == [
        "a1",
        "a1",
        "a2",
        "b1",
    ]
    assert reader.reads == 3


@pytest.mark.parametrize(("size", "reads"), [(SMALL, 1), (SMALL + 1, 2)])
def test_what_is_large_is_not_kept(size: int, reads: int) -> None:
    reader = _Reader()
    read = read_once(reader)
    assert read(b"a" * size) == read(b"a" * size)
    assert reader.reads == reads


def test_what_cannot_be_read_is_refused_every_time() -> None:
    reader = _Reader()
    read = read_once(reader)
    for _ in range(2):
        with pytest.raises(DecodeError):
            read(b"!")
    assert reader.reads == 2


def test_who_sends_much_displaces_and_does_not_fill() -> None:
    reader = _Reader()
    read = read_once(reader)
    for number in range(KEPT + 1):
        read(b"%d" % number)
    read(b"0")
    assert reader.reads == KEPT + 2, "the oldest was forgotten"
