"""When a suspected voter is accused, when again, and what its own word undoes: rule by rule."""

from __future__ import annotations

import pytest

from consensus.accusations import Accusation, open_accusation, seal_accusation
from mesh.protocol.config import NodeConfig
from mesh.protocol.detector import Detector, Health
from mesh.protocol.effects import Publish, RecordKind, Send
from mesh.protocol.outbox import Outbox
from tests.support.governed import town_of
from wire import cbor, keys
from wire.frame import unpack_message
from wire.ids import SwarmId
from wire.time import SECOND, Instant
from wire.types import MessageType

CONFIG = NodeConfig()
PERIOD = CONFIG.profile.probe
LOOK = PERIOD // 4
SUSPECTED = PERIOD * CONFIG.profile.missed_probes
AGAIN = CONFIG.accuse_again


class Judge:
    """A detector of alpha's own; beta keeps silent from the beginning, and nothing happens but what the test does."""

    def __init__(self) -> None:
        self.town = town_of(4)
        self.town.world.run(5 * SECOND)
        node = self.town.node("alpha")
        self.context = node.context
        self.detector = Detector(self.context, node.deciding)
        self.began: Instant = self.town.world.now
        self.now = self.began
        for name in ("gamma", "delta"):
            self._silent_since(name, None)
        self.detector.tick(self.now, Outbox())
        self._silent_since("beta", self.began)
        self.tells(0)

    def swarm(self, name: str) -> SwarmId:
        return self.town.node(name).context.me.swarm

    def _silent_since(self, name: str, since: Instant | None) -> None:
        link = self.context.links.of_swarm(self.swarm(name))
        assert link is not None
        link.ping_sent = since

    def answers(self) -> None:
        """Beta answers from now on."""
        self._silent_since("beta", None)

    def silent_again(self) -> None:
        self._silent_since("beta", self.now)

    def silent_too(self, *names: str) -> None:
        """They have been as silent as beta."""
        for name in names:
            self._silent_since(name, self.began)

    def pass_to(self, after: int) -> list[tuple[int, Accusation]]:
        """Let time pass until so long after the beginning; what alpha says meanwhile, and when."""
        said: list[tuple[int, Accusation]] = []
        while self.now <= self.began + after:
            out = Outbox()
            self.detector.tick(self.now, out)
            said += [(self.now - self.began, body) for body in self._accusations(out)]
            self.now += LOOK
        return said

    def _accusations(self, out: Outbox) -> list[Accusation]:
        voters, federation = self.context.chain.validators(), self.context.federation
        sent = [unpack_message(effect.message) for effect in out.effects if isinstance(effect, Publish)]
        return [
            open_accusation(raw, voters, federation, keys.verify) for code, raw in sent if code == MessageType.ACCUSE
        ]

    def hear(self, accuser: str, accused: str = "beta", incarnation: int = 0, made_after_ms: int = 0) -> Outbox:
        """Somebody accuses somebody, in this epoch."""
        body = Accusation(
            federation=self.context.federation,
            epoch=self.context.chain.epoch,
            accuser=self.swarm(accuser),
            accused=self.swarm(accused),
            term=1,
            incarnation=incarnation,
            seq=0,
            head=bytes(32),
            made_ms=self.context.wall_ms(self.now) + made_after_ms,
        )
        out = Outbox()
        raw = seal_accusation(body, self.town.node(accuser).context.me.queen_key)
        self.detector.on_accusation(raw, self.now, out)
        return out

    def tells(self, incarnation: int, term: int = 1) -> None:
        """Beta's heartbeat."""
        self.detector.on_heartbeat(self.swarm("beta"), term, incarnation, b"beat %d" % incarnation)

    @property
    def health(self) -> Health:
        return self.detector.health(self.swarm("beta"), self.now)


@pytest.fixture
def judge() -> Judge:
    return Judge()


# when it is said


@pytest.mark.parametrize(
    ("also", "accused"),
    [
        pytest.param((), 1, id="two others answer"),
        pytest.param(("gamma",), 2, id="one other answers: with alpha it could confirm both"),
        pytest.param(("gamma", "delta"), 0, id="nobody answers: it is alpha that is alone, or late"),
    ],
)
def test_who_hears_from_too_few_to_confirm_it_accuses_nobody(
    judge: Judge, also: tuple[str, ...], accused: int
) -> None:
    judge.silent_too(*also)
    assert len(judge.pass_to(SUSPECTED)) == accused
    assert judge.health is Health.SUSPECTED


def test_who_is_suspected_is_accused_once_and_again_each_minute(judge: Judge) -> None:
    assert judge.pass_to(SUSPECTED - 1) == []
    assert judge.health is Health.SUSPECTED, "it is, and nobody has said so yet"
    said = judge.pass_to(SUSPECTED + 2 * AGAIN)
    assert [at for at, _ in said] == [SUSPECTED, SUSPECTED + AGAIN, SUSPECTED + 2 * AGAIN]
    assert {(body.accused, body.term, body.incarnation) for _, body in said} == {(judge.swarm("beta"), 1, 0)}
    assert [body.made_ms for _, body in said] == [judge.context.wall_ms(judge.began + at) for at, _ in said]


def test_who_answered_meanwhile_is_accused_anew_when_it_is_suspected_again(judge: Judge) -> None:
    assert len(judge.pass_to(SUSPECTED)) == 1
    judge.answers()
    assert judge.pass_to(SUSPECTED + PERIOD) == []
    assert judge.health is Health.ACTIVE
    judge.silent_again()
    silent_from = judge.now - judge.began
    said = judge.pass_to(silent_from + SUSPECTED)
    assert [at for at, _ in said] == [silent_from + SUSPECTED], "though a minute has not passed"


