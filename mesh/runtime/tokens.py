"""Token buckets: what a peer may send at once, and then a second.

Whoever takes more than there is goes into debt, and is told how long it takes until the debt is paid. What to do
about that is the caller's: a stranger in debt has broken a rule, a member is made to wait, gossip is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Tokens:
    """One bucket. It begins full; `rate` is its refill a second."""

    burst: float
    rate: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, cost: float, now: float) -> float:
        """Take `cost` tokens; the seconds until they are there, 0 when they were."""
        self.level = min(self.burst, self.level + (now - self.at) * self.rate) - cost
        self.at = now
        return max(0.0, -self.level / self.rate)

    def debt(self, now: float) -> float:
        """The seconds until nothing is owed."""
        return self.take(0, now)
