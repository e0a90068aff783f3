"""The only code that signs for consensus: what it signs, what it never signs, what it is locked on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.bft.messages import (
    NewView,
    Phase,
    PrePrepare,
    ViewChange,
    Vote,
    check_vote,
    hash_of_changes,
    open_core,
    open_new_view,
    open_view_change,
)
from consensus.bft.safety import Lock, Record, SafetyRules, Signed
from consensus.blocks import Core, block_hash
from tests.support.realm import queen, swarm
from wire import cbor, keys
from wire.ids import ZERO_DIGEST, sha256
from wire.types import MessageType

FEDERATION, HEAD = sha256(b"federation"), sha256(b"head")
KEY, ME = queen("beta"), swarm("beta")
EPOCH, VIEW, HEIGHT = 3, 2, 9
ONE, OTHER = b"a block", b"another block"
CHANGES = (b"a change of view", b"another one")

Ask = Callable[[SafetyRules], Signed]


def rules() -> SafetyRules:
    """In view 2 of epoch 3, nothing signed there yet."""
    rules = SafetyRules(KEY, FEDERATION, ME)
    rules.begin_epoch(EPOCH)
    rules.entered(VIEW)
    return rules


def core(block: bytes, view: int = VIEW, height: int = HEIGHT, epoch: int = EPOCH) -> Core:
    return Core(FEDERATION, epoch, view, height, block_hash(block))


def vote(phase: Phase, block: bytes = ONE, view: int = VIEW, height: int = HEIGHT, epoch: int = EPOCH) -> Ask:
    """A request for one vote."""
    about = core(block, view, height, epoch)
    match phase:
        case Phase.PRE_PREPARE:
            return lambda r: r.pre_prepare(about, block)
        case Phase.PREPARE:
            return lambda r: r.prepare(about, block)
        case Phase.COMMIT:
            return lambda r: r.commit(about, b"quorum in %d" % view, block)


def change(view: int, height: int = HEIGHT - 1) -> Ask:
    return lambda r: r.view_change(view, height, HEAD)


def begin(view: int, changes: tuple[bytes, ...] = CHANGES) -> Ask:
    return lambda r: r.new_view(view, changes, b"certificate", ONE)


def decided(height: int) -> Callable[[SafetyRules], None]:
    return lambda r: r.decided(height)


def entered(view: int) -> Callable[[SafetyRules], None]:
    return lambda r: r.entered(view)


EACH = [
    *(pytest.param(vote(phase), id=phase.name) for phase in Phase),
    pytest.param(change(VIEW + 1), id="VIEW_CHANGE"),
    pytest.param(begin(VIEW), id="NEW_VIEW"),
]


@pytest.mark.parametrize(("phase", "kind"), [(p, MessageType[p.name]) for p in Phase])
def test_a_vote_is_signed_as_its_phase_by_this_queen(phase: Phase, kind: MessageType) -> None:
    signed = vote(phase)(rules())
    message = cbor.decode_as(signed.body, PrePrepare if phase is Phase.PRE_PREPARE else Vote)
    assert signed.message is kind
    assert open_core(message.core, FEDERATION) == core(ONE)
    check_vote(phase, message.core, KEY.public, message.signature, FEDERATION, keys.verify)
    assert message.block == ONE if isinstance(message, PrePrepare) else message.voter == ME


@pytest.mark.parametrize("phase", Phase)
def test_a_vote_is_recorded_with_what_it_rests_on(phase: Phase) -> None:
    signed = vote(phase)(rules())
    assert signed.record is not None
    record = cbor.decode_as(signed.record, Record)
    assert (record.message, record.body) == (signed.message, signed.body)
    assert record.block == (None if phase is Phase.PRE_PREPARE else ONE)
    assert record.certificate == (b"quorum in 2" if phase is Phase.COMMIT else None)


def test_a_change_of_view_says_where_this_queen_stands() -> None:
    signed = change(VIEW + 3)(rules())
    header, key = open_view_change(cbor.decode_as(signed.body, ViewChange).header, FEDERATION, keys.verify)
    assert (signed.message, key) == (MessageType.VIEW_CHANGE, KEY.public)
    assert (header.epoch, header.new_view) == (EPOCH, VIEW + 3)
    assert (header.committed_height, header.committed_hash) == (HEIGHT - 1, HEAD)
    assert (header.prepared_view, header.prepared_hash) == (-1, ZERO_DIGEST)


def test_a_new_view_names_the_changes_that_it_rests_on() -> None:
    signed = begin(VIEW)(rules())
    message = cbor.decode_as(signed.body, NewView)
    header, key = open_new_view(message.header, FEDERATION, keys.verify)
    assert (signed.message, key) == (MessageType.NEW_VIEW, KEY.public)
    assert (header.epoch, header.view, header.changes_hash) == (EPOCH, VIEW, hash_of_changes(CHANGES))
    assert (message.changes, message.certificate, message.block) == (CHANGES, b"certificate", ONE)


@pytest.mark.parametrize("ask", EACH)
def test_asked_again_it_says_the_same_with_nothing_to_record(ask: Ask) -> None:
    conscience = rules()
    first = ask(conscience)
    assert first.record in conscience.records()
    again = ask(conscience)
    assert (again.message, again.body, again.record) == (first.message, first.body, None)
    assert conscience.records() == [first.record]


def test_who_asks_again_with_other_words_gets_the_first_ones() -> None:
    conscience = rules()
    first = begin(VIEW)(conscience)
    assert begin(VIEW, (b"other changes",))(conscience).body == first.body
    first = change(VIEW + 1)(conscience)
    assert change(VIEW + 1, HEIGHT)(conscience).body == first.body


REFUSED = [
    *(pytest.param([vote(p)], vote(p, OTHER), id=f"another {p.name} at a slot") for p in Phase),
    *(pytest.param([change(VIEW + 1)], vote(p), id=f"{p.name} in a view that was left") for p in Phase),
    *(pytest.param([entered(VIEW + 1)], vote(p), id=f"{p.name} below a view that began") for p in Phase),
    *(
        pytest.param([vote(later, view=VIEW + 1)], vote(p), id=f"{p.name} below a {later.name}")
        for p in Phase
        for later in Phase
    ),
    *(pytest.param([], vote(p, epoch=EPOCH - 1), id=f"{p.name} in an epoch that is over") for p in Phase),
    *(pytest.param([], vote(p, epoch=EPOCH + 1), id=f"{p.name} in an epoch to come") for p in Phase),
    *(pytest.param([vote(p), decided(HEIGHT)], vote(p, OTHER), id=f"{p.name} on a decided height") for p in Phase),
    *(pytest.param([decided(HEIGHT)], vote(p, height=2), id=f"{p.name} on a height long decided") for p in Phase),
    pytest.param([], lambda r: r.pre_prepare(core(OTHER), ONE), id="PRE_PREPARE with another block"),
    pytest.param([], lambda r: r.prepare(core(OTHER), ONE), id="PREPARE with another block"),
    pytest.param([], lambda r: r.commit(core(OTHER), b"quorum", ONE), id="COMMIT with another block"),
    pytest.param([], change(VIEW), id="a change to the view that is"),
    pytest.param([], change(VIEW - 1), id="a change to a lower view"),
    pytest.param([change(VIEW + 2)], change(VIEW + 1), id="a change to a view below the last change"),
    pytest.param([vote(Phase.PREPARE, view=VIEW + 1)], change(VIEW + 1), id="a change to a view after a vote in it"),
    pytest.param([], begin(VIEW + 1), id="the beginning of a view that it did not change to"),
    pytest.param([change(VIEW + 1)], begin(VIEW), id="the beginning of a view that was left"),
]


@pytest.mark.parametrize(("story", "ask"), REFUSED)
def test_what_it_never_signs(story: list[Callable[[SafetyRules], object]], ask: Ask) -> None:
    conscience = rules()
    for happens in story:
        happens(conscience)
    before = (conscience.records(), conscience.view, conscience.lock, conscience.epoch)
    with pytest.raises(AssertionError):
        ask(conscience)
    assert (conscience.records(), conscience.view, conscience.lock, conscience.epoch) == before


@pytest.mark.parametrize("first", Phase)
@pytest.mark.parametrize("second", Phase)
@pytest.mark.parametrize(
    ("block", "view", "height", "epoch"),
    [
        pytest.param(ONE, VIEW + 1, HEIGHT, EPOCH, id="the same block in a later view"),
        pytest.param(OTHER, VIEW + 1, HEIGHT, EPOCH, id="another block in a later view"),
        pytest.param(OTHER, VIEW, HEIGHT + 1, EPOCH, id="another height"),
        pytest.param(OTHER, VIEW, HEIGHT, EPOCH + 1, id="a later epoch"),
    ],
)
def test_each_slot_has_its_own_vote(
    first: Phase, second: Phase, block: bytes, view: int, height: int, epoch: int
) -> None:
    conscience = rules()
    vote(first)(conscience)
    conscience.begin_epoch(epoch)
    assert vote(second, block, view, height, epoch)(conscience).record is not None
    assert conscience.voted(second, view, height) == block_hash(block)


@pytest.mark.parametrize(("block", "allowed"), [(ONE, True), (OTHER, False)])
@pytest.mark.parametrize("phase", [Phase.PRE_PREPARE, Phase.PREPARE])
def test_whether_a_vote_is_allowed_can_be_asked_first(phase: Phase, block: bytes, allowed: bool) -> None:
    conscience = rules()
    assert conscience.allows(phase, core(block))
    vote(phase)(conscience)
    assert conscience.allows(phase, core(block)) is allowed
    assert not conscience.allows(phase, core(block, view=VIEW - 1))
    assert not conscience.allows(phase, core(block, epoch=EPOCH + 1))


# locks


def locked_change(conscience: SafetyRules, view: int) -> tuple[int, bytes, bytes | None, bytes | None]:
    """What a change of view shows: (prepared view, prepared hash, certificate, block)."""
    message = cbor.decode_as(change(view)(conscience).body, ViewChange)
    header, _ = open_view_change(message.header, FEDERATION, keys.verify)
    return header.prepared_view, header.prepared_hash, message.certificate, message.block


def test_a_commit_locks_and_every_later_change_of_view_shows_it() -> None:
    conscience = rules()
    vote(Phase.PREPARE)(conscience)
    assert conscience.lock is None
    vote(Phase.COMMIT)(conscience)
    assert conscience.lock == Lock(VIEW, block_hash(ONE), b"quorum in 2", ONE)
    for view in (VIEW + 1, VIEW + 5):
        assert locked_change(conscience, view) == (VIEW, block_hash(ONE), b"quorum in 2", ONE)


def test_the_lock_of_a_later_view_replaces_it() -> None:
    conscience = rules()
    vote(Phase.COMMIT)(conscience)
    vote(Phase.COMMIT, OTHER, VIEW + 2)(conscience)
    assert locked_change(conscience, VIEW + 3) == (VIEW + 2, block_hash(OTHER), b"quorum in 4", OTHER)


def test_who_asks_again_for_an_earlier_commit_does_not_loosen_the_lock() -> None:
    conscience = rules()
    vote(Phase.COMMIT)(conscience)
    vote(Phase.COMMIT, view=VIEW + 1)(conscience)
    assert vote(Phase.COMMIT)(conscience).record is None
    assert locked_change(conscience, VIEW + 2)[:3] == (VIEW + 1, block_hash(ONE), b"quorum in 3")


def test_a_decision_releases_the_lock() -> None:
    conscience = rules()
    vote(Phase.COMMIT)(conscience)
    conscience.decided(HEIGHT)
    assert conscience.lock is None
    assert locked_change(conscience, VIEW + 1) == (-1, ZERO_DIGEST, None, None)


def test_a_lock_binds_nobody_to_prepare_it_again() -> None:
    """A quorum of changes without it may begin a view that is free: then nobody can have decided the block."""
    conscience = rules()
    vote(Phase.COMMIT)(conscience)
    change(VIEW + 1)(conscience)
    assert vote(Phase.PREPARE, OTHER, VIEW + 1)(conscience).record is not None
    assert conscience.lock is not None
    assert conscience.lock.digest == block_hash(ONE)


# where it stands


def test_an_epoch_begins_with_nothing_signed_and_none_returns() -> None:
    conscience = rules()
    for ask in (vote(Phase.COMMIT), change(VIEW + 1), begin(VIEW + 1)):
        ask(conscience)
    conscience.begin_epoch(EPOCH)
    assert (conscience.view, len(conscience.records())) == (VIEW + 1, 3)
    conscience.begin_epoch(EPOCH - 1)
    assert (conscience.epoch, conscience.view) == (EPOCH, VIEW + 1)
    conscience.begin_epoch(EPOCH + 1)
    assert (conscience.epoch, conscience.view, conscience.lock, conscience.records()) == (EPOCH + 1, 0, None, [])
    assert conscience.said(HEIGHT) == []
    for ask in (change(VIEW + 1), begin(VIEW + 1)):
        assert ask(conscience).record is not None


def test_what_still_matters_is_said_again_in_the_order_of_a_view() -> None:
    conscience = rules()
    vote(Phase.COMMIT, view=VIEW)(conscience)
    change(VIEW + 1)(conscience)
    begin(VIEW + 1)(conscience)
    for phase in Phase:
        vote(phase, view=VIEW + 1)(conscience)
        vote(phase, view=VIEW + 1, height=HEIGHT + 1)(conscience)
    kinds = [signed.message.name for signed in conscience.said(HEIGHT)]
    assert kinds == ["VIEW_CHANGE", "NEW_VIEW", "PRE_PREPARE", "PREPARE", "COMMIT"]
    conscience.entered(VIEW + 2)
    assert conscience.said(HEIGHT) == []


def test_what_is_decided_leaves_the_journal_and_what_is_not_stays() -> None:
    conscience = rules()
    change(VIEW + 1)(conscience)
    change(VIEW + 2)(conscience)
    begin(VIEW + 2)(conscience)
    for phase in Phase:
        vote(phase, view=VIEW + 2)(conscience)
        vote(phase, OTHER, VIEW + 2, HEIGHT + 1)(conscience)
    assert len(conscience.records()) == 9
    conscience.decided(HEIGHT)
    kinds = [cbor.decode_as(raw, Record).message for raw in conscience.records()]
    later = [MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT]
    assert kinds == [MessageType.VIEW_CHANGE, MessageType.NEW_VIEW, *later]
    assert conscience.voted(Phase.PREPARE, VIEW + 2, HEIGHT) is None
    assert conscience.voted(Phase.PREPARE, VIEW + 2, HEIGHT + 1) == block_hash(OTHER)
    assert conscience.bodies() == {block_hash(OTHER): OTHER}
