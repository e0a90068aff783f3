"""Logs that ended, between two replicas: what was cut heals from whoever has it; nobody is blamed for a remnant."""

from __future__ import annotations

import pytest

from crdt import fork
from crdt.owner_log import Flag
from crdt.sync.messages import Want, Wants, pack
from tests.support.replicas import Scribe, deliver, put
from tests.support.sync_pair import WALL_MS, Pair
from wire.frame import unpack_message
from wire.ids import ZERO_DIGEST


def parted(pair: Pair, common: int, apart: int) -> tuple[Scribe, Scribe]:
    one = Scribe(pair.ring)
    for number in range(common):
        one.write(put("a", b"%d" % number), put(f"c{number}"))
    other = one.twin()
    for number in range(apart):
        one.write(put("a", b"one %d" % number))
        other.write(put("a", b"other %d" % number))
    return one, other


@pytest.mark.parametrize("shown", [1, 2, 5], ids=lambda place: f"{place} behind the fork")
def test_two_branches_that_were_cut_too_high_meet_at_the_fork(shown: int) -> None:
    pair = Pair()
    one, other = parted(pair, 2, 5)
    deliver(pair.left, one.batches)
    deliver(pair.right, other.batches)
    pair.left.receive(other.batches[1 + shown], WALL_MS)
    for _ in range(3):
        pair.sync()
    assert pair.left.root() == pair.right.root()
    assert (pair.left.rows()[0].seq, pair.left.rows()[0].flag) == (2, Flag.FORKED)


def stranded_pair(common: int, apart: int = 2) -> tuple[Pair, Scribe]:
    """Left knows of a fork and cannot go back before it."""
    pair = Pair()
    one, other = parted(pair, common, apart)
    deliver(pair.left, one.batches)
    pair.left.logs[one.author].forget(0)
    pair.left.receive_fork(fork.build(one.envelope(common + 1), other.envelope(common + 1)))
    return pair, one


def test_what_is_left_of_a_stranded_log_is_not_given_to_others() -> None:
    pair, one = stranded_pair(common=3)
    assert pair.left.logs[one.author].stranded
    pair.sync()
    pair.sync()
    assert (pair.right.rows()[0].seq, pair.right.rows()[0].flag) == (0, Flag.FORKED)


def test_a_stranded_log_is_mended_by_who_has_the_state_before_the_fork() -> None:
    pair, one = stranded_pair(common=3)
    deliver(pair.right, one.batches[:3])
    pair.sync()
    assert pair.left.root() == pair.right.root()
    assert not pair.left.logs[one.author].stranded
    assert pair.left.logs[one.author].entries == one.twin(3).log.entries


def test_a_log_forked_at_its_first_batch_is_empty_for_all() -> None:
    pair, one = stranded_pair(common=0)
    pair.sync()
    assert pair.left.root() == pair.right.root()
    assert pair.left.rows()[0].seq == 0
    assert not pair.left.logs[one.author].entries


def test_a_state_that_is_asked_for_anew_where_nothing_counts_is_answered_with_nothing() -> None:
    pair, one = stranded_pair(common=0)
    left, right = pair.sessions()
    pair.sync(sessions=(left, right))
    want = Want(swarm=one.author.swarm, term=1, seq=0, hash=ZERO_DIGEST, anew=True, stream=True, after=b"")
    code, payload = unpack_message(pack(Wants(wants=(want,))))
    left.receive_message(code, payload, WALL_MS)
    assert left.generate_message() is not None
    assert left.failure is None


def test_a_peer_that_does_not_know_the_close_does_not_take_a_good_log_away() -> None:
    pair = Pair()
    one, _ = parted(pair, 5, 0)
    deliver(pair.left, one.batches)
    pair.left.logs[one.author].forget(0)
    deliver(pair.right, one.batches[:2])
    head = one.log.head_at(3)
    assert head is not None
    pair.ring.closes[one.author] = (3, head.hash)
    pair.sync()
    assert (pair.right.rows()[0].seq, pair.right.logs[one.author].stranded) == (2, False)
    deliver(pair.right, one.batches)
    assert (pair.right.rows()[0].seq, pair.right.rows()[0].flag) == (3, Flag.CLOSED)
