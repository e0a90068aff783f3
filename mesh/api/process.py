"""What the kernel says about this process."""

from __future__ import annotations

import os
import resource

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident set size; the peak where the kernel has no /proc."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def cpu_seconds() -> float:
    """User and system time used so far."""
    times = os.times()
    return times.user + times.system


def open_files() -> int:
    """Open descriptors; 0 where the kernel does not say."""
    try:
        return len(os.listdir("/proc/self/fd")) - 1  # less the one that lists
    except OSError:
        return 0
