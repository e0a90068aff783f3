"""One spelling per value; and hostile bytes: what decodes is valid and canonical, all else is a RemoteError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.types.codec import Kind
from tests.support.crdt_values import VALUES
from wire import cbor
from wire.errors import RemoteError

every_type = pytest.mark.parametrize("type_", VALUES, ids=lambda type_: type_.__name__)

JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [0, 1, -1, 1 << 63, (1 << 64) - 1, True, None, b"", b"a", b"z" * 65, "a", [], [[]], {}, {"a": 1}]
)


@every_type
@given(data=st.data())
def test_a_value_survives_its_one_spelling(type_: type[Any], data: st.DataObject) -> None:
    one, other = data.draw(VALUES[type_]), data.draw(VALUES[type_])
    assert type_.decode(one.encode()) == one
    assert one.join(other).encode() == other.join(one).encode()
    assert (one == other) == (one.encode() == other.encode())


@given(raw=st.binary(max_size=80))
def test_random_bytes_raise_only_remote_errors(raw: bytes) -> None:
    for type_ in VALUES:
        accept_or_refuse(type_, raw)


@every_type
@given(data=st.data())
def test_mutated_bytes_raise_only_remote_errors(type_: type[Any], data: st.DataObject) -> None:
    raw = bytearray(data.draw(VALUES[type_]).encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    accept_or_refuse(type_, bytes(raw))


@every_type
@given(data=st.data())
def test_mutated_rows_raise_only_remote_errors(type_: type[Any], data: st.DataObject) -> None:
    plain = cbor.decode(data.draw(VALUES[type_]).encode())
    holder, index = data.draw(st.sampled_from(list(places(plain))))
    match data.draw(st.sampled_from(["replace", "insert", "remove", "double", "swap"])):
        case "replace":
            holder[index] = data.draw(JUNK)
        case "insert":
            holder.insert(index, data.draw(JUNK))
        case "remove":
            del holder[index]
        case "double":
            holder.insert(index, holder[index])
        case _:
            holder[index], holder[0] = holder[0], holder[index]
    accept_or_refuse(type_, cbor.encode(plain))


@every_type
def test_no_type_reads_another_ones_bytes(type_: type[Any]) -> None:
    raw = type_().encode()
    assert Kind(cbor.decode(raw)[0]).name.replace("_", "").lower() == type_.__name__.lower()  # type: ignore[index]
    for other in VALUES:
        if other is not type_:
            with pytest.raises(RemoteError):
                other.decode(raw)


def places(plain: Any) -> Iterator[tuple[list[Any], int]]:
    """Every item of every list within `plain`."""
    if isinstance(plain, list):
        for index, item in enumerate(plain):
            yield plain, index
            yield from places(item)


def accept_or_refuse(type_: type[Any], raw: bytes) -> None:
    """`raw` raises a RemoteError, or is a value like any other: spelled so alone, and fit to be joined."""
    with suppress(RemoteError):
        value = type_.decode(raw)
        assert value.encode() == raw
        assert value.join(type_()) == value == value.join(value)
