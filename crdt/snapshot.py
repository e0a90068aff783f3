"""A whole owner log as one value: for the disk, and as what a full sync ends with.

    blob = CBOR [version, swarm, term, head envelope or null, fork proof or null, [entry…]]

The head is signed by the owner and names the state root, so a snapshot proves itself: entries are hashed into a trie
and must lead to that root. A log that was cut (forked, closed) stands at an earlier head, which proves it just so;
what is left of a stranded log proves nothing and is left out, so that after a restart only its fork proof is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from crdt import fork
from crdt.batch import Bytes16, SignedHeader
from crdt.ops import Author, Natural, entry_digest
from crdt.replica import Replica
from crdt.scan import place_of
from crdt.trie import Trie
from wire import cbor
from wire.errors import BadSignature, Offence
from wire.ids import SwarmId

MAX_SNAPSHOT = 1 << 32  # bytes; on disk only, where quotas have bounded it already


class _Blob(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    swarm: Bytes16
    term: Natural
    head: bytes | None
    proof: bytes | None
    entries: tuple[bytes, ...]


def encode_snapshot(replica: Replica, author: Author) -> bytes:
    """The log of `author` as it stands."""
    log = replica.logs[author]
    head = None if log.head is None or log.stranded else log.head.envelope
    blob = _Blob(
        version=1,
        swarm=author.swarm,
        term=author.term,
        head=head,
        proof=replica.proofs.get(author),
        entries=() if head is None else tuple(log.entries[path] for path in sorted(log.entries)),
    )
    return cbor.encode_struct(blob)


def load_snapshot(replica: Replica, raw: bytes) -> Author:
    """Take the proof that the log in `raw` is forked, and install the log if that then brings more than is held.

    The proof comes first: what is held may be behind the fork, and then an older state is the better one.

    Raises:
        RemoteError: damaged, forged, or of an author that the chain does not name; nothing changed.
    """
    blob = cbor.decode_as(raw, _Blob, MAX_SNAPSHOT)
    author = Author(SwarmId(blob.swarm), blob.term)
    if blob.proof is not None:
        proof = fork.parse(blob.proof)
        if proof.author != author or not replica.verify_fork(proof):
            raise BadSignature("a snapshot with a fork proof that is not about the author it names")
    state = None if blob.head is None else _verified(replica, author, blob.head, blob.entries)
    if blob.proof is not None:
        replica.receive_fork(blob.proof)
    if state is not None and replica.advances(author, state.signed.header.seq):
        _install(replica, state)
    return author


@dataclass(frozen=True, slots=True)
class _State:
    """Entries by path and their trie, which leads to the root that the header signs."""

    signed: SignedHeader
    entries: dict[bytes, bytes]
    trie: Trie


def _verified(replica: Replica, author: Author, envelope: bytes, entries: Iterable[bytes]) -> _State:
    signed = replica.verify_head(envelope)
    if signed is None or signed.author != author:
        raise BadSignature("a snapshot whose head is not by the author it names")
    by_path = {place_of(entry): entry for entry in entries}
    return _checked(replica, _State(signed, by_path, trie_of(by_path)))


def trie_of(entries: dict[bytes, bytes]) -> Trie:
    """The trie over entries by path."""
    return Trie((path, entry_digest(entry)) for path, entry in entries.items())


def install_state(replica: Replica, signed: SignedHeader, entries: dict[bytes, bytes], trie: Trie) -> None:
    """Install `entries` (by path, with their trie) under an authentic header.

    Raises:
        RemoteError: they do not lead to the root that it signs, or are over the owner's quota.
    """
    _install(replica, _checked(replica, _State(signed, entries, trie)))


def _checked(replica: Replica, state: _State) -> _State:
    limits, entries = replica.limits, state.entries
    if len(entries) > limits.entries_per_owner or sum(map(len, entries.values())) > limits.bytes_per_owner:
        raise BadSignature("a snapshot over its owner's quota", Offence.QUOTA)
    if state.trie.root != state.signed.header.state_root:
        raise BadSignature("a snapshot whose entries do not lead to the root that its head signs", Offence.ROOT)
    return state


def _install(replica: Replica, state: _State) -> None:
    log = replica.room_for(state.signed.author)
    log.install(state.signed.head, state.entries, state.trie)
    replica.install(state.signed.author, log)
