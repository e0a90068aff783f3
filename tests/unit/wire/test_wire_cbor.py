"""One spelling per value: what is written, and every way in which bytes are refused."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, Any

import cbor2
import pytest
from msgspec import Meta, Struct

from wire import cbor
from wire.errors import DecodeError, Offence

# RFC 8949, appendix A, as far as these types go; and the bounds of this codec
SPELLINGS: dict[str, tuple[Any, str]] = {
    "0": (0, "00"),
    "23": (23, "17"),
    "24": (24, "1818"),
    "255": (255, "18ff"),
    "256": (256, "190100"),
    "65536": (65536, "1a00010000"),
    "2^32": (1 << 32, "1b0000000100000000"),
    "2^64 - 1": ((1 << 64) - 1, "1bffffffffffffffff"),
    "-1": (-1, "20"),
    "-256": (-256, "38ff"),
    "-2^63": (-(1 << 63), "3b7fffffffffffffff"),
    "false": (False, "f4"),
    "true": (True, "f5"),
    "null": (None, "f6"),
    "no bytes": (b"", "40"),
    "bytes": (b"\1\2", "420102"),
    "24 bytes": (bytes(24), "5818" + "00" * 24),
    "text": ("ü", "62c3bc"),
    "arrays": ([1, [2, 3], []], "830182020380"),
    "keys by length, then by bytes": ({"b": 1, "aa": 2, "a": 3}, "a361610361620162616102"),
}


@pytest.mark.parametrize(("value", "spelling"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_value_is_spelt(value: Any, spelling: str) -> None:
    assert cbor.encode(value).hex() == spelling
    decoded = cbor.decode(bytes.fromhex(spelling))
    assert decoded == value
    assert type(decoded) is type(value)


def test_a_tuple_is_an_array() -> None:
    assert cbor.encode((1, (2,))) == cbor.encode([1, [2]])


OURS_ALONE = {
    "a float": 1.0,
    "a float inside": [{"a": (0.5,)}],
    "over 64 bits": 1 << 64,
    "under 64 bits": -(1 << 63) - 1,
    "a set": {1},
    "a key that is no text": {1: 2},
    "a key of bytes": {b"a": 2},
    "an array of bytes": bytearray(b"a"),
    "an object": object(),
    "undefined": cbor2.undefined,
}


@pytest.mark.parametrize("value", OURS_ALONE.values(), ids=OURS_ALONE)
def test_what_others_could_not_read_is_never_written(value: object) -> None:
    with pytest.raises(AssertionError):
        cbor.encode(value)


# what is refused

REFUSED = {
    "nothing": "",
    # not in the shortest form
    "0 in two bytes": "1800",
    "23 in two bytes": "1817",
    "255 in three bytes": "1900ff",
    "65535 in five bytes": "1a0000ffff",
    "2^32 - 1 in nine bytes": "1b00000000ffffffff",
    "-1 in two bytes": "3800",
    "a long head of bytes": "580101",
    "a long head of text": "780161",
    "a long head of an array": "980101",
    "a long head of a map": "b801616101",
    # of no definite length
    "bytes in pieces": "5f4101ff",
    "text in pieces": "7f6161ff",
    "an open array": "9f01ff",
    "an open map": "bf616101ff",
    "a break alone": "ff",
    # maps
    "a key twice": "a2616101616102",
    "keys in another order": "a2616201616102",
    "a longer key first": "a262616101616102",
    "a number as key": "a10102",
    "bytes as key": "a1416102",
    "null as key": "a1f602",
    "an array as key": "a1810102",
    "a map as key": "a1a002",
    # what this codec does not speak
    "a float of 16 bits": "f90000",
    "a float of 32 bits": "fa47c35000",
    "a float of 64 bits": "fb3ff199999999999a",
    "infinity": "f97c00",
    "not a number": "f97e00",
    "a float inside": "81a16161f93c00",
    "undefined": "f7",
    "a simple value": "f0",
    "a simple value in two bytes": "f8ff",
    "a truth value in two bytes": "f815",
    "reserved heads": "1c",
    "under -2^63": "3b8000000000000000",
    # tags, whether libraries interpret them or not
    "a date": "c074323031332d30332d32315432303a30343a30305a",
    "a time": "c11a514b67b0",
    "a large number": "c249010000000000000000",
    "a small number of a large one's kind": "c24101",
    "a negative large number": "c349010000000000000000",
    "a decimal fraction": "c48221196ab3",
    "a large fraction": "c5822003",
    "a reference": "d81c81d81d00",
    "a string by number": "d9010082416161d81900",
    "a ratio": "d81e820102",
    "a regular expression": "d8236161",
    "a mail": "d82461610a",
    "a UUID": "d82550" + "00" * 16,
    "an address": "d8344401020304",
    "a set": "d9010281" + "01",
    "CBOR in CBOR": "d8184101",
    "CBOR that says so": "d9d9f700",
    "a tag of no meaning": "d9303900",
    "a tag of 64 bits": "dbffffffffffffffff00",
    "a tag inside": "81c100",
    # cut, or too much
    "cut in a number": "19",
    "cut in bytes": "4201",
    "cut in text": "6261",
    "cut in an array": "8201",
    "cut in a map": "a16161",
    "bytes of 2^62": "5b4000000000000000",
    "text of 2^62": "7b4000000000000000",
    "an array of 2^62": "9b4000000000000000",
    "a map of 2^62": "bb4000000000000000",
    "one value more": "0000",
    "a zero behind": "8000",
    # text
    "text that is not UTF-8": "61ff",
    "half a character": "61c3",
    "a surrogate": "63eda080",
    "a long spelling of a slash": "62c0af",
}


@pytest.mark.parametrize("spelling", REFUSED.values(), ids=REFUSED)
def test_bytes_are_refused(spelling: str) -> None:
    with pytest.raises(DecodeError) as caught:
        cbor.decode(bytes.fromhex(spelling))
    assert caught.value.offence is Offence.DECODE


def cause_of_refusal(raw: bytes) -> BaseException:
    """What was raised first: cbor2 wraps it, and `decode` wraps that."""
    with pytest.raises(DecodeError) as caught:
        cbor.decode(raw)
    error: BaseException = caught.value
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_any_tag_is_refused_before_its_content_is_built() -> None:
    """One that `REFUSED_TAGS` forgot would be interpreted first, however costly that is."""
    for tag in range(1 << 16):
        cause = cause_of_refusal(b"\xd9" + tag.to_bytes(2, "big") + b"\x80")
        assert (type(cause), str(cause)) == (DecodeError, "CBOR tags are not allowed here"), tag


# bounds


def nested(depth: int) -> bytes:
    return b"\x81" * depth + b"\0"


@pytest.mark.parametrize("depth", [0, 1, cbor.MAX_DEPTH - 1, cbor.MAX_DEPTH])
def test_what_is_nested_this_deep_passes(depth: int) -> None:
    assert cbor.encode(cbor.decode(nested(depth))) == nested(depth)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(nested(cbor.MAX_DEPTH + 1), id="arrays"),
        pytest.param(b"\xa1\x61a" * (cbor.MAX_DEPTH + 1) + b"\0", id="maps"),
        pytest.param(b"\xa1\x61a\x81" * cbor.MAX_DEPTH + b"\0", id="both"),
        pytest.param(nested(1_000_000), id="very deep"),
        pytest.param(b"\x81" * 1_000_000, id="very deep, and cut"),
    ],
)
def test_what_is_nested_deeper_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        cbor.decode(raw)
    assert caught.value.offence is Offence.DECODE


def test_a_limit_is_kept_to_the_byte() -> None:
    raw = cbor.encode(bytes(100))
    assert cbor.decode(raw, len(raw)) == bytes(100)
    with pytest.raises(DecodeError, match="102 bytes where 101 are allowed") as caught:
        cbor.decode(raw, len(raw) - 1)
    assert caught.value.offence is Offence.OVERSIZE


def test_the_limit_of_a_frame_holds_where_none_is_named() -> None:
    with pytest.raises(DecodeError) as caught:
        cbor.decode(bytes(cbor.DEFAULT_LIMIT + 1))
    assert caught.value.offence is Offence.OVERSIZE


# typed messages


class Colour(StrEnum):
    """For a field of few texts."""

    RED = "red"


class Size(IntEnum):
    """For a field of few numbers."""

    SMALL = 1


class Inner(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A message within a message: closed."""

    key: Annotated[bytes, Meta(min_length=2, max_length=2)]


