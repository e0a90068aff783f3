"""A large frame is compressed when a sample of it compresses, and then only when that pays as a whole."""

from __future__ import annotations

import pytest

from wire.frame import LENGTH_SIZE, SAMPLE_ABOVE, SAMPLE_SLICES, SLICE, decode_frame, encode_frame
from wire.rng import Rng

NOISE = Rng(1).bytes(4 * SAMPLE_ABOVE)
TEXT = b"the same again, " * (len(NOISE) // 16)
HEADS = 4  # bytes that make a content of a message of this length


def sliced(first: bytes, then: bytes) -> bytes:
    """`first` where a frame is sampled, `then` elsewhere."""
    step = len(first) // SAMPLE_SLICES
    parts = [(at, at + SLICE + 100, at + step) for at in range(0, len(first), step)]
    mixed = b"".join(first[start:middle] + then[middle:end] for start, middle, end in parts)
    return mixed[: len(first)]


@pytest.mark.parametrize(
    ("message", "compressed"),
    [
        pytest.param(TEXT, True, id="text"),
        pytest.param(NOISE, False, id="noise"),
        pytest.param(sliced(NOISE, TEXT), False, id="noise in the sample"),
        pytest.param(sliced(TEXT, NOISE), False, id="noise everywhere else"),
        pytest.param(
            sliced(NOISE[: SAMPLE_ABOVE - HEADS], TEXT), True, id="noise there, but too little for a sample"
        ),
    ],
)
def test_a_large_frame(message: bytes, compressed: bool) -> None:
    frame = encode_frame([message])
    assert frame[LENGTH_SIZE] == compressed
    assert decode_frame(frame[LENGTH_SIZE:]) == [message]
