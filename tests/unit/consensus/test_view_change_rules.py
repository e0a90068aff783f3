"""Changes of view, from one replica: when it leaves a view, whose calls count, and which it blames."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from consensus.bft.effects import Blame, Effect, Fetch, Say, Serve, Store
from consensus.bft.messages import Phase, ViewChange, ViewChangeHeader
from tests.support.chamber import Chamber
from tests.support.realm import swarm
from wire import cbor, cose
from wire.ids import ZERO_DIGEST, sha256
from wire.types import MessageType

PRE_PREPARE = MessageType.PRE_PREPARE
VIEW_CHANGE = MessageType.VIEW_CHANGE


@pytest.fixture
def chamber() -> Chamber:
    """Of four; the replica leads view 1, somebody else view 0."""
    return Chamber()


def called(chamber: Chamber) -> list[ViewChangeHeader]:
    """What it just said as it left a view."""
    messages = [cbor.decode_as(body, ViewChange) for body in chamber.says(VIEW_CHANGE)]
    return [cbor.decode_as(cose.parse(message.header).payload, ViewChangeHeader) for message in messages]


# leaving


def test_a_view_without_decision_is_left_when_its_time_is_over(chamber: Chamber) -> None:
    chamber.submit(chamber.proposal_tx())
    chamber.tick(0.9)
    assert called(chamber) == []
    effects = chamber.tick(0.2)
    [header] = called(chamber)
    assert (header.new_view, header.committed_height) == (1, chamber.chain.height)
    assert (header.prepared_view, header.prepared_hash) == (-1, ZERO_DIGEST)
    assert [type(effect) for effect in effects if isinstance(effect, Store | Say)] == [Store, Say]
    assert (chamber.replica.view, chamber.replica.entered) == (1, False)


def test_a_view_is_not_left_while_there_is_nothing_to_decide(chamber: Chamber) -> None:
    assert chamber.replica.next_deadline(chamber.now, chamber.wall_ms) is None
    assert chamber.tick(3600) == []


def test_who_leaves_a_view_says_what_it_is_locked_on(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.PREPARE, chamber.core(block))
    chamber.tick(0.9)
    chamber.tick(0.2)
    [header] = called(chamber)
    assert (header.prepared_view, header.prepared_hash) == (0, sha256(block))
    assert cbor.decode_as(chamber.says(VIEW_CHANGE)[0], ViewChange).block == block


@pytest.mark.parametrize(
    ("calls", "joins"),
    [
        pytest.param([3], None, id="one of four may lie"),
        pytest.param([3, 3], 3, id="two for one view"),
        pytest.param([5, 3], 3, id="two for two views: the smaller"),
        pytest.param([5, 3, 2], 2, id="the third for a smaller one yet"),
        pytest.param([1 << 62, 1 << 62], 1 << 62, id="however high"),
    ],
)
def test_it_joins_the_least_view_that_a_weak_quorum_calls_for(
    chamber: Chamber, calls: list[int], joins: int | None
) -> None:
    for view, name in zip(calls, chamber.others, strict=False):
        chamber.call(view, name)
    if joins is None:
        assert (chamber.replica.view, chamber.replica.entered) == (0, True)
    else:
        assert joins in [header.new_view for header in called(chamber)] or chamber.replica.view > joins
        assert chamber.replica.view >= joins


def test_an_earlier_call_that_comes_late_replaces_nothing(chamber: Chamber) -> None:
    first, second = chamber.others[:2]
    for view in (7, 4):
        chamber.call(view, first)
    chamber.call(7, second)
    assert chamber.replica.view == 7


def test_each_view_that_fails_gets_twice_the_time_of_the_one_before(chamber: Chamber) -> None:
    chamber.submit(chamber.proposal_tx())
    for view, time in enumerate((1, 2, 4, 8, 16, 32, 60, 60), start=1):
        chamber.tick(time - 0.001)
        assert chamber.replica.view == view - 1
        chamber.tick(0.001)
        assert chamber.replica.view == view
        follow(chamber)


def follow(chamber: Chamber) -> None:
    """So many others call for its view that nobody is left behind by the next one."""
    for name in chamber.others[:2]:
        chamber.call(chamber.replica.view, name)


def test_nobody_leaves_a_view_in_which_it_is_alone(chamber: Chamber) -> None:
    chamber.time_out()
    for _ in range(3):
        chamber.time_out()
        assert chamber.replica.view == 1
    follow(chamber)
    chamber.time_out()
    assert chamber.replica.view == 2


def test_what_can_be_ordered_no_more_is_no_reason_to_leave_a_view(chamber: Chamber) -> None:
    chamber.submit(chamber.proposal_tx())
    chamber.wall_ms += 8 * 24 * 3600 * 1000  # no deadline is so far away
    chamber.tick(60)
    assert (chamber.replica.view, chamber.replica.pending) == (0, 0)


def test_a_call_of_ones_own_key_from_elsewhere_is_not_kept(chamber: Chamber) -> None:
    chamber.call(3, chamber.me)
    chamber.call(3, chamber.others[0])
    assert chamber.replica.view == 0


# whose calls are judged how


Make = Callable[[Chamber], ViewChange]


def shows(**parts: Callable[[Chamber], bytes | None]) -> Make:
    """The call of one who is locked on a block, with other parts."""

    def make(c: Chamber) -> ViewChange:
        change = c.change(2, "beta", c.locked(c.block()))
        return msgspec.structs.replace(change, **{name: part(c) for name, part in parts.items()})

    return make


FORGED = [
    pytest.param(lambda c: c.change(2, "beta", federation=bytes(32)), "another federation", id="another federation"),
    pytest.param(lambda c: c.change(2, "beta", signer="eve"), "nobody who votes", id="by a stranger"),
]
UNPROVEN = [
    pytest.param(shows(certificate=lambda c: None), "does not show", id="a lock without certificate"),
    pytest.param(shows(block=lambda c: None), "does not show", id="a lock without block"),
    pytest.param(shows(block=lambda c: c.block(2)), "another block than", id="a lock with another block"),
    pytest.param(
        shows(certificate=lambda c: c.locked(c.block(2)).certificate),
        "block or view",
        id="certified is another block",
    ),
    pytest.param(
        shows(certificate=lambda c: c.locked(c.block(), 1).certificate),
        "block or view",
        id="certified is another view",
    ),
    pytest.param(
        shows(certificate=lambda c: c.certificate(Phase.COMMIT, c.core(c.block()))),
        "signature",
        id="COMMITs are no lock",
    ),
    pytest.param(
        lambda c: c.change(2, "beta", c.locked(c.block()), prepared_view=1),
        "block or view",
        id="a later view claimed",
    ),
    pytest.param(
        lambda c: c.change(2, "beta", c.locked(c.block(), 2)), "block or view", id="locked in the view it calls for"
    ),
    pytest.param(lambda c: c.change(2, "beta", c.locked(c.block(), 3)), "block or view", id="locked in a view after"),
]


def elsewhere(c: Chamber) -> bytes:
    """A quorum prepared that block, in that view, at another height."""
    return c.certificate(Phase.PREPARE, c.core(c.block(), height=c.height + 1))


UNPROVEN.append(pytest.param(shows(certificate=elsewhere), "block or view", id="certified is another height"))


def at_home(name: str = "alpha") -> Chamber:
    """The replica is that of `name`."""
    return Chamber(at=Chamber().order.index(name))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        *FORGED,
        *UNPROVEN,
        pytest.param(
            lambda c: c.change(2, "beta", committed_hash=bytes(32)), "another chain", id="over another block"
        ),
    ],
)
def test_a_call_that_no_honest_replica_makes_is_blamed_and_never_counts(change: Make, why: str) -> None:
    chamber = at_home()
    chamber.hear(VIEW_CHANGE, cbor.encode_struct(change(chamber)), "gamma")
    [blame] = chamber.of(Blame)
    assert blame.swarm == swarm("gamma")
    assert why in blame.error.detail
    chamber.call(2, "delta")
    assert chamber.replica.view == 0


@pytest.mark.parametrize("blocks", [-1, 1])
@pytest.mark.parametrize(("change", "why"), [*FORGED, *UNPROVEN])
def test_such_a_call_does_not_count_from_another_height_either(change: Make, why: str, blocks: int) -> None:
    """Its lock must be proven by who is further or behind, too: nothing would judge it once the heights are equal."""
    chamber, liar = at_home(), at_home("beta")
    (chamber if blocks < 0 else liar).grow(chamber.block(9))
    chamber.hear(VIEW_CHANGE, cbor.encode_struct(change(liar)), "beta")
    assert why in chamber.blamed
    chamber.call(2, "delta")
    assert chamber.replica.view == 0


@pytest.mark.parametrize(
    ("ahead", "answer"),
    [
        pytest.param(-1, lambda c: Serve(swarm("beta"), c.chain.height), id="behind"),
        pytest.param(1, lambda c: Fetch(swarm("beta")), id="ahead"),
    ],
)
def test_a_call_from_another_height_counts_and_blocks_are_exchanged(
    ahead: int, answer: Callable[[Chamber], Effect]
) -> None:
    chamber, other = at_home(), at_home("beta")
    (chamber if ahead < 0 else other).grow(chamber.block(9))
    chamber.hear(VIEW_CHANGE, cbor.encode_struct(other.change(2, "beta", other.locked(other.block()))), "beta")
    assert chamber.effects == [answer(chamber)]
    chamber.call(2, "delta")
    assert chamber.replica.view == 2


@pytest.mark.parametrize("signer", ["beta", "eve"])
@pytest.mark.parametrize(
    ("later", "answer"),
    [
        pytest.param(-1, lambda c: Serve(swarm("beta"), c.chain.height), id="an earlier epoch"),
        pytest.param(1, lambda c: Fetch(swarm("beta")), id="a later epoch"),
    ],
)
def test_who_calls_in_another_epoch_gets_blocks_or_is_asked_for_them(
    signer: str, later: int, answer: Callable[[Chamber], Effect]
) -> None:
    """Who votes there, and with which key, need not be known here."""
    chamber = at_home()
    change = chamber.change(2, "beta", signer=signer, epoch=chamber.chain.epoch + later)
    assert chamber.hear(VIEW_CHANGE, cbor.encode_struct(change), "beta") == [answer(chamber)]
