"""kill -9 in the middle of decisions, one queen after the other: nobody votes twice, and what is decided stays so.

Four real nodes decide all the time. In each round another one is killed while a decision is under way: as soon as its
journal has grown by so many bytes, which the seed draws, so that the kill comes behind another record each time. It
starts again at once, and the next round does not wait for it. Whatever it had signed is in its journal before it
leaves; so the journals, read after each kill, hold every vote that anyone can have heard.
"""

from __future__ import annotations

import threading
from pathlib import Path
from random import Random

import pytest

from tests.support.polls import PATIENCE_S, Polls, journal
from tests.support.processes import Federation, Home, agree

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

NAMES = ("alpha", "beta", "gamma", "delta")
MOST_BYTES = 4_000  # of a journal, from a proposal to the kill: about what a decision writes


def grown(home: Home, since: int, by: int) -> bool:
    return sum(map(len, journal(home))) >= since + by


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_no_kill_makes_a_queen_vote_twice_or_a_decision_undone(kills: int, tmp_path: Path) -> None:
    chance, polls = Random(kills), Polls()
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES, default="approve")
        ports = {home.name: home.addresses()[0].split("/p2p/")[0] for home in homes}
        for number in range(kills):
            victim, asked = homes[number % 4], homes[(number + 1) % 4]
            before, bytes_more = sum(map(len, journal(victim))), 1 + chance.randrange(MOST_BYTES)
            asking = threading.Thread(target=polls.ask, args=(asked, number))
            asking.start()
            while asking.is_alive() and not grown(victim, before, bytes_more):
                asking.join(0.002)
            victim.kill()
            polls.read(victim)
            victim.run(listen=[ports[victim.name]])
            asking.join(PATIENCE_S)
            assert len(polls.acknowledged) == number + 1, f"nobody decided in round {number}\n{asked.log()}"
        homes[(kills - 1) % 4].wait_ready()
        agree(homes, PATIENCE_S)
        assert {one["status"] for one in polls.acknowledged} == {"APPROVED"}
        for home in homes:
            polls.check(home)
    assert len({place[0] for place in polls.said}) == len(NAMES)
    assert len(polls.said) > 2 * kills
