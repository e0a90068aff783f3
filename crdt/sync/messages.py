"""What two nodes say to each other while they compare and complete their owner logs.

Payloads are positional CBOR arrays; the type codes are the SYNC_* rows of `wire.types`. Fields may be appended in
later versions. Sizes: a data message carries at most `DATA_BYTES` of batches or entries (or one item, if larger).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct

from crdt.batch import MAX_HEADER, Bytes16, Bytes32
from crdt.ops import Author, Natural
from crdt.replica import Row
from wire import cbor
from wire.frame import pack_message
from wire.ids import SwarmId
from wire.types import MessageType

DATA_BYTES = 256 * 1024
MAX_ROWS = 4096
MAX_PREFIXES = 256  # of one tree request
MAX_PATHS = 512
CREDIT = 8  # data messages that may be under way in one direction

Envelope = Annotated[bytes, Meta(min_length=1, max_length=MAX_HEADER)]
Prefix = Annotated[bytes, Meta(max_length=8)]  # one byte per nibble


class VectorRow(Struct, frozen=True, array_like=True):
    """One row of the version vector: [swarm, term, seq, head hash, state root, flag]."""

    swarm: Bytes16
    term: Natural
    seq: Natural
    hash: Bytes32
    root: Bytes32
    flag: Annotated[int, Meta(ge=0, le=255)]

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class Hello(Struct, frozen=True, array_like=True):
    """SYNC_HELLO: what the sender holds. `answers` is the nonce of the HELLO that this one answers, 0 if it opens."""

    nonce: Natural
    answers: Natural
    epoch: Natural
    height: Natural
    root: Bytes32
    rows: Annotated[tuple[VectorRow, ...], Meta(max_length=MAX_ROWS)]


class Want(Struct, frozen=True, array_like=True):
    """Give me what follows batch `seq` (whose hash is `hash`) of one log.

    Where batches do not reach back that far, or `seq` is 0 with `anew`, the answer is the signed head; with `stream`
    its entries follow, those beyond the path `after`.
    """

    swarm: Bytes16
    term: Natural
    seq: Natural
    hash: Bytes32
    anew: bool
    stream: bool
    after: Annotated[bytes, Meta(max_length=32)]

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class Wants(Struct, frozen=True, array_like=True):
    """SYNC_WANT."""

    wants: Annotated[tuple[Want, ...], Meta(max_length=MAX_ROWS)]


class Batches(Struct, frozen=True, array_like=True):
    """SYNC_BATCHES: batches in log order, and how many wants are answered in full with this message."""

    batches: Annotated[tuple[bytes, ...], Meta(max_length=1024)]
    answered: Natural


class Snapshot(Struct, frozen=True, array_like=True):
    """SYNC_SNAPSHOT: the signed head of a log, how many entries belong to it, and whether they follow."""

    head: Envelope
    entries: Natural
    streamed: bool


class Entries(Struct, frozen=True, array_like=True):
    """SYNC_ENTRIES: entries of a log at `seq`, ascending by path when streamed. `last` ends an answer."""

    swarm: Bytes16
    term: Natural
    seq: Natural
    last: bool
    entries: Annotated[tuple[bytes, ...], Meta(max_length=65536)]

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class TreeRequest(Struct, frozen=True, array_like=True):
    """SYNC_TREE_REQUEST: the trie nodes at `prefixes`, and the entries at `paths`, of a log at `seq`.

    A log that has moved on is answered with SYNC_SNAPSHOT, its new head.
    """

    swarm: Bytes16
    term: Natural
    seq: Natural
    prefixes: Annotated[tuple[Prefix, ...], Meta(max_length=MAX_PREFIXES)]
    paths: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_PATHS)]

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class TreeNode(Struct, frozen=True, array_like=True):
    """A trie node: the 16 hashes of an inner node's children, or the (path, digest) pairs of a bucket."""

    prefix: Prefix
    children: Annotated[tuple[Bytes32, ...], Meta(max_length=16)]
    entries: Annotated[tuple[tuple[Bytes32, Bytes32], ...], Meta(max_length=4096)]


class Tree(Struct, frozen=True, array_like=True):
    """SYNC_TREE: the nodes that a request named."""

    swarm: Bytes16
    term: Natural
    seq: Natural
    nodes: Annotated[tuple[TreeNode, ...], Meta(max_length=MAX_PREFIXES)]

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class Credit(Struct, frozen=True, array_like=True):
    """SYNC_CREDIT: so many more data messages may come."""

    messages: Annotated[int, Meta(ge=1, le=CREDIT)]


class Bye(Struct, frozen=True, array_like=True):
    """SYNC_BYE: the sender has all that it wanted. `nonce` is that of its HELLO."""

    nonce: Natural


class HeaderRequest(Struct, frozen=True, array_like=True):
    """SYNC_HEADER_REQUEST: the header of one batch, to find where two logs part."""

    swarm: Bytes16
    term: Natural
    seq: Natural

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


class HeaderReply(Struct, frozen=True, array_like=True):
    """SYNC_HEADER: the sealed header of batch `seq`, null when it is not known any more. `answered` as in batches."""

    swarm: Bytes16
    term: Natural
    seq: Natural
    head: Envelope | None
    answered: Natural

    @property
    def author(self) -> Author:
        return Author(SwarmId(self.swarm), self.term)


Data = Batches | Entries | HeaderReply | Snapshot | Tree  # what credit is for
Message = Hello | Wants | TreeRequest | Credit | Bye | HeaderRequest | Data

STRUCTS: dict[MessageType, type[Message]] = {
    MessageType.SYNC_HELLO: Hello,
    MessageType.SYNC_WANT: Wants,
    MessageType.SYNC_BATCHES: Batches,
    MessageType.SYNC_SNAPSHOT: Snapshot,
    MessageType.SYNC_ENTRIES: Entries,
    MessageType.SYNC_TREE_REQUEST: TreeRequest,
    MessageType.SYNC_TREE: Tree,
    MessageType.SYNC_CREDIT: Credit,
    MessageType.SYNC_BYE: Bye,
    MessageType.SYNC_HEADER_REQUEST: HeaderRequest,
    MessageType.SYNC_HEADER: HeaderReply,
}

_CODES: dict[type[Struct], MessageType] = {struct: code for code, struct in STRUCTS.items()}


def pack(message: Struct) -> bytes:
    """A message ready to send."""
    return pack_message(_CODES[type(message)], cbor.encode_struct(message))


def pack_hello(beginning: Hello, rows: Iterable[Row]) -> bytes:
    """A HELLO ready to send: `beginning`, which has no rows yet, and `rows` behind it."""
    spelled = [_spelled(row) for row in rows]
    start = cbor.encode_struct(beginning)[:-1]  # without its empty array
    return pack_message(MessageType.SYNC_HELLO, start + cbor.head(4, len(spelled)) + b"".join(spelled))


@lru_cache(maxsize=2 * MAX_ROWS)
def _spelled(row: Row) -> bytes:
    """A row as it travels; each is told to many peers before it changes."""
    return cbor.encode_struct(VectorRow(*row))