def test_who_may_not_vote_accuses_nobody(judge: Judge) -> None:
    judge.town.node("alpha").deciding.allow(False, judge.now, Outbox())
    assert judge.pass_to(SUSPECTED + PERIOD) == []
    judge.town.node("alpha").deciding.allow(True, judge.now, Outbox())
    assert len(judge.pass_to(SUSPECTED + 2 * PERIOD)) == 1


# what makes it a fact


@pytest.mark.parametrize(
    ("accusers", "silent", "health"),
    [
        ([], True, Health.SUSPECTED),
        (["gamma"], True, Health.FAILED),
        (["gamma", "delta"], True, Health.FAILED),
        (["gamma", "delta"], False, Health.ACTIVE),
    ],
)
def test_more_than_half_of_the_others_fail_it_where_it_does_not_answer(
    judge: Judge, accusers: list[str], silent: bool, health: Health
) -> None:
    if not silent:
        judge.answers()
    judge.pass_to(SUSPECTED)
    for accuser in accusers:
        judge.hear(accuser)
    judge.pass_to(SUSPECTED + LOOK)
    assert judge.health is health


def test_words_of_two_incarnations_do_not_add_up(judge: Judge) -> None:
    judge.pass_to(SUSPECTED)
    judge.hear("gamma", incarnation=1)
    judge.pass_to(SUSPECTED + LOOK)
    assert judge.health is Health.SUSPECTED, "one word of each: alpha's of the old one does not count"
    judge.hear("delta", incarnation=1)
    judge.pass_to(SUSPECTED + 2 * LOOK)
    assert judge.health is Health.FAILED


# what the accused says


@pytest.mark.parametrize(
    ("term", "incarnation", "health"),
    [
        pytest.param(1, 1, Health.SUSPECTED, id="a higher incarnation voids what was said"),
        pytest.param(1, 0, Health.FAILED, id="the same one voids nothing"),
        pytest.param(0, 7, Health.FAILED, id="neither does one of an earlier term"),
    ],
)
def test_a_heartbeat_refutes_by_its_incarnation(judge: Judge, term: int, incarnation: int, health: Health) -> None:
    judge.hear("gamma")
    judge.pass_to(SUSPECTED + LOOK)
    assert judge.health is Health.FAILED
    judge.tells(incarnation, term)
    assert judge.health is health
    judge.pass_to(SUSPECTED + 2 * LOOK)
    assert judge.health is health, "until somebody accuses it of the new one"


def test_who_refuted_and_keeps_silent_is_accused_of_its_new_incarnation_at_once(judge: Judge) -> None:
    judge.pass_to(SUSPECTED)
    judge.tells(1)
    ((_, body),) = judge.pass_to(SUSPECTED + LOOK)
    assert body.incarnation == 1


@pytest.mark.parametrize(("told", "of", "counts"), [(0, 0, True), (1, 1, True), (1, 2, True), (2, 1, False)])
def test_an_accusation_of_an_incarnation_that_is_over_counts_nothing(
    judge: Judge, told: int, of: int, counts: bool
) -> None:
    judge.tells(told)
    judge.hear("gamma", incarnation=of)
    judge.hear("delta", incarnation=of)
    judge.pass_to(SUSPECTED + LOOK)
    assert (judge.health is Health.FAILED) == counts
    assert judge.context.counters["accusations_refuted"] == (0 if counts else 2)


@pytest.mark.parametrize(("told", "shown"), [(1, []), (2, [b"beat 2"])])
def test_who_accuses_of_what_is_refuted_is_shown_the_refutation(judge: Judge, told: int, shown: list[bytes]) -> None:
    judge.tells(told)
    judge.tells(told)
    out = judge.hear("gamma", incarnation=1)
    gamma = judge.town.node("gamma").context.me.peer
    sent = [(effect.peer, *unpack_message(effect.message)) for effect in out.effects if isinstance(effect, Send)]
    assert sent == [(gamma, MessageType.HEARTBEAT, beat) for beat in shown]


@pytest.mark.parametrize(("name", "hears"), [("gamma", True), ("delta", True), ("beta", False)])
def test_what_is_said_is_said_to_who_comes_later_too_but_for_the_accused(
    judge: Judge, name: str, hears: bool
) -> None:
    ((_, body),) = judge.pass_to(SUSPECTED)
    link, out = judge.context.links.of_swarm(judge.swarm(name)), Outbox()
    assert link is not None
    judge.detector.met(link, out)
    sent = [(effect.peer, *unpack_message(effect.message)) for effect in out.effects if isinstance(effect, Send)]
    own = seal_accusation(body, judge.context.me.queen_key)
    assert sent == ([(link.peer, MessageType.ACCUSE, own)] if hears else [])


@pytest.mark.parametrize(("own", "of", "then"), [(0, 0, 1), (0, 3, 4), (2, 2, 3), (2, 1, 2)])
def test_who_is_accused_of_its_present_incarnation_or_a_later_one_goes_beyond(
    judge: Judge, own: int, of: int, then: int
) -> None:
    judge.context.incarnation = own
    out = judge.hear("gamma", accused="alpha", incarnation=of)
    assert judge.context.incarnation == then
    kept = [effect.body for effect in out.effects if getattr(effect, "kind", None) is RecordKind.INCARNATION]
    assert kept == ([cbor.encode([1, then])] if then != own else [])


def test_of_one_accuser_the_later_word_counts(judge: Judge) -> None:
    judge.pass_to(SUSPECTED - LOOK)
    judge.hear("gamma", incarnation=1)
    judge.hear("gamma", incarnation=0, made_after_ms=1)
    judge.hear("delta", incarnation=1)
    judge.pass_to(SUSPECTED)
    assert judge.health is Health.FAILED, "gamma and delta speak of one incarnation"
