"""The two clocks of a real machine.

CLOCK_BOOTTIME drives every timer: it never goes back and goes on through suspend, so that a laptop that slept knows
how long. Wall time is for stamps that others read.
"""

from __future__ import annotations

import time

from wire.time import Instant

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> Instant:
    """Microseconds since boot, sleep included."""
    return time.clock_gettime_ns(_BOOT_CLOCK) // 1_000


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
