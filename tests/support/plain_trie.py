"""Merkle tries as the documents define them, in a few lines and with nothing but SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

SPLIT, DEPTH, FANOUT = 16, 8, 16


def trie_nodes(entries: Mapping[bytes, bytes], prefix: str = "") -> dict[str, bytes]:
    """The hash of each node by the nibbles that lead to it, in hex; nodes without entries are not there."""
    if not entries:
        return {}
    if len(entries) <= SPLIT or len(prefix) == DEPTH:
        return {prefix: _tagged(b"leaf", *(path + digest for path, digest in sorted(entries.items())))}
    nodes: dict[str, bytes] = {}
    children = []
    for step in range(FANOUT):
        below = f"{prefix}{step:x}"
        nodes |= trie_nodes({path: it for path, it in entries.items() if path.hex().startswith(below)}, below)
        children.append(nodes.get(below, _tagged(b"empty")))
    return {prefix: _tagged(b"node", *children), **nodes}


def trie_root(entries: Mapping[bytes, bytes]) -> bytes:
    """The hash of everything."""
    return trie_nodes(entries).get("", _tagged(b"empty"))


def _tagged(kind: bytes, *parts: bytes) -> bytes:
    return sha256(b"zenmesh/trie/" + kind + b"\0" + b"".join(parts)).digest()
