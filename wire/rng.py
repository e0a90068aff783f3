"""Seeded randomness that splits by name.

`rng.split("probe")` depends on the seed and the path of names alone, never on how much was drawn elsewhere, so
that taking one consumer away does not reshuffle the others: minimizing a failing run depends on it. This is the one
pure module that wraps `random`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Rng:
    """A deterministic stream of random values."""

    __slots__ = ("_path", "_random")

    def __init__(self, seed: int | bytes) -> None:
        self._path = seed if isinstance(seed, bytes) else str(seed).encode()
        self._random = random.Random(hashlib.sha256(self._path).digest())

    def split(self, name: str) -> Rng:
        """An independent stream, named within this one."""
        return Rng(hashlib.sha256(self._path + b"/" + name.encode()).digest())

    def random(self) -> float:
        """Uniform in [0, 1)."""
        return self._random.random()

    def uniform(self, low: float, high: float) -> float:
        """Uniform in [low, high]."""
        return self._random.uniform(low, high)

    def randbelow(self, bound: int) -> int:
        """Uniform in [0, bound)."""
        assert bound > 0, "nothing is below zero"
        bits = bound.bit_length()
        while (drawn := self._random.getrandbits(bits)) >= bound:
            pass
        return drawn

    def bytes(self, count: int) -> bytes:
        """`count` random bytes."""
        return self._random.randbytes(count)

    def choice(self, items: Sequence[T]) -> T:
        """One of `items`, which must not be empty."""
        return items[self._random.randrange(len(items))]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` distinct positions of `items` (all of them when there are fewer), in random order."""
        return self._random.sample(items, min(count, len(items)))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of `items` in random order."""
        return self.sample(items, len(items))
