"""Ops of the usual form are told from their bytes; whatever looks different is decoded, and means the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import scan
from crdt.ops import (
    MAX_ENTRY,
    MAX_KEY,
    REMOVALS,
    Op,
    OpKind,
    decode_entry,
    decode_op,
    encode_entry,
    encode_op,
    path_of,
)
from crdt.scan import effect_of, place_of
from tests.support.replicas import add, delete, flipped, put, rebuilt, remove
from wire.errors import DecodeError


def put_in(collection: str, key: str = "k", value: bytes = b"v") -> Op:
    return Op(collection=collection, key=key, kind=OpKind.PUT, value=value, observed=())


def decoded(raw: bytes) -> tuple[bytes, bool] | None:
    """The effect as decoding tells it; None when the op is refused."""
    try:
        op = decode_op(raw)
    except DecodeError:
        return None
    return path_of(op), op.kind not in REMOVALS or op.observed != ()


def scanned(raw: bytes) -> tuple[bytes, bool] | None:
    try:
        return effect_of(raw)
    except DecodeError:
        return None


USUAL = [
    pytest.param(put("k"), id="put"),
    pytest.param(add("k", b"e"), id="add"),
    pytest.param(remove("k", b"e"), id="rm"),
    pytest.param(put_in("c" * 23), id="the longest collection"),
    pytest.param(put("k" * 23), id="a key of 23 bytes"),
    pytest.param(put("k" * 24), id="a key of 24 bytes"),
    pytest.param(put("k" * 127), id="a key of 127 bytes"),
    pytest.param(put("k", b""), id="an empty value"),
    pytest.param(put("k", b"v" * 23), id="a value of 23 bytes"),
    pytest.param(put("k", b"v" * 24), id="a value of 24 bytes"),
    pytest.param(put("k", b"v" * 255), id="a value of 255 bytes"),
    pytest.param(put("k", b"v" * 256), id="a value of 256 bytes"),
    pytest.param(put("k", b"v" * (MAX_ENTRY - 15)), id="the largest op"),
]


@pytest.mark.parametrize("op", USUAL)
def test_an_op_of_the_usual_form_is_not_decoded(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_op(raw: bytes) -> Op:
        raise AssertionError(f"decoded {raw!r}")

    monkeypatch.setattr(scan, "decode_op", no_op)
    assert effect_of(encode_op(op)) == (path_of(op), op.kind not in REMOVALS)


UNUSUAL = [
    pytest.param(delete("k"), id="del"),
    pytest.param(delete("k", ((1, 2, 3),)), id="del of what older terms wrote"),
    pytest.param(remove("k", b"e", ((1, 2, 3),)), id="rm of what older terms wrote"),
    pytest.param(put_in("c" * 24), id="a longer collection"),
    pytest.param(put("k" * MAX_KEY), id="the longest key"),
    pytest.param(put("é"), id="a key beyond ASCII"),
    pytest.param(put_in("ç"), id="a collection beyond ASCII"),
]


@pytest.mark.parametrize("op", UNUSUAL)
def test_any_other_op_is_decoded(op: Op) -> None:
    assert effect_of(encode_op(op)) == (path_of(op), op.kind not in REMOVALS or op.observed != ())


HEAD = b"\x85\x61c\x61k\x00"  # [c, k, put, …


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x85", id="a head alone"),
        pytest.param(b"\x85\x61c", id="cut behind the collection"),
        pytest.param(b"\x85\x61c\x78", id="cut before the length of the key"),
        pytest.param(HEAD, id="cut before the value"),
        pytest.param(HEAD + b"\x58", id="cut before the length of the value"),
        pytest.param(HEAD + b"\x59\x01", id="cut in the length of the value"),
        pytest.param(HEAD + b"\x41v", id="cut before the observed dots"),
        pytest.param(HEAD + b"\x59\x01\x00" + b"v" * 255 + b"\x80", id="a value one byte short"),
        pytest.param(b"\x86" + HEAD[1:] + b"\x41v\x80", id="an array of six"),
        pytest.param(b"\x85\x60" + HEAD[3:] + b"\x41v\x80", id="an empty collection"),
        pytest.param(b"\x85\x61c\x60\x00\x41v\x80", id="an empty key"),
        pytest.param(b"\x85\x61c\x41k\x00\x41v\x80", id="bytes as key"),
        pytest.param(b"\x85\x41c\x61k\x00\x41v\x80", id="bytes as collection"),
        pytest.param(b"\x85\x61c\x78\x81" + b"k" * 129 + b"\x00\x41v\x80", id="a key of 129 bytes"),
        pytest.param(b"\x85\x61c\x61k\x04\x41v\x80", id="an unknown kind"),
        pytest.param(b"\x85\x61c\x61k\x01\x41v\x80", id="del with a value"),
        pytest.param(HEAD + b"\x61v\x80", id="text as value"),
        pytest.param(HEAD + b"\x21\x80", id="a number as value"),
        pytest.param(HEAD + b"\x41v\x81\x83\x01\x02\x03", id="put that observed"),
        pytest.param(HEAD + b"\x41v\x90", id="other than no observed dots"),
        pytest.param(HEAD + b"\x59\x40\x00" + b"v" * MAX_ENTRY + b"\x80", id="over 16 KiB"),
        pytest.param(b"\x85\x61c\x78\x01k\x00\x41v\x80", id="a short key with a long head"),
        pytest.param(HEAD + b"\x58\x01v\x80", id="a short value with a long head"),
        pytest.param(HEAD + b"\x59\x00\xff" + b"v" * 255 + b"\x80", id="a value of one byte's length with two"),
        pytest.param(HEAD + b"\x41v\x80\x80", id="trailing bytes"),
    ],
)
def test_what_is_no_op_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        effect_of(raw)


names = st.text("kλ", min_size=1, max_size=30)
values = st.binary(max_size=30) | st.sampled_from([b"v" * size for size in (255, 256, 300)])
ops = st.builds(
    Op,
    collection=names,
    key=names,
    kind=st.sampled_from([OpKind.PUT, OpKind.ADD, OpKind.RM]),
    value=values,
    observed=st.just(()),
)


ENTRY = encode_entry(7, 2, 99, encode_op(put("k")))


def test_an_entry_stands_where_its_op_writes() -> None:
    assert place_of(ENTRY) == path_of(put("k"))


@given(data=st.data())
def test_entries_that_are_scanned_are_entries_that_decode(data: st.DataObject) -> None:
    raw = data.draw(flipped(ENTRY) | rebuilt(ENTRY))
    try:
        place = place_of(raw)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_entry(raw, 1)
    else:
        assert place == path_of(decode_entry(raw, 1).op)


@given(op=ops, data=st.data())
def test_scanning_and_decoding_agree_on_any_bytes(op: Op, data: st.DataObject) -> None:
    good = encode_op(op)
    raw = data.draw(st.just(good) | flipped(good) | rebuilt(good) | st.integers(0, len(good)).map(lambda n: good[:n]))
    assert scanned(raw) == decoded(raw)
