"""Scores: what offences cost, how time forgives, whom a ban silences."""

from __future__ import annotations

from mesh.protocol.scores import BAN_AT, BAN_TIME, HALF_LIFE, MAX_SCORED, PENALTY, Scores
from wire.errors import Offence
from wire.ids import PeerId

EVE = PeerId("eve")


def test_every_offence_has_a_price() -> None:
    assert dict.fromkeys(Offence) == dict.fromkeys(PENALTY)
    assert all(price < 0 for price in PENALTY.values())


def test_offences_add_up_to_a_ban_that_ends() -> None:
    scores = Scores()
    charges = [scores.penalize(EVE, Offence.SIGNATURE, now=0) for _ in range(5)]
    assert charges == [False, False, False, False, True]
    assert scores.score(EVE, 0) == BAN_AT
    assert scores.banned(EVE, BAN_TIME - 1)
    assert not scores.banned(EVE, BAN_TIME)


def test_a_ban_is_announced_once() -> None:
    scores = Scores()
    assert scores.penalize(EVE, Offence.FORK, now=0)
    assert not scores.penalize(EVE, Offence.FORK, now=1)


def test_scores_halve_with_time() -> None:
    scores = Scores()
    scores.penalize(EVE, Offence.DECODE, now=0)
    assert scores.score(EVE, HALF_LIFE) == PENALTY[Offence.DECODE] / 2


def test_an_unknown_peer_is_innocent() -> None:
    assert Scores().score(EVE, 5) == 0
    assert not Scores().banned(EVE, 5)


def test_the_table_is_bounded_and_forgets_the_mildest() -> None:
    scores = Scores()
    scores.penalize(EVE, Offence.FORK, now=0)
    for number in range(MAX_SCORED + 10):
        scores.penalize(PeerId(f"peer{number}"), Offence.REPLAY, now=0)
    assert scores.banned(EVE, 1)
