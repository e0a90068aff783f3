"""When to give up on a view: a deadline while there is work, twice as far away with each view that failed.

    T = min(cap, T0 · 2^k)         k = views that failed since the last decision

T0 follows what a round takes: at least the configured floor, else four times the slowest of the last rounds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from wire.time import Instant, seconds

_ROUNDS = 64  # remembered
_SLOWEST = 4  # times the slowest round
_MOST_DOUBLINGS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Durations in microseconds."""

    floor: int = seconds(1)
    cap: int = seconds(60)


class Pacemaker:
    """The one timer of a replica."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._rounds: deque[int] = deque(maxlen=_ROUNDS)
        self.failed = 0
        self.deadline: Instant | None = None

    @property
    def base(self) -> int:
        """T0: how long a view gets that has no failed one before it."""
        slowest = max(self._rounds, default=0)
        return min(self._pace.cap, max(self._pace.floor, _SLOWEST * slowest))

    @property
    def round(self) -> int:
        """What a round takes as a rule, microseconds; 0 before there was one."""
        return sorted(self._rounds)[len(self._rounds) // 2] if self._rounds else 0

    def timeout(self) -> int:
        """T: how long the present view gets."""
        return min(self._pace.cap, self.base << min(self.failed, _MOST_DOUBLINGS))

    def work(self, pending: bool, now: Instant) -> None:
        """There is something to decide, or nothing: the deadline runs only while there is."""
        if not pending:
            self.deadline = None
        elif self.deadline is None:
            self.deadline = now + self.timeout()

    def decided(self, took: int | None) -> None:
        """A height was decided, `took` microseconds after it was proposed (None where nobody knows)."""
        if took is not None:
            self._rounds.append(took)
        self.failed = 0
        self.deadline = None

    def view_failed(self, now: Instant) -> None:
        """Another view begins, and gets more time."""
        self.failed += 1
        self.deadline = now + self.timeout()

    def due(self, now: Instant) -> bool:
        """The present view had its time."""
        return self.deadline is not None and now >= self.deadline
