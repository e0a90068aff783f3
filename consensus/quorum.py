"""Quorum arithmetic over weights, and which rule an epoch uses.

    quorum       3w > 2W    decides; two quorums share an honest member while less than 1/3 lie
    weak quorum  3w ≥ W     holds at least one honest member
    majority     2w > W

With up to three members no liar can be survived whatever the rule, so by default a majority decides there: one
crashed member of three does not stop the other two. The rule belongs to the epoch, never to who is reachable.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from enum import StrEnum

from wire.ids import SwarmId

SMALL_FEDERATION = 3  # up to so many members, a majority decides


class QuorumSetting(StrEnum):
    """The genesis parameter: choose by size, or insist on the Byzantine quorum at any size."""

    AUTO = "auto"
    BYZANTINE = "byzantine"


class QuorumName(StrEnum):
    """The rule in force in an epoch."""

    MAJORITY = "majority"
    TWO_THIRDS = "two-thirds"


def reaches_quorum(weight: int, total: int) -> bool:
    """More than two thirds."""
    return 3 * weight > 2 * total


def reaches_weak_quorum(weight: int, total: int) -> bool:
    """At least one third."""
    return 3 * weight >= total


def reaches_majority(weight: int, total: int) -> bool:
    """More than half."""
    return 2 * weight > total


@dataclass(frozen=True, slots=True)
class QuorumRule:
    """The rule of one epoch; `members` counts members in any state."""

    setting: QuorumSetting
    members: int

    @property
    def name(self) -> QuorumName:
        small = self.members <= SMALL_FEDERATION and self.setting is QuorumSetting.AUTO
        return QuorumName.MAJORITY if small else QuorumName.TWO_THIRDS

    def reached(self, weight: int, total: int) -> bool:
        """Whether `weight` of `total` decides."""
        return (reaches_majority if self.name is QuorumName.MAJORITY else reaches_quorum)(weight, total)

    def needed(self, total: int) -> int:
        """The least weight of `total` that decides."""
        return total // 2 + 1 if self.name is QuorumName.MAJORITY else 2 * total // 3 + 1


def clamped(weights: dict[SwarmId, int]) -> dict[SwarmId, int]:
    """`weights` with each cut to one level, the highest that is at most ⌊(W-1)/3⌋ of what is left, W."""
    if len(weights) <= SMALL_FEDERATION:
        return dict.fromkeys(weights, 1)

    def too_much(level: int) -> bool:
        return 3 * level >= sum(min(weight, level) for weight in weights.values())

    # With four or more, level 1 is never too much, and above the first that is, all are: a search finds it, however
    # large a weight somebody's certificate claims.
    level = bisect_left(range(1, max(weights.values()) + 1), True, key=too_much)
    return {swarm: min(weight, level) for swarm, weight in weights.items()}
