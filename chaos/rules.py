"""The rules that a world follows where a canary may plant a fault, and how liars speak.

No product code knows of canaries: the world asks its `Rules` how effects become durable, what a host says on the
wire, how signatures are verified. The honest rules are here; a canary is a subclass that breaks one of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from chaos.deceits import Deceiver
from mesh.protocol.commits import Commit, commits
from mesh.protocol.effects import Effect
from mesh.storage.store import Recovered
from wire.ids import sha256
from wire.rng import Rng

if TYPE_CHECKING:
    from chaos.process import Process

_REPLAYS = 64  # messages that a liar keeps to say again
_SAYINGS = 1 << 16  # of which it is known how often they were said
_BOMB = b"\x82\x04" + b"\x5a\x00\x40\x00\x00"  # a BATCH that claims four mebibytes and ends


class Speaker(Protocol):
    """Whoever speaks, known by name."""

    @property
    def name(self) -> str: ...


class Chances:
    """Randomness for each saying of a message: it follows from the seed, from who says what to whom, and from how
    often that was said before. So what a liar does not say, or says to others, moves nothing else."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._times: dict[bytes, int] = {}

    def of(self, speaker: str, to: str, message: bytes) -> Rng:
        """For what `speaker` says to `to` now."""
        digest = sha256(f"{speaker}>{to}/".encode() + message)
        times = self._times[digest] = self._times.pop(digest, 0) + 1
        if len(self._times) > _SAYINGS:
            del self._times[next(iter(self._times))]
        return self._rng.split(f"{digest.hex()}/{times}")


class Rules:
    """How an honest world works."""

    def __init__(self, rng: Rng) -> None:
        self._chances = Chances(rng)
        self._kept: dict[str, deque[bytes]] = {}  # what a liar may say again
        self.lies: dict[str, float] = {}  # per host, the rate at which it lies
        self.deceivers: dict[str, Deceiver] = {}  # queens that lie where their vote counts

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        """The order of durability."""
        return commits(effects)

    def opened(self, found: Recovered) -> Recovered:
        """What a start makes of what is on its disk."""
        return found

    def booted(self, process: Process) -> None:
        """A node was made; a canary may cripple it."""

    def spoken(self, host: Speaker, message: bytes, to: str = "") -> Iterable[bytes]:
        """What `host` really says to `to` for `message`: itself, unless it lies."""
        if not self.lies and not self.deceivers:
            return (message,)
        deceiver, rate = self.deceivers.get(host.name), self.lies.get(host.name)
        if rate is None and (deceiver is None or not deceiver.lies):
            return (message,)
        chance = self._chances.of(host.name, to, message)
        said = (message,) if deceiver is None else deceiver.told(message, chance.split)
        return said if rate is None else self._lied(host.name, said, rate, chance.split("lie"))

    def _lied(self, name: str, messages: Iterable[bytes], rate: float, rng: Rng) -> Iterator[bytes]:
        kept = self._kept.setdefault(name, deque(maxlen=_REPLAYS))
        for message in messages:
            kept.append(message)
            if rng.random() < rate:
                yield from _garbled(message, kept, rng)
            else:
                yield message


def _garbled(message: bytes, kept: Sequence[bytes], rng: Rng) -> Iterator[bytes]:
    """Something like a message."""
    match rng.randbelow(6):
        case 0:
            yield _flipped(message, rng)
        case 1:
            yield message[: rng.randbelow(len(message))]
        case 2:
            yield message
            yield rng.choice(kept)
        case 3:
            yield _BOMB + rng.bytes(64)
        case 4:
            yield rng.bytes(1 + rng.randbelow(200))
        case _:
            yield message
            yield message


def _flipped(message: bytes, rng: Rng) -> bytes:
    """One bit is another."""
    changed = bytearray(message)
    changed[rng.randbelow(len(changed))] ^= 1 << rng.randbelow(8)
    return bytes(changed)
