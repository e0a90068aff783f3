"""What a host's clocks say: a monotonic one that may drift, and a wall clock that may be off, jump and stand still.

`World.now` is true time. A host sees `monotonic(now)`, which drives its timers, and `wall(now)`, which it only asks.
Drift changes the speed of both from the moment it is set on; nothing ever turns the monotonic clock back.
"""

from __future__ import annotations

from dataclasses import dataclass

WALL_START_MS = 1_800_000_000_000  # what a right wall clock says at true time 0
_PPM = 1_000_000


@dataclass(slots=True)
class Clocks:
    """The clocks of one host; all times in microseconds unless the name says otherwise."""

    drift_ppm: int = 0
    wall_offset_ms: int = 0
    frozen_ms: int | None = None  # what a wall clock that stands still says
    _since: int = 0  # true time of the last change of speed
    _then: int = 1_000_000  # what the monotonic clock said at that time; no host has just booted

    def monotonic(self, now: int) -> int:
        """What CLOCK_BOOTTIME says at true time `now`."""
        return self._then + (now - self._since) * (_PPM + self.drift_ppm) // _PPM

    def true_time_of(self, instant: int) -> int:
        """The first true time at which the monotonic clock has reached `instant`."""
        return self._since + -(-(instant - self._then) * _PPM // (_PPM + self.drift_ppm))

    def wall_ms(self, now: int) -> int:
        """What the wall clock says at true time `now`."""
        if self.frozen_ms is not None:
            return self.frozen_ms
        return WALL_START_MS + self.wall_offset_ms + (self.monotonic(now) - 1_000_000) // 1_000

    def drift(self, now: int, ppm: int) -> None:
        """From now on run `ppm` parts in a million too fast."""
        self._since, self._then = now, self.monotonic(now)
        self.drift_ppm = ppm

    def freeze(self, now: int) -> None:
        """The wall clock stands still."""
        self.frozen_ms = self.wall_ms(now)

    def mend(self, now: int) -> None:
        """Right from now on: the wall clock is set, the speed is true."""
        self.drift(now, 0)
        self.frozen_ms, self.wall_offset_ms = None, 0
        self.wall_offset_ms = WALL_START_MS + now // 1_000 - self.wall_ms(now)
