"""Deterministic CBOR: one encoding per value, strictly checked on the way in.

Everything hashed or signed is RFC 8949 §4.2.1 core deterministic encoding without floats and without tags. Decoding
refuses whatever that form cannot produce (indefinite lengths, duplicate or unsorted keys, long integers, tags,
floats, trailing bytes), so that a value has exactly one spelling and no peer can smuggle a second one past a hash.
Sizes are capped before decoding and nesting at `MAX_DEPTH`. Typed messages are msgspec Structs with
`array_like=True`: positional arrays on the wire, frozen validated values here.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

import cbor2
import msgspec

from wire.errors import DecodeError, Offence

MAX_DEPTH = 16
DEFAULT_LIMIT = 4 * 1024 * 1024  # bytes: one frame

StructT = TypeVar("StructT", bound=msgspec.Struct)

_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_ATOMS = frozenset((bytes, str, bool, type(None)))
_ARRAYS = (list, tuple)


def _no_tag(*_args: object) -> NoReturn:
    raise DecodeError("CBOR tags are not allowed here")


# Every tag that cbor2 would interpret on its own (dates, bignums, fractions, regular expressions, shared references,
# sets, addresses…) is refused before its content is built.
_KNOWN_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
REFUSED_TAGS: dict[int, Any] = dict.fromkeys(_KNOWN_TAGS, _no_tag)


def encode(value: object) -> bytes:
    """`value` (ints of 64 bits, bytes, str, bool, None, lists, tuples, dicts of these) as deterministic CBOR.

    Raises:
        AssertionError: a float or another type: our own mistake, since only our own values are encoded.
    """
    assert _is_plain(value), "only ints of 64 bits, bytes, text, bool, None, lists and text-keyed dicts are encoded"
    return cbor2.dumps(value, canonical=True)


def head(major: int, value: int) -> bytes:
    """What an item of type `major` with this value or length (32 bits) begins with, in the shortest form."""
    lead = major << 5
    if value < 24:
        return bytes((lead | value,))
    if value < 1 << 8:
        return bytes((lead | 24, value))
    if value < 1 << 16:
        return bytes((lead | 25,)) + value.to_bytes(2, "big")
    return bytes((lead | 26,)) + value.to_bytes(4, "big")


def encode_struct(message: msgspec.Struct) -> bytes:
    """A typed message as a positional CBOR array."""
    return encode(msgspec.to_builtins(message, builtin_types=(bytes,)))


def decode(data: bytes, limit: int = DEFAULT_LIMIT) -> object:
    """The value that `data` encodes.

    Raises:
        DecodeError: over `limit` bytes, nested deeper than `MAX_DEPTH`, or not deterministic CBOR of our types.
    """
    if len(data) > limit:
        raise DecodeError(f"{len(data)} bytes where {limit} are allowed", Offence.OVERSIZE)
    try:
        value: object = cbor2.loads(
            data,
            tag_hook=_no_tag,
            semantic_decoders=REFUSED_TAGS,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        canonical = cbor2.dumps(value, canonical=True)
    except Exception as error:  # cbor2's own family, also around `_no_tag`'s; ValueError, OverflowError, TypeError…
        raise DecodeError(f"not CBOR: {error}") from error
    if canonical != data:
        raise DecodeError("not in deterministic form, or trailing bytes")
    if not _is_plain(value):
        raise DecodeError("a float, undefined or simple value, a non-text map key, or an integer over 64 bits")
    return value


def decode_as(data: bytes, kind: type[StructT], limit: int = DEFAULT_LIMIT) -> StructT:
    """`data` as a typed message of class `kind`.

    Raises:
        DecodeError: as `decode`, or the value does not fit the fields of `kind`.
    """
    return convert(decode(data, limit), kind)


def convert(value: object, kind: type[StructT]) -> StructT:
    """A decoded value as a typed message of class `kind`; raises DecodeError where it does not fit."""
    try:
        return msgspec.convert(value, kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise DecodeError(f"not a {kind.__name__}: {error}") from error


def _is_plain(value: object) -> bool:
    """True iff `value` is made of nothing but the types that this codec speaks. Level by level: most items are atoms,
    and those of a whole level are told from the rest at once."""
    level = [value]
    while level:
        rest = [item for item in level if type(item) not in _ATOMS]
        level = []
        for item in rest:
            if isinstance(item, int):  # an enum's, too
                if not _INT_MIN <= item <= _INT_MAX:
                    return False
            elif isinstance(item, _ARRAYS):
                level += item
            elif isinstance(item, dict) and all(type(key) is str for key in item):
                level += item.values()
            else:
                return False
    return True
