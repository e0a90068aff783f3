"""Which roots call for a session, and when such a session is no longer worth it."""

from __future__ import annotations

import pytest

from mesh.protocol.config import NodeConfig
from mesh.protocol.doubts import MAX_ROOTS, Doubts
from wire.ids import PeerId
from wire.time import SECOND

CONFIG = NodeConfig()
PERIOD = CONFIG.profile.probe
OWN, NEWER, X, Y = b"own", b"newer", b"x", b"y"
PEERS = {letter: PeerId(letter) for letter in "abcdef"}
A = PEERS["a"]


@pytest.mark.parametrize(
    ("probes", "wanted"),
    [
        pytest.param([("a", X, OWN, 0)], "", id="one other root: writes may be on their way"),
        pytest.param([("a", X, OWN, 0), ("a", Y, NEWER, 499_999)], "", id="two of one peer that came together"),
        pytest.param([("a", X, OWN, 0), ("a", Y, NEWER, 500_000)], "a", id="two in a row, whatever they are"),
        pytest.param([("a", X, OWN, 0), ("a", Y, OWN, 10), ("a", X, NEWER, 500_000)], "a", id="and one in between"),
        pytest.param([("a", X, OWN, 0), ("a", OWN, NEWER, 500_000)], "", id="what was ours a moment ago"),
        pytest.param(
            [("b", X, OWN, 0), ("a", X, NEWER, 0), ("a", OWN, NEWER, PERIOD), ("a", Y, NEWER, PERIOD)],
            "",
            id="and shows that it is no other state",
        ),
        pytest.param(
            [("b", X, OWN, 0), ("a", X, NEWER, 0), ("a", OWN, NEWER, PERIOD + 1)], "a", id="what was ours long ago"
        ),
        pytest.param([("a", X, OWN, 0), ("b", Y, OWN, 10)], "", id="two peers, two roots"),
        pytest.param([("a", X, OWN, 0), ("a", OWN, OWN, 10), ("a", X, OWN, 20)], "", id="the same in between"),
        pytest.param([("a", X, OWN, 0), ("b", X, OWN, 499_999)], "", id="seen before, too short a time ago"),
        pytest.param([("a", X, OWN, 0), ("b", X, OWN, 500_000)], "b", id="seen before, and it stands"),
        pytest.param([("a", X, OWN, 0), ("b", X, NEWER, 500_000)], "", id="seen before our own root changed"),
    ],
)
def test_probes_call_for_a_session(probes: list[tuple[str, bytes, bytes, int]], wanted: str) -> None:
    doubts = Doubts(CONFIG)
    for peer, root, own, now in probes:
        doubts.probe(PEERS[peer], root, own, now)
    assert doubts.wanted() == [PEERS[letter] for letter in wanted]


