"""The journal of votes: after a restart a queen says the same again, is as locked as before, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from consensus.bft.messages import Phase, PrePrepare, ViewChange, Vote, open_view_change
from consensus.bft.safety import Lock, Record, SafetyRules, Signed
from consensus.blocks import Core, block_hash
from tests.support.realm import queen, swarm
from wire import cbor, keys
from wire.ids import sha256
from wire.types import MessageType

FEDERATION, HEAD = sha256(b"federation"), sha256(b"head")
KEY, ME = queen("beta"), swarm("beta")
EPOCH, HEIGHT = 3, 9
ONE, OTHER = b"a block", b"another block"

Ask = Callable[[SafetyRules], Signed]


def fresh() -> SafetyRules:
    return SafetyRules(KEY, FEDERATION, ME)


def restored(records: Iterable[bytes], epoch: int = EPOCH, height: int = HEIGHT - 1) -> SafetyRules:
    """After a restart with this journal, which is read without loss."""
    conscience = fresh()
    assert conscience.restore(records, epoch, height) == 0
    return conscience


def core(block: bytes, view: int, height: int = HEIGHT) -> Core:
    return Core(FEDERATION, EPOCH, view, height, block_hash(block))


def propose(view: int, block: bytes = ONE, height: int = HEIGHT) -> Ask:
    return lambda r: r.pre_prepare(core(block, view, height), block)


def prepare(view: int, block: bytes = ONE, height: int = HEIGHT) -> Ask:
    return lambda r: r.prepare(core(block, view, height), block)


def commit(view: int, block: bytes = ONE, height: int = HEIGHT) -> Ask:
    return lambda r: r.commit(core(block, view, height), b"quorum in %d" % view, block)


def change(view: int) -> Ask:
    return lambda r: r.view_change(view, HEIGHT - 1, HEAD)


def begin(view: int) -> Ask:
    return lambda r: r.new_view(view, (b"a change",), None, None)


def journal(*asks: Ask) -> list[bytes]:
    """What is on the disk after these requests."""
    conscience = fresh()
    conscience.begin_epoch(EPOCH)
    records = [ask(conscience).record for ask in asks]
    assert None not in records
    return [record for record in records if record is not None]


STORIES = [
    pytest.param([propose(0)], propose(0, OTHER), id="a proposal"),
    pytest.param([prepare(0)], prepare(0, OTHER), id="a PREPARE"),
    pytest.param([commit(0)], commit(0, OTHER), id="a COMMIT"),
    pytest.param([propose(0), prepare(0), commit(0)], prepare(0, OTHER), id="all of a view"),
    pytest.param([change(4)], prepare(3), id="a change of view"),
    pytest.param([change(4), begin(4)], change(3), id="the beginning of a view"),
    pytest.param([commit(0), change(2), begin(2), prepare(2)], prepare(2, OTHER), id="a lock taken along"),
    pytest.param([prepare(0), change(2), commit(2, OTHER)], commit(0), id="a vote in a view that was left"),
]


@pytest.mark.parametrize(("story", "never"), STORIES)
def test_after_a_restart_it_says_the_same_bytes_and_nothing_else(story: list[Ask], never: Ask) -> None:
    before = fresh()
    before.begin_epoch(EPOCH)
    said = [ask(before) for ask in story]
    after = restored([signed.record for signed in said if signed.record])
    assert (after.epoch, after.view, after.lock) == (EPOCH, before.view, before.lock)
    assert after.records() == before.records()
    assert after.bodies() == before.bodies()
    assert [(s.message, s.body, s.record) for s in after.said(HEIGHT)] == [
        (s.message, s.body, None) for s in before.said(HEIGHT)
    ]
    for ask, signed in zip(story[-1:], said[-1:], strict=True):
        again = ask(after)
        assert (again.message, again.body, again.record) == (signed.message, signed.body, None)
    with pytest.raises(AssertionError):
        never(after)


def test_views_that_were_left_before_the_restart_stay_left() -> None:
    for story in ([change(4)], [prepare(4)], [change(2), prepare(2), change(4)]):
        conscience = restored(journal(*story))
        assert conscience.view == 4
        for ask in (propose(3), prepare(3), commit(3), change(3)):
            with pytest.raises(AssertionError):
                ask(conscience)


@pytest.mark.parametrize(
    ("story", "view", "block"),
    [
        pytest.param([commit(1)], 1, ONE, id="the only one"),
        pytest.param([commit(1), commit(3, OTHER)], 3, OTHER, id="the one of the latest view"),
        pytest.param([commit(3, OTHER), commit(1)], 3, OTHER, id="whatever the order of the records"),
        pytest.param([commit(1), prepare(3, OTHER)], 1, ONE, id="a PREPARE locks nothing"),
    ],
)
def test_the_lock_is_taken_up_again(story: list[Ask], view: int, block: bytes) -> None:
    conscience = restored([record for ask in story for record in journal(ask)])
    assert conscience.lock == Lock(view, block_hash(block), b"quorum in %d" % view, block)
    message = cbor.decode_as(change(7)(conscience).body, ViewChange)
    header, _ = open_view_change(message.header, FEDERATION, keys.verify)
    assert (header.prepared_view, header.prepared_hash) == (view, block_hash(block))
    assert (message.certificate, message.block) == (b"quorum in %d" % view, block)


@pytest.mark.parametrize("ask", [propose(0), prepare(0), commit(0)])
def test_the_block_of_a_vote_is_there_again(ask: Ask) -> None:
    assert restored(journal(ask)).bodies() == {block_hash(ONE): ONE}


def test_what_is_decided_or_of_another_epoch_binds_nobody() -> None:
    records = journal(propose(1), prepare(1), commit(1), change(2), begin(2), prepare(2, OTHER, HEIGHT + 1))
    later = restored(records, height=HEIGHT)
    assert (later.lock, later.view) == (None, 2)
    assert later.records() == records[3:]
    assert later.voted(Phase.PREPARE, 1, HEIGHT) is None
    with pytest.raises(AssertionError):
        prepare(2)(later)
    for epoch in (EPOCH - 1, EPOCH + 1):
        elsewhere = restored(records, epoch)
        assert (elsewhere.epoch, elsewhere.view, elsewhere.lock, elsewhere.records()) == (epoch, 0, None, [])


def record(message: int, body: bytes, block: bytes | None = None, certificate: bytes | None = None) -> bytes:
    return cbor.encode_struct(Record(message, body, block, certificate))


def vote(about: Core) -> bytes:
    return cbor.encode_struct(Vote(cbor.encode_struct(about), ME, bytes(64)))


ELSEWHERE = Core(sha256(b"another federation"), EPOCH, 0, HEIGHT, block_hash(ONE))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="no CBOR"),
        pytest.param(cbor.encode([1]), id="no record"),
        pytest.param(record(MessageType.HELLO, b"x"), id="no vote"),
        pytest.param(record(99_999, b"x"), id="no message"),
        *(
            pytest.param(record(MessageType[name], b"\xff"), id=f"a {name} that cannot be read")
            for name in ("PRE_PREPARE", "PREPARE", "COMMIT", "VIEW_CHANGE", "NEW_VIEW")
        ),
        pytest.param(record(MessageType.COMMIT, vote(core(ONE, 0)), ONE), id="a COMMIT without certificate"),
        pytest.param(record(MessageType.COMMIT, vote(core(ONE, 0)), None, b"c"), id="a COMMIT without block"),
        pytest.param(record(MessageType.PREPARE, vote(ELSEWHERE), ONE), id="a vote of another federation"),
        pytest.param(
            record(
                MessageType.PRE_PREPARE,
                cbor.encode_struct(PrePrepare(cbor.encode_struct(ELSEWHERE), bytes(64), ONE)),
            ),
            id="a proposal of another federation",
        ),
    ],
)
def test_a_record_that_cannot_be_read_is_counted_and_costs_no_other(raw: bytes) -> None:
    around = journal(prepare(1), change(2))
    conscience = fresh()
    assert conscience.restore([around[0], raw, around[1]], EPOCH, HEIGHT - 1) == 1
    assert conscience.voted(Phase.PREPARE, 1, HEIGHT) == block_hash(ONE)
    assert conscience.view == 2


def test_a_commit_whose_lock_is_lost_is_still_no_reason_to_commit_to_another_block() -> None:
    conscience = fresh()
    assert conscience.restore([record(MessageType.COMMIT, vote(core(ONE, 0)), ONE)], EPOCH, HEIGHT - 1) == 1
    with pytest.raises(AssertionError):
        commit(0, OTHER)(conscience)


def test_a_journal_that_is_written_anew_still_says_what_was_left() -> None:
    """A later view began by the word of its leader alone, and decided: what this queen left itself stays left."""
    conscience = restored(journal(change(3)))
    conscience.entered(5)
    conscience.decided(HEIGHT)
    after = restored(conscience.records(), height=HEIGHT)
    assert after.view == 3
    with pytest.raises(AssertionError):
        prepare(2, height=HEIGHT + 1)(after)
