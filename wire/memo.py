"""Reading the same small bytes a second time costs a look-up.

What is signed is read more than once: a gossip message to relay it and to use it, a ballot as it comes, within the
block that is judged, and within the block that is decided. What is read is immutable, and reading depends on nothing
but its arguments, so what was read last is kept. Only small things are, and few, so that nobody fills the memory by
what he sends; and only what could be read: what raises is judged anew each time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

from wire.types import KIB

SMALL = 4 * KIB  # bytes that are worth keeping
KEPT = 512  # of each kind

T = TypeVar("T")
P = ParamSpec("P")


def read_once(read: Callable[Concatenate[bytes, P], T]) -> Callable[Concatenate[bytes, P], T]:
    """`read`, a pure function of bytes and hashable arguments, with a memory."""
    remembered = cast("Callable[Concatenate[bytes, P], T]", lru_cache(maxsize=KEPT)(read))

    @wraps(read)
    def reading(raw: bytes, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return (remembered if len(raw) <= SMALL else read)(raw, *args, **kwargs)

    return reading
