"""Twins, enumerated: all that can happen to four queens of whom one has a second instance, not a sample of it.

    for doubled in range(QUEENS):
        found = explore(Plan(views=2, grain=Grain.PHASE, doubled=doubled))
        assert found.violation is None, found.path

Two instances of one key that are honest each by itself make every lie of one leader and voter that needs no forging:
two proposals, two votes, amnesia, silence (Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021). What is
explored are the real replicas of `consensus.bft`, with real signatures:

    council     who the five processes are           minds       every state of one process, each worked out once
    ways        who may hear whom                    exploring   layer after layer, and the count of it
    judging     what must hold after each step

Whole nodes, disks and time are the business of the world; here is neither loss of memory nor a clock that is off.
"""

from __future__ import annotations

from chaos.twins.council import QUEENS
from chaos.twins.exploring import Found, Grain, Plan, explore
from chaos.twins.judging import Broken

__all__ = ["QUEENS", "Broken", "Found", "Grain", "Plan", "explore"]
