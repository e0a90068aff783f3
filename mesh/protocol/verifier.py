"""Verify once: a bounded memory of signatures already found authentic.

A gossip message is verified before it is relayed and again where it is applied; the second time costs a look-up.
Only successes are remembered, by (key, signature, hash of the message), oldest forgotten first.
"""

from __future__ import annotations

from wire import keys
from wire.ids import sha256

CAPACITY = 8192


class MemoVerifier:
    """A `wire.keys.Verify` that remembers what it verified."""

    __slots__ = ("_known", "_verify")

    def __init__(self, verify: keys.Verify = keys.verify) -> None:
        self._verify = verify
        self._known: dict[bytes, None] = {}

    def __call__(self, public: bytes, message: bytes, signature: bytes) -> bool:
        token = sha256(public, signature, message)
        if token in self._known:
            return True
        if not self._verify(public, message, signature):
            return False
        if len(self._known) >= CAPACITY:
            del self._known[next(iter(self._known))]
        self._known[token] = None
        return True
