"""Memory that was used once is given back to the system.

glibc keeps an arena per thread and returns little of what start-up used. One arena is enough for a process whose
threads mostly wait for the disk, and a trim after start gives back what imports and key handling left behind. On a C
library without these calls nothing happens.
"""

from __future__ import annotations

import ctypes
import gc

_ARENA_MAX = -8  # M_ARENA_MAX of <malloc.h>


def one_arena() -> None:
    """Let all threads share one arena; call before threads start."""
    _call("mallopt", _ARENA_MAX, 1)


def give_back() -> None:
    """Collect garbage, and return free memory to the system."""
    gc.collect()
    gc.freeze()  # what lives now lives on: leave it out of later collections
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return
    function(*arguments)
