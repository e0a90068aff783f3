"""Where an op writes and an entry stands, told from the bytes.

A full sync takes ops by the ten thousand whose values nobody reads yet, and decoding each into an object costs more
than all the hashes that make it trusted. An op of the usual form (ASCII names, a value, no observed dots) has exactly
one spelling, and that spelling is checked here byte by byte:

    85  61…77 collection  61…77 | 78 18…7f key  00 | 02 | 03  40…57 | 58 18…ff | 59 0100…ffff value  80

The address stands in it as it is hashed. Whatever looks different goes to `decode_op`, which decides; so nothing
passes that it would refuse.
"""

from __future__ import annotations

from hashlib import sha256

from crdt.ops import MAX_ENTRY, REMOVALS, OpKind, decode_op, op_of, path_of

_OP = 0x85  # an array of five
_BYTES, _TEXT = 0x40, 0x60  # the head of a string is one of these and the length, if that is less than …
_LONG, _LONGER = 0x18, 0x19  # … or with these in its place; the length follows in one byte, in two
_NONE_OBSERVED = 0x80
_PUT, _ADD, _RM = int(OpKind.PUT), int(OpKind.ADD), int(OpKind.RM)
_REGISTER, _ELEMENT = b"\x82", b"\x83"  # arrays of two and three


def effect_of(raw: bytes) -> tuple[bytes, bool]:
    """The path that the op in `raw` writes to, and whether an entry stands there afterwards; raises DecodeError."""
    end = _usual_form(raw)
    if end:
        kind = raw[end]
        if kind == _PUT:
            return sha256(_REGISTER + raw[1:end]).digest(), True
        if kind in (_ADD, _RM):
            return sha256(_ELEMENT + raw[1:end] + raw[end + 1 : -1]).digest(), kind == _ADD
    op = decode_op(raw)
    return path_of(op), op.kind not in REMOVALS or bool(op.observed)


def place_of(entry: bytes) -> bytes:
    """The path at which an entry stands; raises DecodeError."""
    return effect_of(op_of(entry))[0]


def _usual_form(raw: bytes) -> int:
    """Where the kind stands in an op of the usual form; 0 in any other. The kind itself is not looked at."""
    try:
        length = raw[1] - _TEXT
        if raw[0] != _OP or not 0 < length < _LONG:
            return 0
        at = 2 + length
        length = raw[at] - _TEXT
        at += 1
        if length == _LONG:
            length = raw[at]
            at += 1
            if length < _LONG:
                return 0
        elif not 0 < length < _LONG:
            return 0
        end = at + length
        length = raw[end + 1] - _BYTES
        at = end + 2
        if length == _LONG:
            length = raw[at]
            at += 1
            if length < _LONG:
                return 0
        elif length == _LONGER:
            length = raw[at] << 8 | raw[at + 1]
            at += 2
            if length < 256:
                return 0
        elif not 0 <= length < _LONG:
            return 0
        at += length
        fills = at + 1 == len(raw) <= MAX_ENTRY and raw[at] == _NONE_OBSERVED
    except IndexError:
        return 0
    return end if fills and raw[1:end].isascii() else 0  # so is the length of a key, if it is less than 128
