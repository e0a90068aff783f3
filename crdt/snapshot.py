"""A whole owner log as one value: for the disk, and as what a full sync ends with.

    blob = CBOR [version, swarm, term, flag, head envelope or null, fork proof or null, [entry…]]

The head is signed by the owner and names the state root, so a snapshot proves itself: entries are hashed into a trie
and must lead to that root. A log that was cut (forked, closed) stands at an earlier head, which proves it just so.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdt.batch import SignedHeader
from crdt.ops import Author, decode_entry, entry_digest, path_of
from crdt.owner_log import Flag
from crdt.replica import Replica
from crdt.trie import Trie
from wire import cbor
from wire.errors import BadSignature, DecodeError, Offence
from wire.ids import SwarmId

VERSION = 1
MAX_SNAPSHOT = 1 << 32  # bytes; on disk only, where quotas have bounded it already


def encode_snapshot(replica: Replica, author: Author) -> bytes:
    """The log of `author` as it stands."""
    log = replica.logs[author]
    envelope = log.head.envelope if log.head else None
    entries = [log.entries[path] for path, _ in log.trie.walk()]
    proof = replica.proofs.get(author)
    return cbor.encode([VERSION, author.swarm, author.term, int(log.flag), envelope, proof, entries])


def load_snapshot(replica: Replica, blob: bytes) -> Author:
    """Install the log in `blob` if it is further than what is held.

    Raises:
        RemoteError: damaged, forged, or of an author that the chain does not name.
    """
    match cbor.decode(blob, MAX_SNAPSHOT):
        case [int() as version, bytes() as swarm, int() as term, int() as flag, envelope, proof, list() as entries]:
            pass
        case _:
            raise DecodeError("not a snapshot")
    if version != VERSION or flag not in list(Flag) or not all(type(entry) is bytes for entry in entries):
        raise DecodeError("a snapshot of another version or shape")
    author = Author(SwarmId(swarm), term)
    if isinstance(envelope, bytes):
        install_entries(replica, author, envelope, entries)
    if isinstance(proof, bytes):
        replica.receive_fork(proof)
    return author


def install_entries(replica: Replica, author: Author, envelope: bytes, entries: Iterable[bytes]) -> bool:
    """Replace the log of `author` by a verified head and its entries; False when what is held is as far.

    Raises:
        RemoteError: the head is not the author's, or the entries do not lead to its root.
    """
    signed = replica.verify_head(envelope)
    if signed is None or signed.author != author:
        raise BadSignature("a snapshot whose head is not by the author it names")
    held = replica.head(author)
    if held is not None and held.seq >= signed.header.seq:
        return False
    by_path = {path_of(decode_entry(entry, author.term).op): entry for entry in entries}
    install_state(replica, signed, by_path, trie_of(by_path))
    return True


def trie_of(entries: dict[bytes, bytes]) -> Trie:
    """The trie over entries by path."""
    return Trie((path, entry_digest(entry)) for path, entry in entries.items())


def install_state(replica: Replica, signed: SignedHeader, entries: dict[bytes, bytes], trie: Trie) -> None:
    """Install `entries` (by path, with their trie) under an authentic header.

    Raises:
        RemoteError: they do not lead to the root that it signs, or are over the owner's quota.
    """
    limits = replica.limits
    if len(entries) > limits.entries_per_owner or sum(map(len, entries.values())) > limits.bytes_per_owner:
        raise BadSignature("a snapshot over its owner's quota", Offence.QUOTA)
    if trie.root != signed.header.state_root:
        raise BadSignature("a snapshot whose entries do not lead to the root that its head signs", Offence.ROOT)
    log = replica.new_log(signed.author)
    log.install(signed.head, entries, trie)
    replica.install(signed.author, log)
