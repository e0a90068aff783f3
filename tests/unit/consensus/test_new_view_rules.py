"""How a view begins: what its leader says, what a lock binds it to, which beginnings are refused."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from consensus.bft.effects import Blame, Effect, Fetch, Note, NoteKind, Serve
from consensus.bft.messages import NewView, NewViewHeader, ViewChange
from tests.support.chamber import Chamber
from tests.support.realm import swarm
from wire import cbor, cose
from wire.ids import sha256
from wire.types import MessageType

PRE_PREPARE, PREPARE = MessageType.PRE_PREPARE, MessageType.PREPARE
VIEW_CHANGE, NEW_VIEW = MessageType.VIEW_CHANGE, MessageType.NEW_VIEW

Begin = Callable[[Chamber], NewView]


@pytest.fixture
def chamber() -> Chamber:
    """Of four; the replica leads view 1, somebody else view 0."""
    return Chamber()


def begun(chamber: Chamber) -> NewView:
    """What it just said as the leader of a view."""
    [body] = chamber.says(NEW_VIEW)
    return cbor.decode_as(body, NewView)


# as the leader


def test_the_next_leader_begins_its_view_once_a_quorum_calls_for_it(chamber: Chamber) -> None:
    chamber.time_out()
    chamber.call(1, chamber.others[0])
    assert not chamber.says(NEW_VIEW), "with its own call that is no quorum of four"
    chamber.call(1, chamber.others[1])
    message = begun(chamber)
    header = cbor.decode_as(cose.parse(message.header).payload, NewViewHeader)
    assert (header.epoch, header.view, len(message.changes)) == (chamber.chain.epoch, 1, 3)
    assert (message.certificate, message.block) == (None, None)
    assert chamber.replica.entered
    assert [note.kind for note in chamber.of(Note)][:1] == [NoteKind.VIEW_ENTERED]


def test_a_majority_of_seven_begins_no_view() -> None:
    chamber = Chamber(7)
    for name in chamber.others[:3]:
        chamber.call(1, name)
        assert not chamber.says(NEW_VIEW)
    chamber.call(1, chamber.others[3])
    assert len(begun(chamber).changes) == 5
    other = Chamber(7, at=0)
    other.begin(2, [other.change(2, name) for name in other.order[:4]])
    assert "without a quorum" in other.blamed


def test_who_leads_another_view_does_not_begin_it(chamber: Chamber) -> None:
    for name in chamber.others:
        chamber.call(2, name)
        assert not chamber.says(NEW_VIEW)
    assert (chamber.replica.view, chamber.replica.entered) == (2, False)


def test_calls_for_another_view_begin_nothing(chamber: Chamber) -> None:
    chamber.time_out()
    for name in chamber.others:
        chamber.call(6, name)
        assert not chamber.says(NEW_VIEW)


def test_a_call_for_a_later_view_does_not_begin_an_earlier_one(chamber: Chamber) -> None:
    chamber.time_out()
    for view, name in zip((1, 9), chamber.others, strict=False):
        chamber.call(view, name)
        assert not chamber.says(NEW_VIEW)
    chamber.call(1, chamber.others[2])
    assert len(begun(chamber).changes) == 3


@pytest.mark.parametrize(
    ("locks", "forced"),
    [
        pytest.param([None, None], None, id="nobody is locked: it is free"),
        pytest.param([(1, 0), None], 1, id="one is locked"),
        pytest.param([(1, 0), (2, 3)], 2, id="the lock of the latest view"),
        pytest.param([(2, 3), (1, 0)], 2, id="whoever comes first"),
    ],
)
def test_a_leader_proposes_what_the_latest_lock_binds_it_to(
    locks: list[tuple[int, int] | None], forced: int | None
) -> None:
    chamber = Chamber(at=1)
    for view in (1, 2, 3, 4):
        chamber.time_out()
        assert chamber.replica.view == view
        for name in chamber.others[:2]:
            chamber.call(view, name)
    chamber.time_out()
    for lock, name in zip(locks, chamber.others, strict=False):
        chamber.call(5, name, None if lock is None else chamber.locked(chamber.block(lock[0]), lock[1]))
    message = begun(chamber)
    block = None if forced is None else chamber.block(forced)
    assert message.block == block
    assert block is None or chamber.proposed() == [block]


def test_a_lock_below_the_base_binds_nobody(chamber: Chamber) -> None:
    """Who is behind is locked on what is decided meanwhile: that is no reason to propose it again."""
    behind = Chamber(at=0)
    lock = behind.locked(behind.block(1))
    chamber.grow(chamber.block(1))
    chamber.time_out()
    body = cbor.encode_struct(behind.change(1, chamber.others[0], lock))
    chamber.hear(VIEW_CHANGE, body, chamber.others[0])
    assert chamber.of(Serve)
    chamber.call(1, chamber.others[1])
    assert begun(chamber).block is None


def test_calls_over_blocks_that_are_not_here_count_once_they_are(chamber: Chamber) -> None:
    ahead = Chamber(at=0)
    block = ahead.block(1)
    ahead.grow(block)
    chamber.time_out()
    for name in chamber.others[:2]:
        chamber.hear(VIEW_CHANGE, cbor.encode_struct(ahead.change(1, name)), name)
        assert chamber.of(Fetch) == [Fetch(swarm(name))]
        assert not chamber.says(NEW_VIEW)
    chamber.grow(block)
    assert len(begun(chamber).changes) == 3


# as another


def test_a_view_begins_and_its_leaders_block_is_prepared(chamber: Chamber) -> None:
    assert [type(effect) for effect in chamber.begin(2)] == [Note]
    assert (chamber.replica.view, chamber.replica.entered) == (2, True)
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block, view=2))
    assert chamber.voted(PREPARE) == [sha256(block)]


def test_another_block_may_be_prepared_in_a_later_view(chamber: Chamber) -> None:
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(1)))
    chamber.begin(2)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(2), view=2))
    assert chamber.voted(PREPARE) == [sha256(chamber.block(2))]


def test_the_view_that_was_called_for_gets_its_whole_time_from_its_beginning_on() -> None:
    chamber = Chamber(at=2)
    chamber.submit(chamber.proposal_tx())
    chamber.tick(1)
    chamber.tick(1.5)
    chamber.begin(1)
    assert (chamber.replica.view, chamber.replica.entered) == (1, True)
    chamber.tick(1.9)
    assert chamber.replica.view == 1
    chamber.tick(0.1)
    assert chamber.replica.view == 2


def changes(chamber: Chamber, count: int = 3, **says: object) -> list[ViewChange]:
    return [chamber.change(2, name, **says) for name in chamber.order[:count]]  # type: ignore[arg-type]


def bound(chamber: Chamber, **parts: bytes | None) -> NewView:
    """The beginning of a view that a lock binds, with other parts."""
    lock = chamber.locked(chamber.block(1))
    message = chamber.new_view(2, [chamber.change(2, name, lock) for name in chamber.quorum()], lock)
    return msgspec.structs.replace(message, **parts)


REFUSED = [
    pytest.param(lambda c: c.new_view(2, federation=bytes(32)), "another federation", id="another federation"),
    pytest.param(lambda c: c.new_view(2, name=c.order[0]), "another than its leader", id="not by its leader"),
    pytest.param(lambda c: c.new_view(2, name="eve"), "another than its leader", id="by a stranger"),
    pytest.param(lambda c: c.new_view(2, changes(c, 2)), "without a quorum", id="too few changes"),
    pytest.param(lambda c: c.new_view(2, changes(c, 2) * 2), "a validator twice", id="a change twice"),
    pytest.param(lambda c: c.new_view(2, changes_hash=bytes(32)), "other changes", id="other changes than it signed"),
    pytest.param(
        lambda c: c.new_view(2, [c.change(3, n) for n in c.order]),
        "change to another view",
        id="changes to a later view",
    ),
    pytest.param(
        lambda c: c.new_view(2, [c.change(1, n) for n in c.order]), "another view", id="changes to an earlier view"
    ),
    pytest.param(
        lambda c: c.new_view(2, changes(c, epoch=c.chain.epoch + 1)), "another view", id="changes in another epoch"
    ),
    pytest.param(
        lambda c: c.new_view(2, changes(c, federation=bytes(32))),
        "another federation",
        id="another federation's changes",
    ),
    pytest.param(
        lambda c: c.new_view(2, [*changes(c, 2), c.change(2, "eve")]), "nobody who votes", id="a stranger's change"
    ),
    pytest.param(lambda c: bound(c, certificate=None), "bound to", id="bound, without certificate"),
    pytest.param(lambda c: bound(c, block=None), "bound to", id="bound, without block"),
    pytest.param(lambda c: bound(c, block=c.block(2)), "another block than", id="bound, with another block"),
    pytest.param(
        lambda c: bound(c, certificate=c.locked(c.block(2)).certificate),
        "of another block",
        id="bound, other certificate",
    ),
]


@pytest.mark.parametrize(("make", "why"), REFUSED)
def test_a_beginning_that_no_honest_leader_makes_is_refused(chamber: Chamber, make: Begin, why: str) -> None:
    chamber.hear(NEW_VIEW, cbor.encode_struct(make(chamber)), chamber.others[0])
    [blame] = chamber.of(Blame)
    assert why in blame.error.detail
    assert (chamber.replica.view, chamber.replica.entered) == (0, True)


@pytest.mark.parametrize(
    ("later", "answer"),
    [
        pytest.param(-1, lambda c, who: Serve(who, c.chain.height), id="an earlier epoch"),
        pytest.param(1, lambda c, who: Fetch(who), id="a later epoch"),
    ],
)
def test_a_beginning_in_another_epoch(
    chamber: Chamber, later: int, answer: Callable[[Chamber, bytes], Effect]
) -> None:
    message = chamber.new_view(2, changes(chamber), name="eve", epoch=chamber.chain.epoch + later)
    effects = chamber.hear(NEW_VIEW, cbor.encode_struct(message), chamber.others[0])
    assert effects == [answer(chamber, swarm(chamber.others[0]))]


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(lambda c: c.begin(2), id="the view has begun"),
        pytest.param(lambda c: c.begin(3), id="a later one has begun"),
        pytest.param(lambda c: [c.call(3, name) for name in c.others[:2]], id="it was left"),
    ],
)
def test_a_beginning_that_is_over_changes_nothing(chamber: Chamber, story: Callable[[Chamber], object]) -> None:
    story(chamber)
    before = (chamber.replica.view, chamber.replica.entered)
    assert chamber.begin(2) == []
    assert (chamber.replica.view, chamber.replica.entered) == before


def test_a_beginning_over_blocks_that_are_not_here_waits_for_them(chamber: Chamber) -> None:
    ahead = Chamber(at=0)
    block = ahead.block(1)
    ahead.grow(block)
    chamber.hear(NEW_VIEW, cbor.encode_struct(ahead.new_view(2)), chamber.leader(2))
    assert chamber.of(Fetch) == [Fetch(swarm(chamber.leader(2)))]
    assert chamber.replica.view == 0
    chamber.grow(block)
    assert (chamber.replica.view, chamber.replica.entered) == (2, True)