def test_after_a_doubt_one_other_root_is_no_news_again() -> None:
    doubts = Doubts(CONFIG)
    for number, root in enumerate((X, Y)):
        doubts.probe(A, root, OWN, number * PERIOD // 2)
    doubts.begun(A, PERIOD)
    doubts.probe(A, b"z", OWN, PERIOD)
    assert not doubts
    doubts.probe(A, b"zz", OWN, 2 * PERIOD)
    assert doubts.wanted() == [A]


def test_a_doubt_is_over_when_we_hold_what_the_peer_showed() -> None:
    doubts = Doubts(CONFIG)
    doubts.differs(A, X, 0)
    assert doubts.settled(OWN, 0) == []
    assert doubts.settled(X, 0) == [A]
    assert not doubts


@pytest.mark.parametrize(
    ("held", "over"),
    [
        pytest.param([(X, 1), (OWN, 2)], True, id="since it showed that"),
        pytest.param([(OWN, 1), (X, PERIOD), (OWN, PERIOD + 1)], True, id="later"),
        pytest.param([(X, -2), (OWN, -1)], False, id="before, so it lacks what came then"),
        pytest.param([(Y, 1)], False, id="another state"),
    ],
)
def test_a_doubt_is_over_when_we_have_held_meanwhile_what_the_peer_showed(
    held: list[tuple[bytes, int]], over: bool
) -> None:
    doubts = Doubts(CONFIG)
    noticed = 0
    happenings = sorted([(now, own) for own, now in held] + [(noticed, b"")])
    for now, own in happenings:
        if now == noticed:
            doubts.differs(A, X, now)
        else:
            doubts.probe(PEERS["b"], own, own, now)
    assert (doubts.settled(NEWER, PERIOD + 2) == [A]) is over


def test_a_doubt_is_over_when_the_peer_shows_what_we_hold() -> None:
    doubts = Doubts(CONFIG)
    doubts.differs(A, X, 0)
    doubts.probe(A, OWN, OWN, 0)
    assert not doubts


def test_what_is_certain_stays_whatever_the_roots_say() -> None:
    doubts = Doubts(CONFIG)
    doubts.certain(A)
    doubts.differs(A, OWN, 0)
    doubts.probe(A, OWN, OWN, 0)
    assert doubts.settled(OWN, PERIOD) == []
    assert doubts.wanted() == [A]


def test_one_doubt_after_another_leads_to_a_session_and_a_slow_one_holds_up_nobody() -> None:
    doubts = Doubts(CONFIG)
    for letter in "abc":
        doubts.differs(PEERS[letter], letter.encode(), 0)
    assert doubts.opens(PEERS["a"]) == 0
    doubts.begun(PEERS["a"], SECOND)
    assert doubts.opens(PEERS["b"]) == doubts.earliest() == SECOND + PERIOD // 4, "while the first session goes on"
    doubts.ended(PEERS["a"], futile=False, now=SECOND + 5)
    assert doubts.opens(PEERS["b"]) == doubts.earliest() == 0


def test_a_few_doubts_lead_to_sessions_and_the_others_wait() -> None:
    doubts = Doubts(CONFIG)
    for number, peer in enumerate(PEERS.values()):
        doubts.differs(peer, b"%d" % number, 0)
    for number, peer in enumerate(list(PEERS.values())[: CONFIG.sync_sessions]):
        doubts.begun(peer, SECOND + number)
        doubts.ended(peer, futile=False, now=SECOND + number)
    assert doubts.wanted() == [PEERS["e"], PEERS["f"]]
    assert doubts.opens(PEERS["e"]) == SECOND + PERIOD
    doubts.begun(PEERS["e"], SECOND + PERIOD)
    assert doubts.opens(PEERS["f"]) == SECOND + PERIOD + PERIOD // 4


def test_what_is_certain_waits_for_nobody() -> None:
    doubts = Doubts(CONFIG)
    for number in range(CONFIG.sync_sessions):
        doubts.differs(A, X, 0)
        doubts.begun(A, number)
    doubts.certain(A)
    assert doubts.opens(A) == doubts.earliest() == 0
    doubts.begun(A, 10)
    doubts.differs(A, X, 10)
    assert doubts.opens(A) == PERIOD  # the certain one took no place


def test_who_was_dialled_leaves_the_beginning_to_the_other_end() -> None:
    doubts = Doubts(CONFIG)
    doubts.differs(A, X, 0, patient=True)
    doubts.settled(OWN, PERIOD // 2 - 1)
    assert doubts
    assert (doubts.wanted(), doubts.ripen()) == ([], PERIOD // 2)
    doubts.settled(OWN, PERIOD // 2)
    assert (doubts.wanted(), doubts.ripen()) == ([A], None)
    assert doubts.old(A, PERIOD // 2), "so it is asked first"


def test_who_waits_for_the_other_end_takes_its_turn_too() -> None:
    doubts = Doubts(CONFIG)
    doubts.differs(A, X, 0, patient=True)
    doubts.differs(PEERS["b"], Y, 0)
    doubts.begun(PEERS["b"], PERIOD)
    assert doubts.ripen() == PERIOD + PERIOD // 4


@pytest.mark.parametrize(
    ("shown", "wanted"), [pytest.param(X, [A], id="another root"), pytest.param(OWN, [], id="the same")]
)
def test_who_is_asked_decides_by_the_next_root(shown: bytes, wanted: list[PeerId]) -> None:
    doubts = Doubts(CONFIG)
    doubts.ask(A, 0)
    assert not doubts, "nothing to do until the answer comes"
    doubts.differs(A, Y, 1)
    assert not doubts, "the answer tells"
    doubts.probe(A, shown, OWN, 2)
    assert doubts.wanted() == wanted
    doubts.begun(A, 3)
    doubts.probe(A, X, OWN, 4)
    assert not doubts, "one question, one answer"


def test_a_doubt_that_is_asked_takes_a_place_and_its_session_none() -> None:
    doubts = Doubts(CONFIG)
    for number in range(CONFIG.sync_sessions):
        doubts.differs(A, X, number)
        assert doubts.old(A, number + PERIOD // 2)
        doubts.ask(A, number + PERIOD // 2)
        doubts.probe(A, OWN, OWN, number + PERIOD // 2)
        assert doubts.earliest() == 0 or number == CONFIG.sync_sessions - 1, "the question is answered"
    doubts.differs(A, X, PERIOD)
    assert doubts.opens(A) == PERIOD // 2 + PERIOD
    doubts.ask(A, PERIOD // 2 + PERIOD)
    doubts.probe(A, X, OWN, 2 * PERIOD)
    assert doubts.opens(A) == 0


def test_a_session_that_nobody_needed_keeps_its_place_longer() -> None:
    doubts = Doubts(CONFIG)
    others = list(PEERS.values())[: CONFIG.sync_sessions]
    for peer in others:
        doubts.differs(peer, X, 0)
        doubts.begun(peer, 0)
        doubts.ended(peer, futile=peer != others[0], now=10)
    doubts.differs(PEERS["e"], X, 10)
    assert doubts.opens(PEERS["e"]) == doubts.earliest() == PERIOD
    doubts.begun(PEERS["e"], PERIOD)
    doubts.ended(PEERS["e"], futile=True, now=PERIOD)
    doubts.differs(PEERS["f"], X, PERIOD)
    assert doubts.opens(PEERS["f"]) == CONFIG.sync_sessions * PERIOD + 10


def test_of_many_roots_only_the_last_are_remembered() -> None:
    doubts = Doubts(CONFIG)
    for number in range(MAX_ROOTS + 1):
        doubts.probe(PEERS["b"], b"%d" % number, OWN, number)
    assert doubts.roots == MAX_ROOTS
    doubts = Doubts(CONFIG)
    for number in range(MAX_ROOTS + 1):
        doubts.probe(PeerId(f"p{number}"), b"%d" % number, OWN, number)
    doubts.probe(A, b"0", OWN, PERIOD)
    assert not doubts, "the first one is forgotten"
    doubts.probe(A, b"%d" % MAX_ROOTS, OWN, 2 * PERIOD)
    assert doubts.wanted() == [A]


def test_a_lost_link_leaves_nothing_behind() -> None:
    doubts = Doubts(CONFIG)
    doubts.probe(A, X, OWN, 0)
    doubts.differs(A, X, 0)
    doubts.forget(A)
    doubts.ask(A, 0)
    doubts.forget(A)
    doubts.probe(A, Y, OWN, 1)
    assert not doubts
