"""CBOR, frames and envelopes on any value and any bytes: what goes in comes out, and has one spelling alone."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.replicas import flipped
from wire import cbor, cose
from wire.errors import RemoteError
from wire.frame import LENGTH_SIZE, MAX_MESSAGES, body_size, decode_frame, encode_frame, pack_message, unpack_message
from wire.keys import SigningKey

EDGES = st.sampled_from([edge + step for edge in (0, 24, 1 << 8, 1 << 16, 1 << 32, 1 << 63) for step in (-1, 0)])
integers = (
    EDGES | EDGES.map(lambda n: -n - 1).filter(lambda n: n >= -(1 << 63)) | st.integers(-(1 << 63), (1 << 64) - 1)
)
atoms = integers | st.binary(max_size=30) | st.text(max_size=10) | st.booleans() | st.none()
values = st.recursive(
    atoms, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
)
seeds = st.binary(min_size=32, max_size=32)
federations = st.just(cose.GENESIS) | seeds


def depth(value: Any) -> int:
    match value:
        case list():
            return 1 + max(map(depth, value), default=0)
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
    return 0


def same(one: Any, other: Any) -> bool:
    """Equal, and of equal types throughout: `True == 1` is not the same."""
    if type(one) is not type(other):
        return False
    match one:
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return bool(one == other)


def accept_or_refuse(raw: bytes) -> None:
    """Bytes are refused as a peer's fault, or are the one spelling of their value."""
    with suppress(RemoteError):
        assert cbor.encode(cbor.decode(raw)) == raw


@given(value=values)
def test_a_value_comes_out_as_it_went_in(value: Any) -> None:
    assume(depth(value) <= cbor.MAX_DEPTH)
    assert same(cbor.decode(cbor.encode(value)), value)


@given(one=values, other=values)
def test_only_the_same_values_have_the_same_spelling(one: Any, other: Any) -> None:
    assert (cbor.encode(one) == cbor.encode(other)) is same(one, other)


@given(value=st.dictionaries(st.text(max_size=5), atoms, min_size=2, max_size=6), data=st.data())
def test_the_order_of_writing_is_not_told(value: dict[str, Any], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(value.items()))))
    assert cbor.encode(shuffled) == cbor.encode(value)


@given(raw=st.binary(max_size=60))
def test_noise_is_refused_or_the_one_spelling(raw: bytes) -> None:
    accept_or_refuse(raw)


@given(value=values, data=st.data())
def test_changed_spellings_are_refused_or_spell_another_value(value: Any, data: st.DataObject) -> None:
    accept_or_refuse(data.draw(flipped(cbor.encode(value))))


@given(value=values, behind=st.binary(min_size=1, max_size=4))
def test_nothing_stands_behind_a_value(value: Any, behind: bytes) -> None:
    with pytest.raises(RemoteError):
        cbor.decode(cbor.encode(value) + behind)


@given(value=values, data=st.data())
def test_no_part_of_a_spelling_is_one(value: Any, data: st.DataObject) -> None:
    raw = cbor.encode(value)
    with pytest.raises(RemoteError):
        cbor.decode(raw[: data.draw(st.integers(0, len(raw) - 1))])


# frames

messages = st.lists(st.binary(max_size=300), min_size=1, max_size=20)


@given(code=st.integers(0, (1 << 16) - 1), payload=st.binary(max_size=300))
def test_any_message_comes_out(code: int, payload: bytes) -> None:
    assert unpack_message(pack_message(code, payload)) == (code, payload)


@given(messages=messages, repeat=st.integers(1, 12), compress=st.booleans())
def test_any_frame_comes_out(messages: list[bytes], repeat: int, compress: bool) -> None:
    sent = (messages * repeat)[:MAX_MESSAGES]
    frame = encode_frame(sent, compress=compress)
    assert body_size(frame[:LENGTH_SIZE]) == len(frame) - LENGTH_SIZE
    assert decode_frame(frame[LENGTH_SIZE:]) == sent


@given(messages=messages, data=st.data())
def test_changed_frames_raise_only_remote_errors(messages: list[bytes], data: st.DataObject) -> None:
    body = encode_frame(messages)[LENGTH_SIZE:]
    limit = len(cbor.encode(messages))
    with suppress(RemoteError):
        found = decode_frame(data.draw(flipped(body)), limit)
        assert 0 < len(found) <= MAX_MESSAGES
        assert len(cbor.encode(found)) <= limit
        for message in found:
            with suppress(RemoteError):
                unpack_message(message)


@given(flag=st.sampled_from([b"", b"\0", b"\1", b"\1\x28\xb5\x2f\xfd"]), noise=st.binary(max_size=60))
def test_noise_in_frames_raises_only_remote_errors(flag: bytes, noise: bytes) -> None:
    with suppress(RemoteError):
        decode_frame(flag + noise)


# envelopes


@given(content=st.text(max_size=50), payload=st.binary(max_size=100), seed=seeds, federation=federations)
def test_what_is_sealed_opens(content: str, payload: bytes, seed: bytes, federation: bytes) -> None:
    key = SigningKey(seed)
    raw = cose.seal(content, payload, key, federation)
    envelope = cose.open_as(raw, content, federation, limit=1024)
    assert (envelope.raw, envelope.content_type, envelope.payload, envelope.kid) == (
        raw,
        content,
        payload,
        key.public,
    )
    assert cose.reassemble(content, payload, key.public, envelope.signature) == envelope


@given(payload=st.binary(max_size=100), seed=seeds, one=federations, other=federations)
def test_what_is_sealed_opens_for_its_federation_alone(payload: bytes, seed: bytes, one: bytes, other: bytes) -> None:
    assume(one != other)
    raw = cose.seal("t", payload, SigningKey(seed), one)
    with pytest.raises(RemoteError):
        cose.open_as(raw, "t", other, limit=1024)


@given(payload=st.binary(max_size=100), data=st.data())
def test_a_changed_envelope_never_opens(payload: bytes, data: st.DataObject) -> None:
    sealed = cose.seal("t", payload, SigningKey(b"k" * 32), b"f" * 32)
    raw = data.draw(flipped(sealed))
    assume(raw != sealed)
    with pytest.raises(RemoteError):
        cose.open_as(raw, "t", b"f" * 32, limit=1024)
