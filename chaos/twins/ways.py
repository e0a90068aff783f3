"""Who hears whom while a way lasts: every way that there is, of two kinds, for the five processes of a council.

*Cuts* divide the processes into two groups, and each hears its own group (sixteen, one of them without a cut).
*Deafness*: each process either hears everyone, or nobody but itself (thirty-two). Cuts are what networks do; deafness
is what it takes for one queen alone to see a quorum.
"""

from __future__ import annotations

from itertools import product

from chaos.twins.council import PROCESSES

Way = tuple[int, ...]  # for each process the set of those that it hears, as bits

_ALL = (1 << PROCESSES) - 1


def _cuts() -> list[Way]:
    """Process 0 is on the first side."""
    sides = [(0, *rest) for rest in product((0, 1), repeat=PROCESSES - 1)]
    return [tuple(sum(1 << two for two in range(PROCESSES) if side[two] == one) for one in side) for side in sides]


def _deafness() -> list[Way]:
    return list(product((_ALL, 0), repeat=PROCESSES))


CUTS: tuple[Way, ...] = tuple(_cuts())
WAYS: tuple[Way, ...] = tuple(dict.fromkeys([*CUTS, *_deafness()]))
OPEN: Way = (_ALL,) * PROCESSES


def spelled(way: Way) -> str:
    """A way for people: for each process whom it hears."""
    heard = ["".join(str(one) for one in range(PROCESSES) if bits >> one & 1) or "-" for bits in way]
    return " ".join(f"{process}<{whom}" for process, whom in enumerate(heard))
