"""A 16-ary hash-prefix Merkle trie: a short digest of a large map, and a map of where two maps differ.

Keys are 32-byte paths (hashes of entry addresses), values 32-byte digests of entries. A node that holds at most
`SPLIT` entries is a bucket; a larger one has 16 children by the next nibble of the path, down to `MAX_DEPTH`
nibbles. The shape is a function of the entries alone, so equal maps have equal roots however they came about:
removing entries collapses a node again.

    empty  = SHA-256("zenmesh/trie/empty" ‖ 0)
    bucket = SHA-256("zenmesh/trie/leaf"  ‖ 0 ‖ path₁ ‖ digest₁ ‖ path₂ ‖ …)      ascending by path
    inner  = SHA-256("zenmesh/trie/node"  ‖ 0 ‖ child₀ ‖ … ‖ child₁₅)             empty children count as `empty`

Hashes are computed when asked for and kept until something below changes, so an update costs its depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from wire.ids import Digest

SPLIT = 16  # entries a bucket holds before it splits
MAX_DEPTH = 8  # nibbles; a bucket this deep takes any number
FANOUT = 16

_LEAF = b"zenmesh/trie/leaf\0"
_NODE = b"zenmesh/trie/node\0"
EMPTY = Digest(sha256(b"zenmesh/trie/empty\0").digest())

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
    pairs = [path + digest for path, digest in node.entries]
    return sha256(_LEAF + b"".join(pairs)).digest() if pairs else EMPTY


class _Node:
    __slots__ = ("children", "count", "digest", "entries")

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries: dict[bytes, bytes] | None = entries  # None in an inner node
        self.children: list[_Node | None] = []  # empty in a bucket
        self.count = len(entries)
        self.digest: bytes | None = None


def nibble(path: bytes, depth: int) -> int:
    """The nibble of `path` that leads from `depth` to `depth + 1`."""
    byte = path[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


class Trie:
    """A mutable trie. `root` is a value: two tries with equal entries have equal roots."""

    __slots__ = ("_root",)

    def __init__(self, items: Iterable[tuple[bytes, bytes]] = ()) -> None:
        entries = dict(items)
        self._root = _Node(entries)
        _split_if_large(self._root, 0)

    def __len__(self) -> int:
        return self._root.count

    @property
    def root(self) -> Digest:
        """The hash of everything."""
        return Digest(_hash(self._root))

    def get(self, path: bytes) -> bytes | None:
        """The digest at `path`."""
        node, depth = self._root, 0
        while node.entries is None:
            child = node.children[nibble(path, depth)]
            if child is None:
                return None
            node, depth = child, depth + 1
        return node.entries.get(path)

    def put(self, path: bytes, digest: bytes) -> None:
        """Set the digest at `path`."""
        added = 0 if self.get(path) is not None else 1
        node, depth = self._root, 0
        while node.entries is None:
            node.digest = None
            node.count += added
            index = nibble(path, depth)
            child = node.children[index]
            if child is None:
                child = node.children[index] = _Node({})
            node, depth = child, depth + 1
        node.digest = None
        node.entries[path] = digest
        node.count = len(node.entries)
        _split_if_large(node, depth)

    def remove(self, path: bytes) -> None:
        """Take `path` out, if it is there."""
        if self.get(path) is None:
            return
        node, depth = self._root, 0
        while node.entries is None:
            node.digest = None
            node.count -= 1
            if node.count <= SPLIT:
                _collapse(node)
                break
            index = nibble(path, depth)
            child = node.children[index]
            assert child is not None, "the path was found above"
            if child.count == 1:
                node.children[index] = None
                return
            node, depth = child, depth + 1
        assert node.entries is not None, "the loop ends at a bucket"
        node.digest = None
        del node.entries[path]
        node.count = len(node.entries)

    def below(self, prefix: Prefix) -> Bucket | Inner:
        """What stands below `prefix` (the empty tuple: everything)."""
        node: _Node | None = self._root
        for depth, step in enumerate(prefix):
            assert node is not None
            if node.entries is not None:
                return Bucket(tuple(sorted(e for e in node.entries.items() if _under(e[0], prefix, depth))))
            node = node.children[step]
            if node is None:
                return Bucket(())
        assert node is not None
        if node.entries is not None:
            return Bucket(tuple(sorted(node.entries.items())))
        return Inner(tuple(EMPTY if child is None else _hash(child) for child in node.children))

    def hash_below(self, prefix: Prefix) -> bytes:
        """The hash of the node at `prefix`; of a bucket made of what is there when no node stands there."""
        node: _Node | None = self._root
        for step in prefix:
            if node is None or node.entries is not None:
                break
            node = node.children[step]
        else:
            return EMPTY if node is None else _hash(node)
        return hash_of(self.below(prefix))

    def under(self, prefix: Prefix) -> Iterator[tuple[bytes, bytes]]:
        """Entries below `prefix`, ascending by path."""
        node: _Node | None = self._root
        for step in prefix:
            if node is None or node.entries is not None:
                break
            node = node.children[step]
        if node is not None:
            yield from (item for item in _walk(node, 0, b"") if _under(item[0], prefix, 0))

    def walk(self, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Entries ascending by path, those beyond `after` only."""
        yield from _walk(self._root, 0, after)

    def copy(self) -> Trie:
        """An independent trie with the same entries."""
        return Trie(_walk(self._root, 0, b""))


def _under(path: bytes, prefix: Prefix, depth: int) -> bool:
    return all(nibble(path, at) == prefix[at] for at in range(depth, len(prefix)))


def _split_if_large(bucket: _Node, depth: int) -> None:
    """Make an inner node of a bucket that became large, and so on below."""
    entries = bucket.entries
    assert entries is not None, "an inner node has been split before"
    if len(entries) <= SPLIT or depth == MAX_DEPTH:
        return
    parts: list[dict[bytes, bytes]] = [{} for _ in range(FANOUT)]
    for path, digest in entries.items():
        parts[nibble(path, depth)][path] = digest
    bucket.children = [_Node(part) if part else None for part in parts]
    bucket.entries = None
    for child in bucket.children:
        if child is not None:
            _split_if_large(child, depth + 1)


def _collapse(node: _Node) -> None:
    """Make a bucket of an inner node that became small. `count` may be about to follow."""
    node.entries = dict(_walk(node, 0, b""))
    node.children = []


def _hash(node: _Node) -> bytes:
    if node.digest is None:
        if node.entries is None:
            parts = [EMPTY if child is None else _hash(child) for child in node.children]
            node.digest = hash_of(Inner(tuple(parts)))
        else:
            node.digest = hash_of(Bucket(tuple(sorted(node.entries.items()))))
    return node.digest


def _walk(node: _Node, depth: int, after: bytes) -> Iterator[tuple[bytes, bytes]]:
    if node.entries is not None:
        yield from (item for item in sorted(node.entries.items()) if item[0] > after)
        return
    first = nibble(after, depth) if len(after) * 2 > depth else 0
    for index in range(first, FANOUT):
        child = node.children[index]
        if child is not None:
            yield from _walk(child, depth + 1, after if index == first else b"")
