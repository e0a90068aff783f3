"""Ops and entries: what may be written, what is read, and where it stands."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import cbor2
import pytest

from crdt.ops import (
    MAX_COLLECTION,
    MAX_ENTRY,
    MAX_KEY,
    MAX_OBSERVED,
    Dot,
    Op,
    OpKind,
    decode_entry,
    decode_op,
    element_path,
    encode_entry,
    encode_op,
    entry_digest,
    key_path,
    path_of,
)
from tests.support.replicas import add, delete, put, remove
from wire.errors import DecodeError, Offence, ProposalTooLarge

SEEN = ((1, 2, 3),)
EVERY_KIND = [
    pytest.param(put("k"), "85666d656d6f7279616b00417680", id="put"),
    pytest.param(delete("k"), "85666d656d6f7279616b01f680", id="del"),
    pytest.param(delete("k", SEEN), "85666d656d6f7279616b01f68183010203", id="del of what older terms wrote"),
    pytest.param(add("k", b"e"), "85666c6162656c73616b02416580", id="add"),
    pytest.param(remove("k", b"e"), "85666c6162656c73616b03416580", id="rm"),
    pytest.param(remove("k", b"e", SEEN), "85666c6162656c73616b0341658183010203", id="rm of what older terms wrote"),
]


@pytest.mark.parametrize(("op", "spelling"), EVERY_KIND)
def test_an_op_is_spelt_for_ever_as(op: Op, spelling: str) -> None:
    assert encode_op(op).hex() == spelling
    assert decode_op(bytes.fromhex(spelling)) == op


@pytest.mark.parametrize(
    "op",
    [
        pytest.param(put("k" * MAX_KEY), id="key of 128 bytes"),
        pytest.param(put("é" * (MAX_KEY // 2)), id="key of 128 bytes in 64 characters"),
        pytest.param(put("k", b"x" * (MAX_ENTRY - 15)), id="op of 16 KiB"),
        pytest.param(
            Op(collection="c" * MAX_COLLECTION, key="k", kind=OpKind.PUT, value=b"", observed=()),
            id="collection of 64 characters",
        ),
        pytest.param(delete("k", tuple((n, n, n) for n in range(MAX_OBSERVED))), id="256 observed dots"),
        pytest.param(put("k", b""), id="empty value"),
    ],
)
def test_what_is_just_within_a_limit_passes(op: Op) -> None:
    assert decode_op(encode_op(op)) == op


@pytest.mark.parametrize(
    ("op", "names"),
    [
        pytest.param(put("k" * (MAX_KEY + 1)), "129", id="key of 129 bytes"),
        pytest.param(put("é" * (MAX_KEY // 2 + 1)), "130", id="key of 130 bytes in 65 characters"),
        pytest.param(put(""), "key", id="empty key"),
        pytest.param(
            Op(collection="c" * (MAX_COLLECTION + 1), key="k", kind=OpKind.PUT, value=b"", observed=()),
            "collection",
            id="collection of 65 characters",
        ),
        pytest.param(
            Op(collection="", key="k", kind=OpKind.PUT, value=b"", observed=()), "collection", id="empty collection"
        ),
        pytest.param(put("k", b"x" * (MAX_ENTRY - 14)), "16385", id="op of one byte more than 16 KiB"),
    ],
)
def test_over_a_limit_the_writer_is_told_which(op: Op, names: str) -> None:
    with pytest.raises(ProposalTooLarge, match=names):
        encode_op(op)


def spell(*fields: object) -> bytes:
    return cbor2.dumps(list(fields))


@pytest.mark.parametrize(
    ("raw", "offence"),
    [
        pytest.param(b"", Offence.DECODE, id="nothing"),
        pytest.param(b"\xff", Offence.DECODE, id="no CBOR"),
        pytest.param(b"\xa0", Offence.DECODE, id="a map"),
        pytest.param(b"\xc1" + spell("c", "k", 0, b"", []), Offence.DECODE, id="a tag that CBOR libraries know"),
        pytest.param(b"\xd9\x30\x39" + spell("c", "k", 0, b"", []), Offence.DECODE, id="a tag that they do not know"),
        pytest.param(b"\x85\x7f\x61c\xff\x61k\x00\x41v\x80", Offence.DECODE, id="indefinite length"),
        pytest.param(b"\x85\x61c\x63\xed\xa0\x80\x00\x41v\x80", Offence.DECODE, id="a key that is not UTF-8"),
        pytest.param(spell("c", "k", 0, b""), Offence.DECODE, id="a field too few: no list of observed dots"),
        pytest.param(spell("c", "k", 0, b"", [], 1), Offence.DECODE, id="a field too many"),
        pytest.param(spell("c", "k", 4, b"", []), Offence.DECODE, id="unknown kind"),
        pytest.param(spell("c", "k", True, b"", []), Offence.DECODE, id="a truth value as kind"),
        pytest.param(spell("c", "k", 0.0, b"", []), Offence.DECODE, id="a float as kind"),
        pytest.param(spell("c", b"k", 0, b"", []), Offence.DECODE, id="bytes as key"),
        pytest.param(spell("c", "k", 0, "v", []), Offence.DECODE, id="text as value"),
        pytest.param(spell("", "k", 0, b"", []), Offence.DECODE, id="empty collection"),
        pytest.param(spell("c" * 65, "k", 0, b"", []), Offence.DECODE, id="collection of 65 characters"),
        pytest.param(spell("c", "", 0, b"", []), Offence.DECODE, id="empty key"),
        pytest.param(spell("c", "k" * 129, 0, b"", []), Offence.DECODE, id="key of 129 characters"),
        pytest.param(spell("c", "é" * 65, 0, b"", []), Offence.OVERSIZE, id="key of 130 bytes in 65 characters"),
        pytest.param(spell("c", "k", 0, b"x" * MAX_ENTRY, []), Offence.OVERSIZE, id="over 16 KiB"),
        pytest.param(spell("c", "k", 0, None, []), Offence.DECODE, id="put without a value"),
        pytest.param(spell("c", "k", 2, None, []), Offence.DECODE, id="add without an element"),
        pytest.param(spell("c", "k", 3, None, []), Offence.DECODE, id="rm without an element"),
        pytest.param(spell("c", "k", 1, b"", []), Offence.DECODE, id="del with a value"),
        pytest.param(spell("c", "k", 0, b"", [[1, 1, 0]]), Offence.DECODE, id="put that observed"),
        pytest.param(spell("c", "k", 2, b"", [[1, 1, 0]]), Offence.DECODE, id="add that observed"),
        pytest.param(spell("c", "k", 1, None, [[1, 1]]), Offence.DECODE, id="a dot of two numbers"),
        pytest.param(spell("c", "k", 1, None, [[1, 1, -1]]), Offence.DECODE, id="a negative dot"),
        pytest.param(spell("c", "k", 1, None, [[1, 1, 1 << 63]]), Offence.DECODE, id="a dot of 64 bits"),
        pytest.param(spell("c", "k", 1, None, [[n, 0, 0] for n in range(257)]), Offence.DECODE, id="257 dots"),
        pytest.param(spell("c", "k", 1, None, [[[1], 1, 0]]), Offence.DECODE, id="too deep"),
        pytest.param(spell("c", "k", 0, b"", []) + b"\0", Offence.DECODE, id="trailing bytes"),
        pytest.param(b"\x98\x05" + spell("c", "k", 0, b"", [])[1:], Offence.DECODE, id="a longer head"),
        pytest.param(b"\x85\x61c\x61k\x18\x00\x40\x80", Offence.DECODE, id="a longer kind"),
        pytest.param(b"\x85\x61c\x78\x01k\x00\x40\x80", Offence.DECODE, id="a longer head of the key"),
        pytest.param(b"\x85\x61c\x61k\x00\x58\x01v\x80", Offence.DECODE, id="a longer head of the value"),
        pytest.param(b"\x85\x61c\x61k\x01\xf6\x81\x83\x18\x01\x02\x03", Offence.DECODE, id="a longer dot"),
    ],
)
def test_an_op_is_refused(raw: bytes, offence: Offence) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_op(raw)
    assert caught.value.offence is offence


# where things stand

PLACES: dict[str, Op] = {
    "register": put("k"),
    "register of another key": put("l"),
    "register of another collection": Op(collection="other", key="k", kind=OpKind.PUT, value=b"v", observed=()),
    "element": add("k", b"e"),
    "other element": add("k", b"f"),
    "same element of another set": add("l", b"e"),
    "element where a register stands": Op(collection="memory", key="k", kind=OpKind.ADD, value=b"e", observed=()),
}


def test_different_things_stand_at_different_places() -> None:
    assert len({path_of(op) for op in PLACES.values()}) == len(PLACES)


@pytest.mark.parametrize(
    ("op", "address"),
    [
        pytest.param(put("k", b"1"), ["memory", "k"], id="put"),
        pytest.param(delete("k"), ["memory", "k"], id="del"),
        pytest.param(add("k", b"e"), ["labels", "k", b"e"], id="add"),
        pytest.param(remove("k", b"e", SEEN), ["labels", "k", b"e"], id="rm"),
    ],
)
def test_a_place_is_the_hash_of_its_address(op: Op, address: list[Any]) -> None:
    assert path_of(op) == sha256(cbor2.dumps(address)).digest()
    assert path_of(op) in (key_path("memory", "k"), element_path("labels", "k", b"e"))


# entries


def test_an_entry_is_the_op_with_its_dot_and_stamp() -> None:
    raw = encode_entry(7, 2, 99, encode_op(put("k")))
    assert raw.hex() == "84070218634e" + "85666d656d6f7279616b00417680"
    assert decode_entry(raw, term=4) == (put("k"), Dot(term=4, seq=7, place=2), 99)
    assert entry_digest(raw) == sha256(b"zenmesh/entry\0" + raw).digest()


def test_the_largest_entry_there_can_be_is_read() -> None:
    op = put("k", b"x" * (MAX_ENTRY - 15))
    largest = (1 << 63) - 1
    entry = decode_entry(encode_entry(largest, largest, largest, encode_op(op)), term=largest)
    assert entry == (op, Dot(largest, largest, largest), largest)


GOOD = encode_op(put("k"))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(cbor2.dumps([1, 0, 0]), id="a field too few"),
        pytest.param(cbor2.dumps([1, 0, 0, GOOD, 0]), id="a field too many"),
        pytest.param(cbor2.dumps([-1, 0, 0, GOOD]), id="a negative number"),
        pytest.param(cbor2.dumps([1 << 63, 0, 0, GOOD]), id="a number of 64 bits"),
        pytest.param(cbor2.dumps([True, 0, 0, GOOD]), id="a truth value as number"),
        pytest.param(cbor2.dumps([1, 0, 0, "op"]), id="text as op"),
        pytest.param(cbor2.dumps([1, 0, 0, b"\xff"]), id="an op that is none"),
        pytest.param(cbor2.dumps([1, 0, 0, GOOD]) + b"\0", id="trailing bytes"),
        pytest.param(b"\x84\x18\x01\0\0" + cbor2.dumps(GOOD), id="a longer spelling"),
        pytest.param(cbor2.dumps([1, 0, 0, bytes(MAX_ENTRY + 64)]), id="over its size limit"),
    ],
)
def test_an_entry_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_entry(raw, term=1)
