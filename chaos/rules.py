"""The rules that a world follows where a canary may plant a fault, and how liars speak.

No product code knows of canaries: the world asks its `Rules` how effects become durable, what a host says on the
wire, how signatures are verified. The honest rules are here; a canary is a subclass that breaks one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from mesh.protocol.commits import Commit, commits
from mesh.protocol.effects import Effect
from mesh.storage.store import Recovered
from wire.rng import Rng

if TYPE_CHECKING:
    from chaos.process import Process

_REPLAYS = 64  # messages that a liar keeps to say again
_BOMB = b"\x82\x04" + b"\x5a\x00\x40\x00\x00"  # a BATCH that claims four mebibytes and ends


class Speaker(Protocol):
    """Whoever speaks, known by name."""

    @property
    def name(self) -> str: ...


class Rules:
    """How an honest world works."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._kept: list[bytes] = []
        self.lies: dict[str, float] = {}  # per host, the rate at which it lies

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        """The order of durability."""
        return commits(effects)

    def opened(self, found: Recovered) -> Recovered:
        """What a start makes of what is on its disk."""
        return found

    def booted(self, process: Process) -> None:
        """A node was made; a canary may cripple it."""

    def spoken(self, host: Speaker, message: bytes) -> Iterable[bytes]:
        """What `host` really sends for `message`: itself, unless it lies."""
        rate = self.lies.get(host.name)
        return (message,) if rate is None else self._lied(message, rate)

    def _lied(self, message: bytes, rate: float) -> Iterator[bytes]:
        self._kept = [*self._kept[-_REPLAYS:], message]
        if self._rng.random() >= rate:
            yield message
            return
        match self._rng.randbelow(6):
            case 0:
                yield _flipped(message, self._rng)
            case 1:
                yield message[: self._rng.randbelow(len(message))]
            case 2:
                yield message
                yield self._rng.choice(self._kept)
            case 3:
                yield _BOMB + self._rng.bytes(64)
            case 4:
                yield self._rng.bytes(1 + self._rng.randbelow(200))
            case _:
                yield message
                yield message


def _flipped(message: bytes, rng: Rng) -> bytes:
    """One bit is another."""
    changed = bytearray(message)
    changed[rng.randbelow(len(changed))] ^= 1 << rng.randbelow(8)
    return bytes(changed)
