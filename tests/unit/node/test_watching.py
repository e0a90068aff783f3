"""Whose silence is noticed, since when, who is asked after it, and what an answer is worth: rule by rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from consensus.governance.proposals import Choice
from mesh.protocol.config import NodeConfig, VotingPolicy
from mesh.protocol.effects import Send
from mesh.protocol.links import Link
from mesh.protocol.messages import ProbeReport, ProbeRequest
from mesh.protocol.outbox import Outbox
from mesh.protocol.watching import LOOKS, MAX_ASKERS, Watching
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import unpack_message
from wire.ids import SwarmId
from wire.time import Instant
from wire.types import MessageType

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
PERIOD = NodeConfig().profile.probe
LOOK = PERIOD // LOOKS
SUSPECTED = PERIOD * NodeConfig().profile.missed_probes


@dataclass
class Post:
    """Alpha's post: it watches, and the test has its links and its clock in hand."""

    town: Town
    watching: Watching = field(init=False)
    began: Instant = field(init=False)
    now: Instant = field(init=False)

    def __post_init__(self) -> None:
        self.context = self.town.node("alpha").context
        self.began = self.now = self.town.world.now
        self.watching = Watching(self.context)
        self.watching.begin(self.now)
        for name in NAMES[1:]:
            self.answers(name)

    def swarm(self, name: str) -> SwarmId:
        return self.town.node(name).context.me.swarm

    def link(self, name: str) -> Link:
        link = self.context.links.of_swarm(self.swarm(name))
        assert link is not None
        return link

    # what happens

    def answers(self, name: str) -> None:
        self.link(name).ping_sent = None

    def keeps_silent(self, name: str, after: int = 0) -> None:
        """A ping sent so long after the beginning stays unanswered."""
        self.link(name).ping_sent = self.began + after

    def cut(self, name: str) -> None:
        self.context.links.down(self.link(name).peer)

    def shun(self, name: str) -> None:
        """In a large federation it would be no neighbour."""
        self.context.neighbours().remove(self.swarm(name))

    def look(self, after: int, *names: str) -> list[tuple[str, str]]:
        """Look at these (at all, if none is named) so long after the beginning, having looked as often as one should
        meanwhile; who was asked after whom."""
        asked: list[tuple[str, str]] = []
        while self.now <= self.began + after:
            out = Outbox()
            self.watching.look([self.swarm(name) for name in names or NAMES[1:]], self.now, out)
            asked += self.said(out, MessageType.PROBE_REQUEST)
            self.now = self.watching.next_look
        self.now = self.began + after
        return asked

    # what follows

    def silence(self, name: str) -> int:
        return self.watching.silence(self.swarm(name), self.now)

    def said(self, out: Outbox, kind: MessageType) -> list[tuple[str, str]]:
        """(to whom, about whom) of the messages of a kind."""
        names = {host.peer: name for name, host in self.town.hosts.items()}
        swarms = {self.swarm(name): name for name in NAMES}
        sent = [effect for effect in out.effects if isinstance(effect, Send)]
        opened = [(effect.peer, *unpack_message(effect.message)) for effect in sent]
        layout = ProbeRequest if kind is MessageType.PROBE_REQUEST else ProbeReport
        return [
            (names[peer], swarms[SwarmId(cbor.decode_as(payload, layout).swarm)])
            for peer, code, payload in opened
            if code == kind
        ]

    def report(self, name: str) -> None:
        self.watching.on_report(ProbeReport(swarm=self.swarm(name)))

    def request(self, asker: Link, name: str) -> bool:
        """Somebody asks after a member; whether that one is pinged next."""
        self.watching.on_request(asker, ProbeRequest(swarm=self.swarm(name)), self.now)
        link = self.context.links.of_swarm(self.swarm(name))
        return link is not None and link.next_ping == self.now

    def pong(self, name: str) -> list[tuple[str, str]]:
        """A member answers a ping; who is told."""
        out = Outbox()
        self.watching.on_pong(self.link(name), out)
        return self.said(out, MessageType.PROBE_REPORT)


@pytest.fixture
def post() -> Post:
    town = Town(*NAMES, config=NodeConfig(voting=VotingPolicy(default=Choice.APPROVE)))
    town.form()
    return Post(town)


# since when


