"""Ed25519: signatures that hold, everything else that does not, and secrets that are not shown."""

from __future__ import annotations

import pytest

from wire.keys import SigningKey, verify

KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
SIGNATURE = KEY.sign(b"message")
ORDER = (1 << 252) + 27742317777372353535851937790883648493  # of the group
SMALL_ORDER = {
    "the identity": b"\1" + bytes(31),
    "of order 2": b"\xec" + b"\xff" * 30 + b"\x7f",
    "of order 4": bytes(32),
}


def test_a_key_follows_from_its_seed() -> None:
    # RFC 8032 §7.1, test 1
    key = SigningKey(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"").hex().startswith("e5564300c360ac729086e2cc806e828a")
    assert SigningKey(key.seed).public == key.public


def test_a_signature_is_the_same_each_time_and_holds() -> None:
    assert KEY.sign(b"message") == SIGNATURE
    assert verify(KEY.public, b"message", SIGNATURE)


def with_larger_s(signature: bytes) -> bytes:
    """The same signature with S + L in place of S: lax verifiers take both."""
    s = int.from_bytes(signature[32:], "little") + ORDER
    return signature[:32] + s.to_bytes(32, "little")


REFUSED = {
    "another message": (KEY.public, b"massage", SIGNATURE),
    "another key": (OTHER.public, b"message", SIGNATURE),
    "another signature": (KEY.public, b"message", KEY.sign(b"massage")),
    "a bit in R": (KEY.public, b"message", bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]),
    "a bit in S": (KEY.public, b"message", SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])),
    "a second spelling of S": (KEY.public, b"message", with_larger_s(SIGNATURE)),
    "a signature of 63 bytes": (KEY.public, b"message", SIGNATURE[:-1]),
    "a signature of 65 bytes": (KEY.public, b"message", SIGNATURE + b"\0"),
    "no signature": (KEY.public, b"message", b""),
    "a key of 31 bytes": (KEY.public[:-1], b"message", SIGNATURE),
    "a key of 33 bytes": (KEY.public + b"\0", b"message", SIGNATURE),
    "a key that is no point": (b"\x02" + bytes(31), b"message", SIGNATURE),
    **{f"a key {name}": (key, b"message", bytes(64)) for name, key in SMALL_ORDER.items()},
    **{f"a key and an R {name}": (key, b"message", key + bytes(32)) for name, key in SMALL_ORDER.items()},
}


@pytest.mark.parametrize(("public", "message", "signature"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_hold_is_false_and_never_raises(public: bytes, message: bytes, signature: bytes) -> None:
    assert verify(public, message, signature) is False


def test_the_secret_is_not_shown() -> None:
    for text in (repr(KEY), str(KEY), f"{KEY}"):
        assert text == f"SigningKey(public={KEY.public.hex()})"
        assert KEY.seed.hex() not in text