class Outer(Struct, frozen=True, array_like=True):
    """A message that may grow: what follows its fields is ignored."""

    number: Annotated[int, Meta(ge=0, le=9)]
    names: Annotated[tuple[Annotated[str, Meta(max_length=3)], ...], Meta(max_length=2)]
    inner: Inner | None
    colour: Colour = Colour.RED
    size: Size = Size.SMALL


WHOLE: list[Any] = [7, ["ab", "c"], [b"kk"], "red", 1]
MESSAGE = Outer(number=7, names=("ab", "c"), inner=Inner(key=b"kk"))


def changed(place: int, value: Any) -> list[Any]:
    return [*WHOLE[:place], value, *WHOLE[place + 1 :]]


def test_a_message_is_an_array_of_its_fields() -> None:
    assert cbor.encode_struct(MESSAGE) == cbor.encode(WHOLE)
    assert cbor.decode_as(cbor.encode(WHOLE), Outer) == MESSAGE


@pytest.mark.parametrize("raw", [WHOLE[:3], WHOLE[:4], [*WHOLE, "later"]], ids=["defaults", "a default", "more"])
def test_a_message_can_grow(raw: list[Any]) -> None:
    assert cbor.decode_as(cbor.encode(raw), Outer) == MESSAGE


MISFITS = {
    "no array": 7,
    "a map": {"number": 7},
    "too few": WHOLE[:2],
    "text for a number": changed(0, "7"),
    "a truth value for a number": changed(0, True),
    "a number too small": changed(0, -1),
    "a number too large": changed(0, 10),
    "too many items": changed(1, ["a", "b", "c"]),
    "an item too long": changed(1, ["abcd"]),
    "a number for text": changed(1, [1]),
    "bytes for text": changed(1, [b"a"]),
    "text for bytes": changed(2, ["kk"]),
    "base64 for bytes": changed(2, ["a2s="]),
    "bytes too short": changed(2, [b"k"]),
    "bytes too long": changed(2, [b"kkk"]),
    "more in what is closed": changed(2, [b"kk", 0]),
    "another colour": changed(3, "blue"),
    "another size": changed(4, 2),
    "null": changed(0, None),
}


@pytest.mark.parametrize("value", MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit_a_message_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError, match="not a Outer") as caught:
        cbor.decode_as(cbor.encode(value), Outer)
    assert caught.value.offence is Offence.DECODE


def test_a_message_has_a_limit_of_its_own() -> None:
    raw = cbor.encode_struct(MESSAGE)
    assert cbor.decode_as(raw, Outer, len(raw)) == MESSAGE
    with pytest.raises(DecodeError) as caught:
        cbor.decode_as(raw, Outer, len(raw) - 1)
    assert caught.value.offence is Offence.OVERSIZE


def test_a_message_in_a_second_spelling_is_refused() -> None:
    raw = cbor.encode_struct(MESSAGE)
    with pytest.raises(DecodeError, match="deterministic"):
        cbor.decode_as(b"\x98\x05" + raw[1:], Outer)
