"""Lies of queens, in governed seeds that have hostile ones: each tells some kinds of lies, some of the time.

As with all faults, a seed has a random part of the kinds, so that one lie does not drown the others.
"""

from __future__ import annotations

from chaos.actions import AnyAction, Deceit, Deceive
from wire.rng import Rng

MEAN_PAUSE_MS = 4_000  # between two lies of one queen
LONGEST_MS = 40_000
RATES = (0.1, 0.5, 1.0)
RARE = {Deceit.ACCUSES: 0.2}  # what she says with every ping would drown everything else


def intrigues(rng: Rng, liars: list[str], faults_s: int) -> list[AnyAction]:
    """What hostile queens lie about, and when."""
    actions: list[AnyAction] = []
    for liar in liars:
        chance = rng.split(liar)
        kinds = chance.sample(list(Deceit), 1 + chance.randbelow(len(Deceit)))
        at = 0
        while (at := at + chance.randbelow(2 * MEAN_PAUSE_MS)) < faults_s * 1_000:
            lie, rate = chance.choice(kinds), chance.choice(RATES)
            for_ms = 1_000 + chance.randbelow(LONGEST_MS)
            actions.append(Deceive(at_ms=at, host=liar, lie=lie, for_ms=for_ms, rate=min(rate, RARE.get(lie, 1.0))))
    return actions
