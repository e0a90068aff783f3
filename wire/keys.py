"""Ed25519 keys over libsodium (PyNaCl), the one verifier in use everywhere.

Implementations differ on edge-case signatures; a federation in which two members disagree on one signature splits.
So nothing else in zenmesh verifies (RFC 8032; libsodium refuses small-order keys and non-canonical S).
"""

from __future__ import annotations

from collections.abc import Callable

import nacl.exceptions
import nacl.signing

from wire.ids import KEY_SIZE, SIGNATURE_SIZE, PublicKey

Verify = Callable[[bytes, bytes, bytes], bool]  # (public key, message, signature) -> authentic?


class SigningKey:
    """A private key. Its `repr` shows the public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: bytes) -> None:
        """From a 32-byte seed."""
        self._key = nacl.signing.SigningKey(seed)
        self.public = PublicKey(bytes(self._key.verify_key))

    @property
    def seed(self) -> bytes:
        """The 32-byte secret, for key files only."""
        return bytes(self._key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of `message`; the same for the same message every time."""
        return bytes(self._key.sign(message).signature)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """True iff `signature` is `public`'s on `message`. Never raises, whatever the bytes."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    try:
        nacl.signing.VerifyKey(public).verify(message, signature)
    except (nacl.exceptions.BadSignatureError, ValueError):
        return False
    return True
