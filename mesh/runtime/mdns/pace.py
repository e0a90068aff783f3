"""When to ask, and how much to listen: the timing rules of RFC 6762 as values. Times are seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wire.rng import Rng

# §5.2 and §6: hosts that start or answer together must not all speak at once.
JITTER_S = (0.020, 0.120)
# Gaps after the first question: three in quick succession, then ever slower. The last one repeats.
QUERY_GAPS_S = (1.0, 2.0, 10.0, 20.0, 40.0, 60.0)
_GAP_JITTER = 0.1  # fraction
ASK_BACK_S = 1.0  # how long a stranger who asks has to announce itself before we ask
ASK_BACK_AGAIN_S = 60.0
MAX_STRANGERS = 256


class QueryPace:
    """When the next question is due: often at first, then every minute; `restart` when the network changed."""

    def __init__(self, rng: Rng, now: float) -> None:
        self._rng = rng
        self._asked = 0
        self.next_at = now
        self.restart(now)

    def restart(self, now: float) -> None:
        """Begin anew with a first question after the jitter."""
        self._asked = 0
        self.next_at = now + self._rng.uniform(*JITTER_S)

    def asked(self, now: float) -> None:
        """A question went out."""
        gap = QUERY_GAPS_S[min(self._asked, len(QUERY_GAPS_S) - 1)]
        self._asked += 1
        self.next_at = now + gap * self._rng.uniform(1 - _GAP_JITTER, 1 + _GAP_JITTER)


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class SourceLimiter:
    """A token bucket per sender, for at most `max_sources` of them: the one unheard for longest makes room."""

    def __init__(self, rate_per_s: float, burst: float, max_sources: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_sources = max_sources
        self._buckets: dict[str, _Bucket] = {}

    def allow(self, source: str, now: float) -> bool:
        """Whether one more packet of `source` is to be read at `now`."""
        bucket = self._buckets.pop(source, None) or _Bucket(self._burst, now)
        if len(self._buckets) >= self._max_sources:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[source] = bucket
        bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate_per_s)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


class Strangers:
    """Hosts that ask but were never heard to answer: each is asked in turn, after a second, once a minute."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._again: dict[str, float] = {}

    def asked_by(self, address: str, now: float) -> None:
        """A question came from `address`, which has not answered any so far."""
        if now < self._again.get(address, now):
            return
        self._again.pop(address, None)
        if len(self._again) >= MAX_STRANGERS:
            del self._again[next(iter(self._again))]
        self._again[address] = now + ASK_BACK_AGAIN_S
        if len(self._due) < MAX_STRANGERS:
            self._due.setdefault(address, now + ASK_BACK_S)

    def due(self, now: float) -> list[str]:
        """The hosts whose time has come; each is named once."""
        ready = [address for address, at in self._due.items() if at <= now]
        for address in ready:
            del self._due[address]
        return ready

    def next_at(self) -> float:
        """When `due` will name someone (infinity: no one waits)."""
        return min(self._due.values(), default=math.inf)
