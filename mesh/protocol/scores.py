"""Scores of peers: offences add up, time forgives, and who goes too far is not listened to for a while.

Each offence costs points; scores halve every ten minutes; at `BAN_AT` a peer is banned for ten minutes. A ban closes
a stranger's link. A member keeps its priority lane (pings, later consensus and detection): only a decision of the
federation can silence a member. Everything here is bounded; the least guilty are forgotten first.
"""

from __future__ import annotations

from dataclasses import dataclass

from wire.errors import Offence
from wire.ids import PeerId
from wire.time import Instant, seconds

HALF_LIFE = seconds(600)
BAN_TIME = seconds(600)
BAN_AT = -50.0
MAX_SCORED = 4096

PENALTY: dict[Offence, float] = {
    Offence.DECODE: -10,
    Offence.OVERSIZE: -10,
    Offence.SIGNATURE: -10,
    Offence.FEDERATION: -5,
    Offence.PROTOCOL: -10,
    Offence.CHAIN: -10,
    Offence.QUOTA: -10,
    Offence.ROOT: -10,
    Offence.FORK: -50,
    Offence.FUTURE_CLOCK: -1,
    Offence.REPLAY: -1,
    Offence.FLOOD: -5,
    Offence.SLOW: -5,
}


@dataclass(slots=True)
class _Score:
    points: float
    at: Instant
    banned_until: Instant = 0


class Scores:
    """The score of every peer that ever did wrong."""

    __slots__ = ("_scores",)

    def __init__(self) -> None:
        self._scores: dict[PeerId, _Score] = {}

    def penalize(self, peer: PeerId, offence: Offence, now: Instant) -> bool:
        """Charge `peer` for `offence`; True when this very charge bans it."""
        score = self._scores.get(peer)
        if score is None:
            self._make_room()
            score = self._scores[peer] = _Score(0.0, now)
        score.points = self._decayed(score, now) + PENALTY[offence]
        score.at = now
        if score.points > BAN_AT or now < score.banned_until:
            return False
        score.banned_until = now + BAN_TIME
        return True

    def score(self, peer: PeerId, now: Instant) -> float:
        """Zero for a peer that did nothing wrong lately; negative otherwise."""
        score = self._scores.get(peer)
        return 0.0 if score is None else self._decayed(score, now)

    def banned(self, peer: PeerId, now: Instant) -> bool:
        """True while `peer` is not listened to."""
        score = self._scores.get(peer)
        return score is not None and now < score.banned_until

    def _make_room(self) -> None:
        if len(self._scores) >= MAX_SCORED:
            mildest = max(self._scores, key=lambda peer: (self._scores[peer].points, peer))
            del self._scores[mildest]

    @staticmethod
    def _decayed(score: _Score, now: Instant) -> float:
        return float(score.points * 0.5 ** ((now - score.at) / HALF_LIFE))
