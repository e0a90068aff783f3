"""A 16-ary hash-prefix Merkle trie: a short digest of a large map, and a map of where two maps differ.

Keys are 32-byte paths (hashes of entry addresses), values 32-byte digests of entries. A node that holds at most
`SPLIT` entries is a bucket; a larger one has 16 children by the next nibble of the path, down to `MAX_DEPTH`
nibbles. The shape is a function of the entries alone, so equal maps have equal roots however they came about:
removing entries collapses a node again.

    record = path ‖ digest
    empty  = SHA-256("zenmesh/trie/empty" ‖ 0)
    bucket = SHA-256("zenmesh/trie/leaf"  ‖ 0 ‖ record₁ ‖ record₂ ‖ …)            ascending by path
    inner  = SHA-256("zenmesh/trie/node"  ‖ 0 ‖ child₀ ‖ … ‖ child₁₅)             empty children count as `empty`

A bucket is kept as the very bytes that are hashed. Changes are made many at a time and hand themselves down the
nibbles together, so that filling a trie builds it bottom up; hashes are computed when asked for and kept until
something below changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from wire.ids import Digest

SPLIT = 16  # entries a bucket holds before it splits
MAX_DEPTH = 8  # nibbles; a bucket this deep takes any number
FANOUT = 16

_LEAF = b"zenmesh/trie/leaf\0"
_NODE = b"zenmesh/trie/node\0"
EMPTY = Digest(sha256(b"zenmesh/trie/empty\0").digest())

_PATH = 32  # bytes
_RECORD = 64

Prefix = tuple[int, ...]  # nibbles from the root


@dataclass(frozen=True, slots=True)
class Bucket:
    """What stands below a prefix when it is small: entries ascending by path."""

    entries: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Inner:
    """What stands below a prefix when it is large: the 16 child hashes."""

    children: tuple[bytes, ...]


def hash_of(node: Bucket | Inner) -> bytes:
    """The hash of a node as `Trie.below` shows it."""
    if isinstance(node, Inner):
        return sha256(_NODE + b"".join(node.children)).digest()
    return _bucket_hash(b"".join([path + digest for path, digest in node.entries]))


def nibble(path: bytes, depth: int) -> int:
    """The nibble of `path` that leads from `depth` to `depth + 1`."""
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


class _Branch:
    """An inner node, with the hashes of its children as far as they are known (else empty)."""

    __slots__ = ("children", "hashes", "size")

    def __init__(self, children: list[_Node], size: int) -> None:
        self.children = children
        self.hashes = [b""] * FANOUT
        self.size = size  # bytes of all records below

    def __len__(self) -> int:
        return self.size


_Node = _Branch | bytes  # a bucket is its records, one after another


class Trie:
    """A mutable trie. `root` is a value: two tries with equal entries have equal roots."""

    __slots__ = ("_root", "_root_hash")

    def __init__(self, items: Iterable[tuple[bytes, bytes]] = ()) -> None:
        records = {path: path + digest for path, digest in items}
        self._root = _built(sorted(records.values()), 0)
        self._root_hash: bytes | None = None

    def __len__(self) -> int:
        return len(self._root) // _RECORD

    @property
    def root(self) -> Digest:
        """The hash of everything."""
        if self._root_hash is None:
            self._root_hash = _hash(self._root)
        return Digest(self._root_hash)

    def get(self, path: bytes) -> bytes | None:
        """The digest at `path`."""
        node, depth = self._root, 0
        while isinstance(node, _Branch):
            node, depth = node.children[nibble(path, depth)], depth + 1
        return next((digest for at, digest in _items(node) if at == path), None)

    def put(self, path: bytes, digest: bytes) -> None:
        """Set the digest at `path`."""
        self.update({path: digest})

    def remove(self, path: bytes) -> None:
        """Take `path` out, if it is there."""
        self.update({path: None})

    def update(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Set the digests at many paths; None takes a path out."""
        records = [path if digest is None else path + digest for path, digest in changes.items()]
        self._root = _changed(self._root, records, 0)
        self._root_hash = None

    def below(self, prefix: Prefix) -> Bucket | Inner:
        """What stands below `prefix` (the empty tuple: everything)."""
        node, depth = self._descend(prefix)
        if isinstance(node, _Branch):
            return Inner(tuple(_hashes(node)))
        return Bucket(tuple(item for item in _items(node) if _under(item[0], prefix, depth)))

    def hash_below(self, prefix: Prefix) -> bytes:
        """The hash of the node at `prefix`; of a bucket made of what is there when no node stands there."""
        return hash_of(self.below(prefix))

    def under(self, prefix: Prefix) -> Iterator[tuple[bytes, bytes]]:
        """Entries below `prefix`, ascending by path."""
        node, depth = self._descend(prefix)
        yield from (item for item in _walk(node, depth, b"") if _under(item[0], prefix, depth))

    def walk(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries ascending by path, those beyond `after` only."""
        yield from _walk(self._root, 0, after)

    def copy(self) -> Trie:
        """An independent trie with the same entries."""
        return Trie(self.walk())

    def _descend(self, prefix: Prefix) -> tuple[_Node, int]:
        """The node at `prefix`, or the bucket that ends the way there, and its depth."""
        node = self._root
        for depth, step in enumerate(prefix):
            if not isinstance(node, _Branch):
                return node, depth
            node = node.children[step]
        return node, len(prefix)


def _under(path: bytes, prefix: Prefix, depth: int) -> bool:
    return all(nibble(path, at) == prefix[at] for at in range(depth, len(prefix)))


def _records(bucket: bytes) -> list[bytes]:
    return [bucket[at : at + _RECORD] for at in range(0, len(bucket), _RECORD)]


def _items(bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((record[:_PATH], record[_PATH:]) for record in _records(bucket))


def _walk(node: _Node, depth: int, after: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not isinstance(node, _Branch):
        yield from (item for item in _items(node) if item[0] > after)
        return
    first = nibble(after, depth) if len(after) * 2 > depth else 0
    for index in range(first, FANOUT):
        yield from _walk(node.children[index], depth + 1, after if index == first else b"")


# shape


def _built(records: list[bytes], depth: int) -> _Node:
    """The node over `records`, which ascend."""
    if len(records) <= SPLIT or depth == MAX_DEPTH:
        return b"".join(records)
    children: list[_Node] = [b""] * FANOUT
    for step, part in _parted(records, depth).items():
        children[step] = _built(part, depth + 1)
    return _Branch(children, len(records) * _RECORD)


def _changed(node: _Node, changes: list[bytes], depth: int) -> _Node:
    """`node` after `changes`: records to set, and bare paths to take out."""
    if not isinstance(node, _Branch):
        return _built(_merged(node, changes), depth)
    children, hashes = node.children, node.hashes
    for step, part in _parted(changes, depth).items():
        before = len(children[step])
        after = children[step] = _changed(children[step], part, depth + 1)
        node.size += len(after) - before
        hashes[step] = b""
    if node.size > SPLIT * _RECORD:
        return node
    return b"".join([child for child in children if isinstance(child, bytes)])  # none is larger than its parent


def _merged(bucket: bytes, changes: list[bytes]) -> list[bytes]:
    """The records of a bucket after `changes`, ascending."""
    latest = {bucket[at : at + _PATH]: bucket[at : at + _RECORD] for at in range(0, len(bucket), _RECORD)}
    for change in changes:
        latest[change[:_PATH]] = change
    return sorted([record for record in latest.values() if len(record) == _RECORD])


def _parted(records: list[bytes], depth: int) -> dict[int, list[bytes]]:
    """`records` by their nibble at `depth`."""
    parts: dict[int, list[bytes]] = {}
    at, shift = depth >> 1, 0 if depth & 1 else 4
    for record in records:
        step = record[at] >> shift & 15
        if step in parts:
            parts[step].append(record)
        else:
            parts[step] = [record]
    return parts


# hashes


def _hash(node: _Node) -> bytes:
    return sha256(_NODE + b"".join(_hashes(node))).digest() if isinstance(node, _Branch) else _bucket_hash(node)


def _hashes(branch: _Branch) -> list[bytes]:
    """The hashes of a node's children."""
    hashes = branch.hashes
    for step, child in enumerate(branch.children):
        if not hashes[step]:
            hashes[step] = _bucket_hash(child) if isinstance(child, bytes) else _hash(child)
    return hashes


def _bucket_hash(bucket: bytes) -> bytes:
    return sha256(_LEAF + bucket).digest() if bucket else EMPTY
