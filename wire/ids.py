"""Names of things: fixed-size byte strings for what is signed, text for what libp2p and people use.

A swarm's id is derived from its root key, so nobody can claim another's; a peer id is libp2p's own derivation from
the node key (peer-ids spec: base58btc of the identity multihash of the protobuf-encoded Ed25519 key), computed here
so that reading an id needs no libp2p.
"""

from __future__ import annotations

import hashlib
from typing import NewType

import base58

FederationId = NewType("FederationId", bytes)  # 32 bytes: SHA-256 of the genesis as received
SwarmId = NewType("SwarmId", bytes)  # 16 bytes: see swarm_id_of
PublicKey = NewType("PublicKey", bytes)  # 32 bytes: Ed25519
Digest = NewType("Digest", bytes)  # 32 bytes: SHA-256
PeerId = NewType("PeerId", str)  # "12D3KooW…"

DIGEST_SIZE = 32
SWARM_ID_SIZE = 16
KEY_SIZE = 32
SIGNATURE_SIZE = 64

ZERO_DIGEST = Digest(bytes(DIGEST_SIZE))

# protobuf PublicKey{Type: Ed25519 (1), Data: 32 bytes} inside an identity multihash (code 0, length 36)
_ED25519_PEER_ID_PREFIX = bytes.fromhex("0024080112" + "20")


def sha256(*parts: bytes) -> Digest:
    """SHA-256 of the concatenation of `parts` (32 bytes)."""
    return Digest(hashlib.sha256(b"".join(parts)).digest())


def tagged_hash(tag: str, *parts: bytes) -> Digest:
    """SHA-256 in its own domain: `tag` ‖ 0x00 ‖ parts, so that hashes of different things never collide."""
    return sha256(tag.encode(), b"\0", *parts)


def swarm_id_of(root_key: PublicKey) -> SwarmId:
    """The 16-byte id of the swarm whose root public key is `root_key`."""
    return SwarmId(tagged_hash("zenmesh/swarm", root_key)[:SWARM_ID_SIZE])


def peer_id_of(node_key: PublicKey) -> PeerId:
    """The libp2p peer id of an Ed25519 node key."""
    return PeerId(base58.b58encode(_ED25519_PEER_ID_PREFIX + node_key).decode())


def node_key_of(peer: PeerId) -> PublicKey | None:
    """The Ed25519 node key inside a peer id, or None when `peer` is not such an id."""
    try:
        raw = base58.b58decode(peer)
    except ValueError:
        return None
    prefix = len(_ED25519_PEER_ID_PREFIX)
    if len(raw) != prefix + KEY_SIZE or not raw.startswith(_ED25519_PEER_ID_PREFIX):
        return None
    return PublicKey(raw[prefix:])
