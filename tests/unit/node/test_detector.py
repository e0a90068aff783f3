"""Whole nodes notice who has failed: killed, cut off, slandered, back again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.accusations import Accusation, seal_accusation
from consensus.membership import MemberState
from mesh.protocol.commands import Failure, FailureKind, Propose, Success
from mesh.protocol.config import NodeConfig
from mesh.protocol.detector import Detector, Health
from mesh.protocol.effects import RecordKind
from mesh.protocol.trace import TraceKind
from tests.support.governed import NAMES, propose, town_of
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.frame import pack_message
from wire.ids import SwarmId
from wire.time import SECOND
from wire.types import Channel, MessageType

CONFIG = NodeConfig()
CONFIRMED_WITHIN = 9 * SECOND


def swarm(town: Town, name: str) -> SwarmId:
    return town.node(name).context.me.swarm


def health(town: Town, name: str, of: SwarmId) -> Health:
    return town.node(name).detector.health(of, town.world.now)


def state(town: Town, name: str, of: SwarmId) -> MemberState:
    member = town.node(name).context.chain.member(of)
    assert member is not None
    return member.state


def traced(town: Town, kind: TraceKind) -> list[tuple[str, str]]:
    """(whose record, about whom or by whom)."""
    return [
        (name, str(next(iter(record.fields.values()))))
        for name in NAMES
        if name in town.swarms
        for record in town[name].trace
        if record.kind is kind
    ]


def settled(size: int) -> Town:
    """A federation whose links stand for long enough that everyone has probed everyone."""
    town = town_of(size)
    town.world.run(5 * SECOND)
    return town


@pytest.mark.parametrize("size", [3, 4, 5])
def test_who_is_killed_is_confirmed_failed_everywhere_and_later_suspended(size: int) -> None:
    town = settled(size)
    gone, others = swarm(town, NAMES[size - 1]), NAMES[: size - 1]
    town.world.crash(town[NAMES[size - 1]])
    town.world.run_until(
        lambda: all(health(town, name, gone) is Health.FAILED for name in others), limit=CONFIRMED_WITHIN
    )
    assert all(state(town, name, gone) is MemberState.ACTIVE for name in others), "that is a decision"
    town.world.run_until(
        lambda: all(state(town, name, gone) is MemberState.SUSPENDED for name in others),
        limit=CONFIG.suspend_after + 5 * SECOND,
    )
    assert {about for _, about in traced(town, TraceKind.FAILED)} == {NAMES[size - 1]}


def test_who_was_suspended_comes_back_by_proving_that_it_is_alive() -> None:
    town = settled(3)
    gone = swarm(town, "gamma")
    town.world.crash(town["gamma"])
    town.world.run_until(lambda: state(town, "alpha", gone) is MemberState.SUSPENDED, limit=120 * SECOND)
    town.world.start(town["gamma"])
    town.world.run_until(lambda: state(town, "alpha", gone) is MemberState.ACTIVE, limit=30 * SECOND)
    town.world.run(2 * CONFIG.accuse_again)
    assert state(town, "alpha", gone) is MemberState.ACTIVE, "what was said before does not count afterwards"
    assert health(town, "alpha", gone) is Health.ACTIVE


def test_four_of_whom_one_is_suspended_still_need_three() -> None:
    town = settled(4)
    gone = swarm(town, "delta")
    town.world.crash(town["delta"])
    town.world.run_until(lambda: state(town, "alpha", gone) is MemberState.SUSPENDED, limit=120 * SECOND)
    assert isinstance(propose(town, "alpha"), Success)
    town.world.crash(town["gamma"])
    town.world.run(2 * CONFIG.profile.contact_window)
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details={}, deadline_s=5, wait=True)
    refused = town.world.ask(town["alpha"], command)
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.NO_QUORUM


def test_two_who_do_not_reach_each_other_ask_a_third_and_accuse_nobody() -> None:
    town = settled(3)
    town.world.partition([town["alpha"]], [town["beta"]])
    town.world.run(60 * SECOND)
    assert health(town, "alpha", swarm(town, "beta")) is Health.ACTIVE
    assert traced(town, TraceKind.SUSPECTED) == []


def test_a_few_who_are_cut_off_suspect_the_others_and_confirm_nothing() -> None:
    town = settled(5)
    few, many = NAMES[:2], NAMES[2:]
    town.world.partition([town[name] for name in few], [town[name] for name in many])
    town.world.run(20 * SECOND)
    assert all(health(town, name, swarm(town, "gamma")) is Health.SUSPECTED for name in few)
    assert all(health(town, name, swarm(town, "alpha")) is Health.FAILED for name in many)
    town.world.run(2 * CONFIG.suspend_after)
    assert state(town, "gamma", swarm(town, "alpha")) is MemberState.ACTIVE, "three of five decide nothing"
    town.world.heal()
    town.world.run(30 * SECOND)
    assert all(health(town, name, swarm(town, other)) is Health.ACTIVE for name in NAMES for other in NAMES)


def slander(
    town: Town, liar: str, victim: str, incarnation: int = 0, to: str | None = None, ahead_ms: int = 0
) -> None:
    """`liar` says that `victim` does not answer, to one other, or to all, and dates it so far ahead."""
    context = town.node(liar).context
    accused = context.chain.state.membership.by_name(victim)
    assert accused is not None
    body = Accusation(
        federation=context.federation,
        epoch=context.chain.epoch,
        accuser=context.me.swarm,
        accused=accused.swarm,
        term=1,
        incarnation=incarnation,
        seq=0,
        head=bytes(32),
        made_ms=context.wall_ms(town.world.now) + ahead_ms,
    )
    raw = seal_accusation(body, context.me.queen_key)
    message = pack_message(MessageType.ACCUSE, raw)
    for name in town.swarms if to is None else (to,):
        if name != liar and town[name].machine is not None:
            town.world.hear(town[name], town[liar], Channel.PRIORITY, message)


def test_whoever_is_slandered_refutes_it_and_is_believed() -> None:
    town = settled(4)
    victim = swarm(town, "beta")
    slander(town, "alpha", "beta")
    town.world.run(2 * SECOND)
    assert town.node("beta").context.incarnation == 1
    assert traced(town, TraceKind.REFUTED) == [("beta", "alpha")]
    slander(town, "alpha", "beta", to="gamma")
    assert town.node("gamma").context.counters["accusations_refuted"] == 1
    town.world.run(2 * CONFIG.suspend_after)
    assert all(health(town, name, victim) is Health.ACTIVE for name in NAMES[:4])
    assert traced(town, TraceKind.FAILED) == []


def test_who_has_not_heard_of_a_refutation_is_told_when_it_counts() -> None:
    """Beta refuted and died before gamma, which was down, heard of it: alpha's word and gamma's have to add up."""
    town = settled(3)
    victim = swarm(town, "beta")
    slander(town, "alpha", "beta")
    town.world.run(2 * SECOND)
    town.world.crash(town["gamma"])
    town.world.crash(town["beta"])
    town.world.start(town["gamma"])
    both = ("alpha", "gamma")
    town.world.run_until(lambda: all(health(town, name, victim) is Health.FAILED for name in both), 9 * SECOND)


def test_an_incarnation_is_durable_before_it_is_told_and_survives() -> None:
    town = settled(3)
    slander(town, "alpha", "beta")
    assert [kind for kind, _ in town["beta"].disk.records].count(RecordKind.INCARNATION) == 1
    town.world.crash(town["beta"])
    town.world.start(town["beta"])
    assert town.node("beta").context.incarnation == 1
    town.world.run(5 * SECOND)
    slander(town, "alpha", "beta", incarnation=1)
    assert town.node("beta").context.incarnation == 2


@pytest.mark.parametrize("incarnation", [(1 << 63) - 1, 1 << 62, (1 << 20) + 2])
def test_a_slander_makes_nobody_count_past_all_bounds(incarnation: int) -> None:
    """A heartbeat with such an incarnation would be malformed, and its honest sender banned by all others for it."""
    town = settled(4)
    slander(town, "alpha", "beta")
    slander(town, "alpha", "beta", incarnation=incarnation)
    assert town.node("beta").context.incarnation == 1
    assert town.node("beta").context.counters["accusations_absurd"] == 1
    slander(town, "alpha", "beta", incarnation=(1 << 20) + 1)
    assert town.node("beta").context.incarnation == (1 << 20) + 2, "a damaged disk may have forgotten so many"
    town.world.run(30 * SECOND)
    assert all(town.node(name).context.counters["offence_decode"] == 0 for name in NAMES[:4])


def confirmed_by_all_but(liar: Detector, confirm: Callable[..., None]) -> Callable[..., None]:
    """`confirm`, which `liar` does not carry out."""
    return lambda detector, *facts: None if detector is liar else confirm(detector, *facts)


@pytest.mark.parametrize(
    ("incarnation", "ahead_ms"),
    [
        pytest.param(5, 0, id="of an incarnation that nobody reached"),
        pytest.param(0, 3_600_000, id="from the future"),
        pytest.param(0, 9_999, id="from the future by the clock of some"),
        pytest.param(5, 3_600_000, id="both"),
    ],
)
def test_a_liar_among_the_accusers_does_not_spoil_the_word_of_the_others(
    incarnation: int, ahead_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = settled(4)
    monkeypatch.setattr(Detector, "_confirm", confirmed_by_all_but(town.node("alpha").detector, Detector._confirm))
    gone, honest = swarm(town, "delta"), NAMES[1:3]
    town["beta"].clock_skew_ms = -1_000
    town.world.crash(town["delta"])
    for _ in range(40):
        slander(town, "alpha", "delta", incarnation, ahead_ms=ahead_ms)
        town.world.run(2 * SECOND)
    assert all(state(town, name, gone) is MemberState.SUSPENDED for name in honest)


def test_nobody_is_watched_while_the_creator_governs() -> None:
    town = Town("alpha", "beta", config=CREATORS_RULE)
    town.form()
    town.world.run(5 * SECOND)
    town.world.crash(town["beta"])
    town.world.run(20 * SECOND)
    assert town.node("alpha").detector.next_deadline() is None
    assert traced(town, TraceKind.SUSPECTED) == []
