"""The journal's format: any prefix, any flip, any noise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.storage.journal import HEADERS_SIZE, MAX_BODY, Record, encode_headers, encode_records, scan
from tests.support.store import flip

SALT = bytes(range(16))
OVERHEAD = 21

records = st.lists(st.builds(Record, st.integers(0, 255), st.binary(max_size=60)), max_size=12)


def image(written: list[Record]) -> bytes:
    return encode_headers(SALT) + encode_records(SALT, 0, written)


def is_subsequence(part: list[Record], whole: list[Record]) -> bool:
    rest = iter(whole)
    return all(record in rest for record in part)


def test_the_format_is_what_the_docstring_says() -> None:
    raw = image([Record(7, b"body")])
    assert len(raw) == HEADERS_SIZE + OVERHEAD + 4
    assert raw[:30] == raw[30:60]
    assert raw[:24] == b"zm-jrnl\n" + SALT
    assert raw[60:73] == b"\xf5ZR\n" + bytes.fromhex("000000000000000407")
    assert raw.endswith(b"body")


@given(records, records)
def test_appends_concatenate(first: list[Record], second: list[Record]) -> None:
    raw = image(first) + encode_records(SALT, len(first), second)
    found = scan(raw, "j")
    assert (found.records, found.damage, found.cut) == (first + second, [], False)
    assert (found.end, found.sequence, found.salt) == (len(raw), len(first + second), SALT)


@given(records, st.data())
def test_any_truncation_leaves_a_prefix(written: list[Record], data: st.DataObject) -> None:
    raw = image(written)
    length = data.draw(st.integers(0, len(raw)))
    found = scan(raw[:length], "j")
    assert found.records == written[: len(found.records)]
    whole, ends = HEADERS_SIZE, [HEADERS_SIZE]
    for record in written:
        whole += OVERHEAD + len(record.body)
        ends.append(whole)
    assert len(found.records) == max(0, sum(end <= length for end in ends) - 1)
    assert found.cut == found.torn == (length > HEADERS_SIZE and length not in ends)
    assert bool(found.damage) == (length < HEADERS_SIZE)


@given(records, st.data())
def test_any_flip_is_noticed(written: list[Record], data: st.DataObject) -> None:
    raw = image(written)
    place, mask = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(1, 255))
    found = scan(flip(raw, place, mask), "j")
    assert found.cut or found.damage
    assert is_subsequence(found.records, written)
    assert len(found.records) >= len(written) - 1
    if place < HEADERS_SIZE:
        assert found.records == written


@given(records, st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=30)), min_size=1, max_size=5))
def test_no_rot_makes_a_record_that_was_not_written(written: list[Record], rot: list[tuple[int, bytes]]) -> None:
    raw = image(written)
    for place, noise in rot:
        place %= len(raw) + 1
        raw = raw[:place] + noise + raw[place + len(noise) :]
    assert is_subsequence(scan(raw, "j").records, written)


@given(st.binary(max_size=400))
def test_noise_is_never_an_exception(noise: bytes) -> None:
    assert scan(noise, "j").records == []
    assert scan(encode_headers(SALT) + noise, "j").records == []


def test_a_record_inside_a_body_never_passes_for_one() -> None:
    """A peer chose this body; the damage hits the header before it."""
    forged = encode_records(bytes(16), 1, [Record(1, b"forged")])
    raw = image([Record(1, b"a"), Record(1, forged), Record(1, b"b")])
    place = raw.index(forged) - OVERHEAD + 5
    found = scan(flip(raw, place, 1), "j")
    assert found.records == [Record(1, b"a"), Record(1, b"b")]


def test_a_good_header_with_a_bad_body_skips_the_body_whole() -> None:
    """Even one that holds a perfect copy of a record of this very segment."""
    copy = encode_records(SALT, 2, [Record(1, b"copy")])
    raw = image([Record(1, b"a"), Record(1, b"x" + copy), Record(1, b"b")])
    found = scan(flip(raw, raw.index(b"x" + copy), 1), "j")
    assert found.records == [Record(1, b"a"), Record(1, b"b")]
    assert [damage.detail for damage in found.damage] == ["47 bad bytes: 1 record lost, from number 1"]


def test_records_taken_out_without_a_trace_are_missed() -> None:
    written = [Record(1, b"a"), Record(1, b"b"), Record(1, b"c")]
    raw = image(written)
    size = OVERHEAD + 1
    found = scan(raw[: HEADERS_SIZE + size] + raw[HEADERS_SIZE + 2 * size :], "j")
    assert found.records == [written[0], written[2]]
    assert [damage.detail for damage in found.damage] == ["0 bad bytes: 1 record lost, from number 1"]


def test_a_record_that_comes_twice_is_damage() -> None:
    one = encode_records(SALT, 0, [Record(1, b"a")])
    found = scan(encode_headers(SALT) + one + one, "j")
    assert "out of order" in found.damage[0].detail


@given(records.filter(bool), st.data())
def test_what_rotted_is_not_taken_for_a_write_that_was_torn(written: list[Record], data: st.DataObject) -> None:
    raw = image(written)
    last = len(raw) - OVERHEAD - len(written[-1].body)
    found = scan(flip(raw, data.draw(st.integers(last, len(raw) - 1)), data.draw(st.integers(1, 255))), "j")
    assert (found.records, found.cut, found.torn) == (written[:-1], True, False)


def test_searching_a_body_full_of_magic_is_cheap() -> None:
    """One short checksum per candidate: 4 MiB of them after a bad header end in a bounded search."""
    raw = image([Record(1, b"\xf5ZR\n" * 1_000_000), Record(1, b"b")])
    found = scan(flip(raw, HEADERS_SIZE + 5, 1), "j")
    assert found.records == [Record(1, b"b")]


def test_a_record_has_a_size_limit() -> None:
    with pytest.raises(AssertionError, match="at most"):
        encode_records(SALT, 0, [Record(1, bytes(MAX_BODY + 1))])


def test_a_length_over_the_limit_is_no_record() -> None:
    rng = random.Random(1)
    raw = image([Record(1, b"a")]) + b"\xf5ZR\n" + rng.randbytes(4) + b"\xff" * 4 + rng.randbytes(40)
    found = scan(raw, "j")
    assert (found.records, found.cut) == ([Record(1, b"a")], True)
