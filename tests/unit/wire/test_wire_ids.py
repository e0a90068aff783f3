"""Names of things: hashes in domains of their own, swarm ids from root keys, peer ids as libp2p derives them."""

from __future__ import annotations

import hashlib

import base58
import pytest

from wire.ids import (
    DIGEST_SIZE,
    SWARM_ID_SIZE,
    ZERO_DIGEST,
    PeerId,
    PublicKey,
    node_key_of,
    peer_id_of,
    sha256,
    swarm_id_of,
    tagged_hash,
)
from wire.keys import SigningKey

KEY = SigningKey(b"k" * 32).public
PREFIX = bytes.fromhex("002408011220")  # identity multihash of 36 bytes; protobuf {1: Ed25519, 2: 32 bytes}


@pytest.mark.parametrize(
    "parts", [(), (b"",), (b"ab",), (b"a", b"b"), (b"", b"a", b"", b"b")], ids=["none", "empty", "one", "two", "four"]
)
def test_a_hash_is_of_all_parts_in_a_row(parts: tuple[bytes, ...]) -> None:
    assert sha256(*parts) == hashlib.sha256(b"".join(parts)).digest()


def test_a_tag_is_a_domain_of_its_own() -> None:
    assert tagged_hash("a", b"x") == hashlib.sha256(b"a\0x").digest()
    assert len({tagged_hash("a", b"x"), tagged_hash("b", b"x"), tagged_hash("ax"), sha256(b"a", b"x")}) == 4


def test_the_zero_digest_is_as_long_as_any() -> None:
    assert bytes(DIGEST_SIZE) == ZERO_DIGEST
    assert len(sha256()) == DIGEST_SIZE


def test_a_swarm_id_follows_from_the_root_key_alone() -> None:
    assert swarm_id_of(KEY) == hashlib.sha256(b"zenmesh/swarm\0" + KEY).digest()[:SWARM_ID_SIZE]
    assert swarm_id_of(SigningKey(b"l" * 32).public) != swarm_id_of(KEY)


def test_a_peer_id_holds_the_node_key() -> None:
    peer = peer_id_of(KEY)
    assert peer.startswith("12D3KooW")
    assert base58.b58decode(peer) == PREFIX + KEY
    assert node_key_of(peer) == KEY


def spelt(raw: bytes) -> PeerId:
    return PeerId(base58.b58encode(raw).decode())


NO_PEERS = {
    "nothing": PeerId(""),
    "a letter that base58 lacks": PeerId("0" + peer_id_of(KEY)[1:]),
    "beyond ASCII": PeerId("é"),
    "a key alone": spelt(KEY),
    "a byte short": spelt(PREFIX + KEY[:-1]),
    "a byte long": spelt(PREFIX + KEY + b"\0"),
    "another kind of key": spelt(bytes.fromhex("002408021220") + KEY),
    "a hashed key": spelt(bytes.fromhex("1220") + bytes(32)),
    "a line end": PeerId(peer_id_of(KEY) + "\n\n0"),
}


@pytest.mark.parametrize("peer", NO_PEERS.values(), ids=NO_PEERS)
def test_what_is_no_peer_id_holds_no_key(peer: PeerId) -> None:
    assert node_key_of(peer) is None


def test_any_32_bytes_can_be_named() -> None:
    assert node_key_of(peer_id_of(PublicKey(bytes(32)))) == bytes(32)
