"""Operations of an owner log, the entries they make, and the dots that name them.

An *author* is a swarm in one term. It writes its own log alone, so its state is a pure function of a log prefix and
needs no tombstones: a deletion just removes the entry. Only across terms of one swarm can a deletion meet an entry
that it does not own; it then leaves a tombstone that names the dots it observed (ORSWOT: Bieniusa et al., "An
optimized conflict-free replicated set", 2012).

    address = CBOR [collection, key]            of a register (put, del)
              CBOR [collection, key, element]   of a set element (add, rm)
    path    = SHA-256(address)                  where the entry stands in the trie
    entry   = CBOR [seq, index, hlc, op bytes]  dot = (term, seq, index)
    digest  = SHA-256("zenmesh/entry" ‖ 0 ‖ entry)

Values and elements are opaque bytes. Entries stay the bytes they came as and are decoded when read.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, NamedTuple

import cbor2
from msgspec import Meta, Struct

from wire import cbor
from wire.errors import DecodeError, Offence, ProposalTooLarge
from wire.ids import SwarmId

MAX_KEY = 128  # bytes of UTF-8
MAX_COLLECTION = 64
MAX_ENTRY = 16 * 1024  # bytes of one encoded op
MAX_STAMP = 64  # bytes that an entry adds to its op, at most
MAX_OBSERVED = 256

_ENTRY_HASH = sha256(b"zenmesh/entry\0")
_FOUR_FIELDS, _FIVE_FIELDS = b"\x84", b"\x85"  # heads of CBOR arrays

Natural = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Author(NamedTuple):
    """Who writes a log: a swarm in one term."""

    swarm: SwarmId
    term: int


class Dot(NamedTuple):
    """The name of one op of a swarm: (term, batch, place in the batch). Orders writes of equal clock."""

    term: int
    seq: int
    place: int


class OpKind(IntEnum):
    """What an op does."""

    PUT = 0
    DEL = 1
    ADD = 2
    RM = 3


REMOVALS = (OpKind.DEL, OpKind.RM)
ELEMENTS = (OpKind.ADD, OpKind.RM)


class Op(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """[collection, key, kind, value or element, observed dots of older terms]."""

    collection: Annotated[str, Meta(min_length=1, max_length=MAX_COLLECTION)]
    key: Annotated[str, Meta(min_length=1, max_length=MAX_KEY)]
    kind: OpKind
    value: bytes | None
    observed: Annotated[tuple[tuple[Natural, Natural, Natural], ...], Meta(max_length=MAX_OBSERVED)]


class Entry(NamedTuple):
    """A decoded entry: the op, its dot and its stamp."""

    op: Op
    dot: Dot
    hlc: int


class _Entry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    seq: Natural
    index: Natural
    hlc: Natural
    op: bytes


def encode_op(op: Op) -> bytes:
    """The bytes of `op`; raises ProposalTooLarge when it is over a limit."""
    raw = cbor.encode_struct(op)
    size = len(op.key.encode())
    if not 0 < len(op.collection) <= MAX_COLLECTION:
        raise ProposalTooLarge(
            f"a collection has 1 to {MAX_COLLECTION} characters, this one has {len(op.collection)}"
        )
    if not 0 < size <= MAX_KEY:
        raise ProposalTooLarge(f"a key has 1 to {MAX_KEY} bytes, this one has {size}")
    if len(raw) > MAX_ENTRY:
        raise ProposalTooLarge(f"an entry has at most {MAX_ENTRY} bytes, this one has {len(raw)}: split it up")
    return raw


def decode_op(raw: bytes) -> Op:
    """The op in `raw`; raises DecodeError, also where `raw` is not the one spelling that `encode_op` gives it.

    Shorter than `cbor.decode_as`: full syncs decode ops by the ten thousand, and the types of `Op` bound the values.
    """
    if len(raw) > MAX_ENTRY:
        raise DecodeError("op over its size limit", Offence.OVERSIZE)
    try:
        value = cbor2.loads(raw, max_depth=4, allow_indefinite=False, semantic_decoders=cbor.REFUSED_TAGS)
        canonical = cbor2.dumps(value, canonical=True)
    except Exception as error:  # cbor2's own, also around what refuses a tag
        raise DecodeError(f"op is not CBOR: {error}") from error
    if canonical != raw or not raw.startswith(_FIVE_FIELDS):
        raise DecodeError("op not in deterministic form, of other than five fields, or with trailing bytes")
    op = cbor.convert(value, Op)
    if len(op.key) * 4 > MAX_KEY and len(op.key.encode()) > MAX_KEY:
        raise DecodeError("key over its size limit", Offence.OVERSIZE)
    if (op.value is None) != (op.kind is OpKind.DEL):
        raise DecodeError("exactly a deletion carries no value")
    if op.observed and op.kind not in REMOVALS:
        raise DecodeError("only removals name observed dots")
    return op


def path_of(op: Op) -> bytes:
    """Where the entry of `op` stands in the trie."""
    return element_path(op.collection, op.key, op.value) if op.kind in ELEMENTS else key_path(op.collection, op.key)


def key_path(collection: str, key: str) -> bytes:
    """The path of a register."""
    return sha256(cbor2.dumps([collection, key])).digest()


def element_path(collection: str, key: str, element: bytes | None) -> bytes:
    """The path of a set element."""
    return sha256(cbor2.dumps([collection, key, element])).digest()


def encode_entry(seq: int, index: int, hlc: int, op: bytes) -> bytes:
    """The entry that the op `op`, at (seq, index) with stamp `hlc`, leaves."""
    return b"".join((_FOUR_FIELDS, _number(seq), _number(index), _number(hlc), _bytes_head(len(op)), op))


@lru_cache(maxsize=1024)
def _number(value: int) -> bytes:
    return cbor2.dumps(value)


@lru_cache(maxsize=1024)
def _bytes_head(length: int) -> bytes:
    """What stands before the content of a byte string."""
    return cbor2.dumps(bytes(length)).removesuffix(bytes(length))


def entry_digest(entry: bytes) -> bytes:
    """The leaf digest of an entry."""
    digest = _ENTRY_HASH.copy()
    digest.update(entry)
    return digest.digest()


def decode_entry(raw: bytes, term: int) -> Entry:
    """The entry in `raw`, of the log of `term`; raises DecodeError."""
    entry = _fields(raw)
    return Entry(decode_op(entry.op), Dot(term, entry.seq, entry.index), entry.hlc)


def op_of(entry: bytes) -> bytes:
    """The bytes of the op in an entry; raises DecodeError. The op itself is not looked at."""
    return _fields(entry).op


def _fields(raw: bytes) -> _Entry:
    if len(raw) > MAX_ENTRY + MAX_STAMP:
        raise DecodeError("entry over its size limit", Offence.OVERSIZE)
    try:
        value = cbor2.loads(raw, max_depth=2, allow_indefinite=False, semantic_decoders=cbor.REFUSED_TAGS)
    except Exception as error:
        raise DecodeError(f"entry is not CBOR: {error}") from error
    entry = cbor.convert(value, _Entry)
    if encode_entry(entry.seq, entry.index, entry.hlc, entry.op) != raw:
        raise DecodeError("entry not in deterministic form, or with trailing bytes")
    return entry
