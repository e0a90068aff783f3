"""The bytes of replicated values: one spelling each, bounded, checked.

    value   = CBOR [kind, part…]         deterministic, at most MAX_STATE bytes
    rows    = [[key, …], …]              strictly ascending by key

The kind comes first, so a set is never read as a map. What a caller may put in and what a peer may send is described
by the same annotated types: `fit` blames the caller for the first, `shape` the peer for the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from crdt.ops import MAX_ENTRY
from wire import cbor
from wire.errors import DecodeError, ProposalTooLarge, UsageError
from wire.types import MIB

MAX_STATE = MIB  # bytes of one encoded value
MAX_VALUE = MAX_ENTRY  # bytes of a register's value or a set's element

Value = Annotated[bytes, Meta(max_length=MAX_VALUE)]

T = TypeVar("T")


class Kind(IntEnum):
    """What an encoded value is. Codes are never reused."""

    VERSION_VECTOR = 1
    CAUSAL_CONTEXT = 2
    G_COUNTER = 3
    PN_COUNTER = 4
    OR_COUNTER = 5
    LWW_REGISTER = 6
    MV_REGISTER = 7
    OR_SET = 8
    OR_MAP = 9


def seal(kind: Kind, *parts: object) -> bytes:
    """The bytes of a value; raises ProposalTooLarge when no peer would take them."""
    if _depth(parts) > cbor.MAX_DEPTH:
        raise ProposalTooLarge("maps within maps are nested too deep to be sent")
    raw = cbor.encode([int(kind), *parts])
    if len(raw) > MAX_STATE:
        raise ProposalTooLarge(f"a replicated value has at most {MAX_STATE} bytes, this one has {len(raw)}")
    return raw


def unseal(kind: Kind, raw: bytes, parts: int) -> list[Any]:
    """The `parts` parts of the value in `raw`, which must be of `kind`; raises DecodeError."""
    value = cbor.decode(raw, MAX_STATE)
    if not isinstance(value, list) or len(value) != 1 + parts or shape(value[0], int) != kind:
        raise DecodeError(f"not a {kind.name} of {parts} parts")
    return value[1:]


def shape(value: object, form: type[T]) -> T:
    """A decoded value as a `form`; raises DecodeError where it does not fit."""
    try:
        return msgspec.convert(value, form, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DecodeError(f"a replicated value of the wrong shape: {error}") from error


def fit(value: object, form: Any) -> None:
    """Raises UsageError unless `value`, which our own caller brings, fits `form`."""
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))  # convert takes a NamedTuple as it is, unchecked
    try:
        msgspec.convert(plain, form, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise UsageError(f"{value!r:.80} cannot be replicated: {error}") from error


def check_ascending(keys: Sequence[Any]) -> None:
    """Raises DecodeError unless `keys` are strictly ascending: sorted, none twice."""
    if any(one >= other for one, other in pairwise(keys)):
        raise DecodeError("rows of a replicated value out of order or twice")


def _depth(value: object) -> int:
    """How many arrays `value` has around its innermost part."""
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list | tuple) else 0
