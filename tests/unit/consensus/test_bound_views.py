"""What binds a view, who is shown how it began, and what a restart remembers of it."""

from __future__ import annotations

import pytest

from consensus.bft.messages import NewView, Phase
from consensus.chain import Chain
from tests.support.chamber import Chamber, Locked
from wire import cbor
from wire.ids import sha256
from wire.types import MessageType

PRE_PREPARE, PREPARE, NEW_VIEW = MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.NEW_VIEW


@pytest.fixture
def chamber() -> Chamber:
    """Of four; the replica leads view 1, somebody else view 0."""
    return Chamber()


def bind(chamber: Chamber) -> Locked:
    """View 2 begins, bound to a block that was proposed long ago."""
    lock = chamber.locked(chamber.block(1))
    chamber.wall_ms += 3_600_000
    chamber.begin(2, [chamber.change(2, name, lock) for name in chamber.quorum()], lock)
    return lock


def test_the_bound_block_is_prepared_whatever_its_time(chamber: Chamber) -> None:
    lock = bind(chamber)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(lock.block, view=2))
    assert chamber.voted(PREPARE) == [sha256(lock.block)]


def test_a_leader_that_proposes_another_block_than_the_bound_one_is_blamed(chamber: Chamber) -> None:
    bind(chamber)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(2), view=2))
    assert "bound to" in chamber.blamed
    assert not chamber.voted(PREPARE)


def test_a_view_that_is_bound_has_something_to_decide(chamber: Chamber) -> None:
    bind(chamber)
    assert chamber.replica.next_deadline(chamber.now, chamber.wall_ms) is not None


@pytest.mark.parametrize(("height", "place"), [(63, 2), (64, 3)])
def test_a_view_is_begun_by_who_leads_it_at_the_height_that_comes_next(height: int, place: int) -> None:
    """A planned rotation moves that, too."""
    chamber = Chamber(at=place)
    chamber.grow_to(height)
    for name in chamber.others[:2]:
        chamber.call(2, name)
    assert len(chamber.says(NEW_VIEW)) == 1
    other = Chamber(at=0)
    other.grow_to(height)
    other.hear(NEW_VIEW, chamber.says(NEW_VIEW)[0], chamber.me)
    assert (other.replica.view, other.blamed) == (2, "")


def test_the_height_after_the_bound_one_is_free(chamber: Chamber) -> None:
    lock = bind(chamber)
    chamber.grow(lock.block)
    block = chamber.block(3)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block, view=2))
    assert chamber.voted(PREPARE) == [sha256(block)]


# who missed it


def test_who_calls_for_a_view_that_has_begun_is_shown_how(chamber: Chamber) -> None:
    body = cbor.encode_struct(chamber.new_view(2))
    chamber.hear(NEW_VIEW, body, chamber.leader(2))
    for view in (1, 2):
        chamber.call(view, chamber.others[0])
        assert chamber.says(NEW_VIEW) == [body]
    chamber.met(chamber.others[1])
    assert chamber.says(NEW_VIEW) == [body]


def test_nobody_need_be_shown_how_view_0_began(chamber: Chamber) -> None:
    assert chamber.call(0, chamber.others[0]) == []
    assert chamber.met(chamber.others[0]) == []


def test_how_a_view_began_that_was_left_is_nobodys_business(chamber: Chamber) -> None:
    chamber.begin(2)
    chamber.time_out()
    chamber.met(chamber.others[0])
    assert not chamber.says(NEW_VIEW)


def test_after_a_restart_a_leader_is_in_the_view_that_it_began(chamber: Chamber) -> None:
    chamber.time_out()
    for name in chamber.others[:2]:
        chamber.call(1, name)
    body = chamber.says(NEW_VIEW)
    chamber.restart()
    assert (chamber.replica.view, chamber.replica.entered) == (1, True)
    chamber.call(1, chamber.others[2])
    assert chamber.says(NEW_VIEW) == body


def test_after_a_restart_its_own_call_still_counts(chamber: Chamber) -> None:
    chamber.time_out()
    chamber.restart()
    assert (chamber.replica.view, chamber.replica.entered) == (1, False)
    for name in chamber.others[:2]:
        chamber.call(1, name)
    assert [len(cbor.decode_as(body, NewView).changes) for body in chamber.says(NEW_VIEW)] == [3]


def test_a_leader_that_lost_the_base_begins_its_view_once_it_has_it_again(chamber: Chamber) -> None:
    block = chamber.block(1)
    before: Chain = chamber.chain.copy(lambda *_: True)
    certificate = chamber.certificate(Phase.COMMIT, chamber.core(block))
    chamber.grow(block, certificate)
    chamber.time_out()
    for name in chamber.others[:2]:
        chamber.call(1, name)
    body = chamber.says(NEW_VIEW)
    chamber.restart(before)
    assert (chamber.replica.view, chamber.replica.entered) == (1, False)
    chamber.grow(block, certificate)
    for name in chamber.others[:2]:
        chamber.call(1, name)
    assert chamber.says(NEW_VIEW) == body
    assert chamber.replica.entered
