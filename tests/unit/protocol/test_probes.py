"""Probes in turns: who asks next, and how soon silence is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.protocol.config import NodeConfig
from mesh.protocol.links import Link, Links
from mesh.protocol.messages import Hello, Ping
from wire.ids import PeerId, SwarmId
from wire.time import SECOND

CONFIG = NodeConfig()
PERIOD = CONFIG.profile.probe
HELLO = Hello(1, bytes(32), bytes(16), 1, bytes(16), 0, 0, bytes(32), 0, None, "x", "test")


def greeted(links: Links, *, inbound: bool = False, name: str = "a") -> Link:
    """A link on which both sides have just said HELLO."""
    link = links.up(PeerId(name), "", inbound, 0)
    links.belongs(link, SwarmId(name.encode() * 16))
    links.heard(link, HELLO)
    return link


def established(links: Links, name: str = "a") -> Link:
    """A link on which it is our turn to ask, now."""
    link = greeted(links, name=name)
    links.ask(link.peer, 0)
    return link


def pong(links: Links, link: Link, now: int) -> bool:
    return links.pong(link, Ping(link.ping_nonce, 0, 0, bytes(32)), 0, now)


@pytest.mark.parametrize(("inbound", "first"), [(False, PERIOD), (True, PERIOD + PERIOD // 4)])
def test_hello_is_the_first_turn_and_who_dialled_asks_next(inbound: bool, first: int) -> None:
    links = Links(CONFIG)
    link = greeted(links, inbound=inbound)
    assert links.next_deadline() == first
    assert links.due_pings(first - 1) == ([], [])
    assert links.due_pings(first) == ([link], [])


def test_who_was_answered_leaves_the_next_turn_to_the_other() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    assert pong(links, link, 1_000)
    assert links.next_deadline() == PERIOD + PERIOD // 4


def test_who_was_asked_asks_back_a_period_later() -> None:
    links = Links(CONFIG)
    link = greeted(links, inbound=True)
    links.pinged(link, PERIOD // 2)
    assert links.next_deadline() == PERIOD // 2 + PERIOD


def test_two_ends_share_one_ping_a_period() -> None:
    ends = [Links(CONFIG), Links(CONFIG)]
    sides = [greeted(ends[0]), greeted(ends[1], inbound=True)]
    asked = [0, 0]
    while (now := min(end.next_deadline() or 0 for end in ends)) <= 21 * PERIOD:
        for own, other in ((0, 1), (1, 0)):
            for link in ends[own].due_pings(now)[0]:
                asked[own] += 1
                ends[other].pinged(sides[other], now + 500)
                assert pong(ends[own], link, now + 1_000)
    assert asked == [10, 10]


def test_an_unanswered_ping_is_asked_again_however_often_the_other_asks() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    links.pinged(link, PERIOD // 2)
    assert links.next_deadline() == PERIOD
    assert links.due_pings(PERIOD) == ([link], [])
    assert link.missed == 1


def test_who_only_asks_is_asked_after_three_periods() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    assert pong(links, link, 1_000)
    for step in range(1, 30):
        links.pinged(link, step * PERIOD // 10)
    assert links.next_deadline() == 3 * PERIOD


def test_a_ping_without_an_answer_is_repeated_ever_more_rarely_until_the_link_is_lost() -> None:
    links = Links(CONFIG)
    link = established(links)
    asks, waits, gives_up = ([link], []), ([], []), ([], [link])
    outcomes = [links.due_pings(number * PERIOD) for number in range(2 * CONFIG.profile.missed_probes + 1)]
    assert outcomes == [asks, asks, waits, asks, waits, waits, gives_up]


def test_who_takes_more_than_a_period_to_answer_is_heard() -> None:
    links = Links(CONFIG)
    link = established(links)
    for number in range(3):
        links.due_pings(number * PERIOD)
    assert pong(links, link, 2 * PERIOD + PERIOD // 2)
    assert (link.missed, link.rtt) == (0, PERIOD + PERIOD // 2)


def test_who_comes_late_to_its_pings_counts_no_miss() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    for late, missed in ((PERIOD // 4, 0), (PERIOD // 4 - 1, 1)):
        at = links.next_deadline()
        assert at is not None
        assert links.due_pings(at + late) == ([link], [])
        assert link.missed == missed


def test_a_pong_ends_the_row_of_misses() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    links.due_pings(PERIOD)
    assert pong(links, link, PERIOD + 1_000)
    assert link.missed == 0


def test_an_answer_to_an_older_ping_counts_for_nothing() -> None:
    links = Links(CONFIG)
    link = established(links)
    links.due_pings(0)
    links.due_pings(PERIOD)
    assert not links.pong(link, Ping(link.ping_nonce - 1, 0, 0, bytes(32)), 0, PERIOD + 1_000)
    assert link.ping_sent == PERIOD


@pytest.mark.parametrize(
    ("links_held", "period"),
    [
        pytest.param(1, PERIOD, id="few"),
        pytest.param(32, PERIOD, id="as many as the bound allows"),
        pytest.param(64, 2 * PERIOD, id="twice as many"),
    ],
)
def test_the_period_is_longer_with_many_links(links_held: int, period: int) -> None:
    assert PERIOD == SECOND
    links = Links(replace(CONFIG, profile=replace(CONFIG.profile, pings_per_second=16)))
    for number in range(links_held):
        established(links, name=chr(ord("!") + number))
    assert links.ping_period() == period


def test_an_answer_that_does_not_come_is_asked_for_again_after_the_profiles_period() -> None:
    links = Links(CONFIG)
    link = established(links)
    for number in range(8 * CONFIG.profile.pings_per_second):
        links.pinged(greeted(links, name=chr(ord("b") + number), inbound=True), 100 * PERIOD)
    assert links.ping_period() > 4 * PERIOD
    assert links.due_pings(0)[0] == [link]
    assert links.next_deadline() == PERIOD
    assert links.due_pings(PERIOD)[0] == [link]
    assert pong(links, link, PERIOD + 1)
    assert link.next_ping > PERIOD + links.ping_period()


def test_pings_due_about_the_same_time_leave_together() -> None:
    links = Links(CONFIG)
    first, second, third = (established(links, name=name) for name in "abc")
    second.next_ping, third.next_ping = PERIOD // 20, PERIOD // 2
    assert links.due_pings(0) == ([first, second], [])
    assert links.next_deadline() == PERIOD // 2
    assert links.due_pings(PERIOD // 2) == ([third], [])
