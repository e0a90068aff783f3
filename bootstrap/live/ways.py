"""Conditions of a way between two nodes, and when what enters a relay under them comes out: pure, without any clock.

A TCP relay can lose nothing for good, since it has acknowledged what it took. So it does what the two ends would see
of a way that loses: a lost segment comes a retransmission later, twice as late each time it is lost again, and
everything behind it waits; one that is lost too often, as the ends give up on it, resets the connection.

    line = Line(random)
    due = line.due(len(segment), arrived, Way(delay_ms=300, loss=0.1))  # seconds, or None: the connection is reset

| condition | on a relay | on namespaces |
|---|---|---|
| `is_open` = False | bytes wait | nft drops |
| `delay_ms`, `jitter_ms` | bytes come later | cannot be had: what delays frames (netem) is missing in many kernels |
| `bytes_per_s` | bytes wait for their turn; of each connection | nft drops what is too much; of each way |
| `loss` | segments come a retransmission later, or the connection is reset | nft drops, at random |
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

SEGMENT = 1_400  # bytes of a segment
RETRANSMIT_S = 0.2  # after which a lost segment is sent again, as Linux does on a LAN
GIVE_UP = 5  # times that a segment is lost before the connection is reset


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a way between two nodes is like, in each direction. `loss` is a probability, of a segment or a frame."""

    is_open: bool = True
    delay_ms: int = 0
    jitter_ms: int = 0
    bytes_per_s: int | None = None
    loss: float = 0.0


CLEAR = Way()
CUT = Way(is_open=False)


class Line:
    """One direction of one connection on a way: says when each segment comes out, in the order in which they came."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._free = 0.0  # when the way can take the next byte
        self._last = 0.0  # when the segment before comes out

    def due(self, size: int, arrived: float, way: Way) -> float | None:
        """When a segment comes out that came in at `arrived`; None: it was lost too often, and all is over."""
        lost = 0
        while self._random.random() < way.loss:
            lost += 1
            if lost == GIVE_UP:
                return None
        self._free = max(self._free, arrived) + (size / way.bytes_per_s if way.bytes_per_s else 0.0)
        late_s = (way.delay_ms + self._random.uniform(0, way.jitter_ms)) / 1_000
        stall_s = RETRANSMIT_S * (2**lost - 1)
        self._last = max(self._last, self._free + late_s + stall_s)
        return self._last


def segments(data: bytes, way: Way) -> list[bytes]:
    """What goes over a way at once: everything over a clear one."""
    if way == CLEAR:
        return [data]
    return [data[start : start + SEGMENT] for start in range(0, len(data), SEGMENT)] or [data]


@dataclass(frozen=True, slots=True)
class Network:
    """What all ways are like: between different `sides` nothing passes, the ways of `worse` nodes are like `way`.

    A node on no side reaches all.
    """

    sides: tuple[frozenset[int], ...] = ()
    worse: frozenset[int] = frozenset()
    way: Way = CLEAR

    def between(self, one: int, other: int) -> Way:
        """The way between two nodes."""
        found = [side for side, group in enumerate(self.sides) for node in (one, other) if node in group]
        if len(set(found)) > 1:
            return CUT
        return self.way if one in self.worse or other in self.worse else CLEAR
