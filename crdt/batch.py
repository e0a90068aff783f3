"""Batches: the signed, hash-chained steps of an owner log.

    header  = CBOR [federation, swarm, term, seq, prev_hash, hlc, ops_hash, state_root]
    batch   = CBOR [COSE_Sign1(header), ops]     ops = CBOR array of op byte strings, ops_hash = SHA-256(ops)
    hash    = SHA-256(header bytes)              the next header's prev_hash; 32 zero bytes before the first

Sequence numbers start at 1 and have no gaps. `state_root` is the root of the author's trie after the batch, so that
any head proves the whole state that belongs to it. One signature covers a batch however many ops it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from crdt.ops import Author, Natural
from wire import cbor, cose, keys
from wire.errors import BadSignature, DecodeError, Offence
from wire.ids import Digest, PublicKey, SwarmId, sha256
from wire.types import BATCH_LIMIT, ContentType

MAX_OPS = 256
MAX_OPS_BYTES = 256 * 1024
MAX_HEADER = 1024  # bytes of a sealed header
_SMALL = 4096  # bytes of a batch that is worth keeping

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]


class Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an author signs of a batch."""

    federation: Bytes32
    swarm: Bytes16
    term: Natural
    seq: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
    prev_hash: Bytes32
    hlc: Natural
    ops_hash: Bytes32
    state_root: Bytes32


@dataclass(frozen=True, slots=True)
class Head:
    """The newest header of a log, with the envelope that proves it."""

    seq: int
    hash: Digest
    hlc: int
    root: Digest
    envelope: bytes


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A parsed header; authentic once `verify_header` returned."""

    header: Header
    envelope: cose.Envelope
    hash: Digest

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.header.swarm), self.header.term)

    @property
    def head(self) -> Head:
        header = self.header
        return Head(header.seq, self.hash, header.hlc, Digest(header.state_root), self.envelope.raw)


@dataclass(frozen=True, slots=True)
class Batch:
    """A parsed batch: the ops are the ones that the header names, nothing else is checked yet."""

    signed: SignedHeader
    ops: tuple[bytes, ...]
    raw: bytes


def build(header: Header, ops: bytes, key: keys.SigningKey) -> bytes:
    """Seal `header` and put `ops` (already encoded) beside it."""
    envelope = cose.seal(ContentType.BATCH, cbor.encode_struct(header), key, header.federation)
    return cbor.encode([envelope, ops])


def encode_ops(ops: Sequence[bytes]) -> bytes:
    """The ops part of a batch."""
    return cbor.encode(list(ops))


def parse(raw: bytes) -> Batch:
    """The batch in `raw`, unverified; raises DecodeError. Small ones read last are kept: gossip is read to relay it,
    then to apply it."""
    return _parse_once(raw) if len(raw) <= _SMALL else _parse(raw)


def _parse(raw: bytes) -> Batch:
    match cbor.decode(raw, BATCH_LIMIT):
        case [bytes() as envelope, bytes() as ops]:
            pass
        case _:
            raise DecodeError("not a batch [header, ops]")
    signed = parse_header(envelope)
    if sha256(ops) != signed.header.ops_hash:
        raise BadSignature("the ops of a batch are not the ones that its header names")
    items = cbor.decode(ops, MAX_OPS_BYTES)
    if not isinstance(items, list) or not 0 < len(items) <= MAX_OPS or not all(type(op) is bytes for op in items):
        raise DecodeError(f"a batch holds 1 to {MAX_OPS} ops")
    return Batch(signed, tuple(items), raw)


_parse_once = lru_cache(maxsize=64)(_parse)


def parse_header(envelope: bytes) -> SignedHeader:
    """The sealed header in `envelope`, unverified; raises DecodeError."""
    parsed = cose.parse(envelope, MAX_HEADER)
    if parsed.content_type != ContentType.BATCH:
        raise DecodeError(f"{parsed.content_type} where a batch header belongs", Offence.PROTOCOL)
    header = cbor.decode_as(parsed.payload, Header)
    return SignedHeader(header, parsed, sha256(parsed.payload))


def verify_header(signed: SignedHeader, federation: bytes, key: PublicKey, verify: keys.Verify) -> None:
    """Raises BadSignature unless the author's queen key signed the header for this federation."""
    if signed.header.federation != federation:
        raise BadSignature("a batch of another federation", Offence.FEDERATION)
    if signed.envelope.kid != key:
        raise BadSignature("a batch that is not signed by the queen key of its term")
    cose.check(signed.envelope, federation, verify)