def unanswered_then_cut(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    post.cut("beta")


def unanswered_then_asked_anew(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    post.keeps_silent("beta", PERIOD)


def unanswered_then_answered(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    post.answers("beta")


def no_neighbour(post: Post) -> None:
    post.shun("beta")
    post.cut("beta")


def no_neighbour_but_accused(post: Post) -> None:
    no_neighbour(post)
    post.watching.heed(post.swarm("beta"), post.began + LOOK)


def accused_twice(post: Post) -> None:
    no_neighbour_but_accused(post)
    post.watching.heed(post.swarm("beta"), post.began + PERIOD)


@pytest.mark.parametrize(
    ("what", "since"),
    [
        pytest.param(lambda post: None, None, id="a link on which nothing is unanswered"),
        pytest.param(lambda post: post.keeps_silent("beta", LOOK), LOOK, id="from the ping, not from the look"),
        pytest.param(lambda post: post.cut("beta"), 0, id="no link to a neighbour: from the first look"),
        pytest.param(unanswered_then_cut, 0, id="a link that ends goes on being silent"),
        pytest.param(unanswered_then_asked_anew, 0, id="the first unanswered ping counts, not the last"),
        pytest.param(unanswered_then_answered, None, id="an answer ends it"),
        pytest.param(no_neighbour, None, id="who is no neighbour is not looked for"),
        pytest.param(no_neighbour_but_accused, LOOK, id="until somebody accuses it"),
        pytest.param(accused_twice, LOOK, id="the second time changes nothing"),
    ],
)
def test_since_when_silence_counts(post: Post, what: Callable[[Post], None], since: int | None) -> None:
    what(post)
    post.look(2 * PERIOD)
    assert post.silence("beta") == (0 if since is None else 2 * PERIOD - since)
    assert post.silence("gamma") == 0


def test_who_is_not_looked_at_any_more_is_forgotten(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    post.look(PERIOD + LOOK, "gamma")
    assert post.silence("beta") == 0


def test_what_was_noticed_before_nobody_was_watched_is_forgotten(post: Post) -> None:
    post.cut("beta")
    post.look(PERIOD)
    post.watching.begin(post.now)
    assert (post.silence("beta"), post.watching.lag, post.watching.next_look) == (0, 0, post.now)


# how long


@pytest.mark.parametrize(
    ("silent", "watched", "suspected"),
    [
        (0, False, False),
        (PERIOD - 1, False, False),
        (PERIOD, True, False),
        (SUSPECTED - 1, True, False),
        (SUSPECTED, True, True),
    ],
)
def test_one_period_makes_watched_and_some_make_suspected(
    post: Post, silent: int, watched: bool, suspected: bool
) -> None:
    post.keeps_silent("beta")
    post.look(silent)
    swarm = post.swarm("beta")
    assert (post.watching.watched(swarm, post.now), post.watching.suspected(swarm, post.now)) == (watched, suspected)


# this node itself is late


@pytest.mark.parametrize(
    ("late", "lag"),
    [
        pytest.param(LOOK, 0, id="a look late is nothing"),
        pytest.param(LOOK + 1, LOOK + 1, id="more is a lag"),
        pytest.param(5 * PERIOD, 5 * PERIOD, id="stopped for seconds"),
    ],
)
def test_own_lag_is_nobodys_silence_and_makes_patient(post: Post, late: int, lag: int) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    silent, post.now = post.silence("beta"), post.watching.next_look + late
    post.watching.look([post.swarm("beta")], post.now, Outbox())
    assert post.watching.lag == lag
    assert post.silence("beta") == silent + LOOK + late - lag
    swarm = post.swarm("beta")
    suspected_at = post.now - post.silence("beta") + SUSPECTED + lag
    assert not post.watching.suspected(swarm, suspected_at - 1)
    assert post.watching.suspected(swarm, suspected_at)


def test_patience_halves_with_each_look_in_time(post: Post) -> None:
    post.now += 8 * PERIOD
    lags = []
    for _ in range(3):
        post.watching.look([], post.now, Outbox())
        lags.append(post.watching.lag)
        post.now = post.watching.next_look
    assert lags == [8 * PERIOD, 4 * PERIOD, 2 * PERIOD]


# asking others


@pytest.mark.parametrize(
    ("after", "rounds"), [(PERIOD - LOOK, 0), (PERIOD, 1), (2 * PERIOD - LOOK, 1), (2 * PERIOD, 2), (3 * PERIOD, 3)]
)
def test_from_one_period_on_some_others_are_asked_once_a_period(post: Post, after: int, rounds: int) -> None:
    post.keeps_silent("beta")
    asked = post.look(after)
    assert len(asked) == rounds * NodeConfig().indirect_probes
    assert all(about == "beta" and whom != "beta" for whom, about in asked)
    assert len(set(asked)) == len(asked) if rounds == 1 else True


def test_who_is_silent_too_or_has_no_link_is_not_asked(post: Post) -> None:
    for name in ("beta", "gamma"):
        post.keeps_silent(name)
    post.cut("delta")
    asked = post.look(PERIOD)
    assert sorted(asked) == sorted((able, f) for f in ("beta", "gamma", "delta") for able in ("epsilon", "zeta"))


def test_who_answered_meanwhile_is_asked_after_anew(post: Post) -> None:
    post.keeps_silent("beta")
    assert post.look(PERIOD)
    post.answers("beta")
    post.look(PERIOD + LOOK)
    post.keeps_silent("beta", LOOK)
    assert post.look(PERIOD + 2 * LOOK), "within a period of the last question"


# being asked


def test_who_is_asked_pings_at_once_and_reports_the_answer_once(post: Post) -> None:
    assert post.request(post.link("gamma"), "beta")
    assert post.request(post.link("delta"), "beta")
    assert post.request(post.link("delta"), "beta")
    assert post.pong("epsilon") == [], "nobody asked after it"
    assert post.pong("beta") == [("gamma", "beta"), ("delta", "beta")]
    assert post.pong("beta") == []


def test_an_asker_that_is_gone_is_told_nothing(post: Post) -> None:
    post.request(post.link("gamma"), "beta")
    post.cut("gamma")
    assert post.pong("beta") == []


@pytest.mark.parametrize("case", ["not linked", "about itself", "by a stranger"])
def test_questions_that_are_not_heeded(post: Post, case: str) -> None:
    asker, about = post.link("gamma"), "beta"
    if case == "not linked":
        post.cut("beta")
    elif case == "about itself":
        about = "gamma"
    else:
        asker = Link(peer=asker.peer, address="", inbound=True, since=0)
    assert not post.request(asker, about)
    assert case == "not linked" or post.pong(about) == []


def test_only_so_many_wait_for_an_answer(post: Post) -> None:
    askers = [
        Link(
            peer=post.link("gamma").peer,
            address="",
            inbound=True,
            since=0,
            swarm=SwarmId(bytes([n]) * 16),
            queen=True,
        )
        for n in range(MAX_ASKERS)
    ]
    for asker in askers:
        post.request(asker, "beta")
    assert post.request(post.link("gamma"), "beta"), "it is pinged all the same"
    assert post.pong("beta") == []
    post.request(post.link("gamma"), "beta")
    assert post.pong("beta") == [("gamma", "beta")], "an answer makes room"


# what an answer of others is worth


def test_a_report_begins_the_silence_anew_from_the_question(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(2 * PERIOD - LOOK)
    post.report("beta")
    assert post.silence("beta") == PERIOD - LOOK
    assert post.look(3 * PERIOD - LOOK), "watched again, a period after the question"
    post.report("beta")
    assert post.silence("beta") == PERIOD - LOOK


@pytest.mark.parametrize("silent", [True, False], ids=["not asked yet", "not silent"])
def test_a_report_that_nobody_asked_for_is_ignored(post: Post, silent: bool) -> None:
    if silent:
        post.keeps_silent("beta")
    post.look(PERIOD - LOOK)
    before = post.silence("beta")
    post.report("beta")
    assert post.silence("beta") == before == (PERIOD - LOOK if silent else 0)


def test_a_second_report_on_one_question_takes_nothing_back(post: Post) -> None:
    post.keeps_silent("beta")
    post.look(PERIOD)
    post.report("beta")
    post.now = post.watching.next_look + PERIOD // 2  # this node is late: the silence counts from later still
    post.watching.look([post.swarm("beta")], post.now, Outbox())
    before = post.silence("beta")
    post.report("beta")
    assert post.silence("beta") == before == LOOK


# an accusation is heard


def test_who_is_accused_is_pinged_at_once(post: Post) -> None:
    post.watching.heed(post.swarm("beta"), post.now)
    assert post.link("beta").next_ping == post.now
    assert post.silence("beta") == 0
