"""Sync sessions that meet a forked log: the place is found, both sides cut there, a third one learns of it."""

from __future__ import annotations

import pytest

from crdt import fork
from crdt.owner_log import Flag, Limits
from crdt.replica import Replica
from tests.support.replicas import fork_proof, parted, put, receiver
from tests.support.sync_pair import FEDERATION, Pair
from wire.frame import unpack_message
from wire.types import MessageType

NO_BATCHES = Limits(retained_bytes=0)


def fill(pair: Pair, replica: Replica, name: str, batches: int, width: int = 10, size: int = 20) -> None:
    for number in range(batches):
        pair.write(replica, name, {f"k{number}-{column}": b"x" * size for column in range(width)})


def equal(pair: Pair) -> bool:
    return pair.left.root() == pair.right.root()


def fork_pair(common: int, left: int, right: int) -> Pair:
    """Both sides hold `common` batches of alpha, and then `left` and `right` ones that contradict each other."""
    pair = Pair()
    for number in range(common):
        pair.write(pair.left, "alpha", {f"c{number}": b"common"})
    pair.sync()
    for number in range(left):
        pair.write(pair.left, "alpha", {f"l{number}": b"left"})
    for number in range(right):
        pair.write(pair.right, "alpha", {f"r{number}": b"right"})
    return pair


@pytest.mark.parametrize(
    ("common", "left", "right"),
    [(0, 1, 1), (1, 1, 1), (3, 1, 2), (3, 7, 2), (5, 20, 20), (0, 9, 4)],
)
def test_a_fork_is_found_at_its_place_and_cut_on_both_sides(common: int, left: int, right: int) -> None:
    pair = fork_pair(common, left, right)
    pair.sync()
    pair.sync()
    author = pair.ring.author("alpha")
    for replica in (pair.left, pair.right):
        assert replica.logs[author].flag is Flag.FORKED
        assert replica.logs[author].seq == common
    assert equal(pair)


def test_a_third_replica_learns_of_the_fork_and_gets_what_lies_before_it() -> None:
    pair = fork_pair(4, 2, 3)
    pair.sync()
    pair.sync()
    forked = pair.left
    late = Pair()
    late.ring = pair.ring
    late.left = forked
    late.right = Replica(FEDERATION, pair.ring)
    late.sync()
    late.sync()
    assert equal(late)
    assert late.right.logs[pair.ring.author("alpha")].seq == 4


def test_a_log_that_cannot_be_rewound_is_fetched_from_who_has_the_state_before_the_fork() -> None:
    pair = fork_pair(4, 2, 3)
    author = pair.ring.author("alpha")
    pair.left.logs[author].forget(0)
    found = pair.right.logs[author].head_at(5)
    mine = pair.left.logs[author].head
    assert found is not None
    assert mine is not None
    other = Pair()
    other.ring = pair.ring
    other.left, other.right = pair.left, pair.right
    envelope = pair.left_header = mine.envelope  # type: ignore[attr-defined]
    assert envelope
    report = other.sync()
    assert report
    other.sync()
    other.sync()
    assert equal(other)


def who_asks(pair: Pair) -> list[int]:
    """The sides that ask for something while both sync."""
    asking = []

    def note(side: int, message: bytes) -> bytes:
        if unpack_message(message)[0] == MessageType.SYNC_WANT:
            asking.append(side)
        return message

    pair.sync(tamper=note)
    return asking


def test_of_a_forked_log_nothing_is_asked_of_one_who_holds_less() -> None:
    one, other = parted(4, 1, 1)
    pair = Pair()
    pair.left, pair.right = receiver(one, 2), receiver(one, 3)
    for replica in (pair.left, pair.right):
        replica.receive_fork(fork_proof(one, other, 5))
    assert who_asks(pair) == [0]
    assert equal(pair)


def test_a_fork_deeper_than_the_proven_one_is_asked_about_from_both_sides() -> None:
    """Three logs of one author: the proof of two of them cuts the third one too, which parted from them before."""
    one, other = parted(2, 2, 2)
    twin = one.twin()
    one.write(put("last", b"one"))
    twin.write(put("last", b"another"))
    pair = Pair()
    pair.left, pair.right = receiver(one, 4), receiver(other, 4)
    for replica in (pair.left, pair.right):
        replica.receive_fork(fork_proof(one, twin, 5))
        assert (replica.rows()[0].flag, replica.rows()[0].seq) == (Flag.FORKED, 4)
    assert sorted(who_asks(pair)) == [0, 1]
    assert pair.left.proofs == pair.right.proofs == {one.author: fork_proof(one, other, 3)}
    assert pair.left.rows()[0].seq == 2
    assert equal(pair)


def test_proofs_of_forks_are_the_same_from_either_side() -> None:
    pair = fork_pair(2, 1, 1)
    author = pair.ring.author("alpha")
    one, other = pair.left.head(author), pair.right.head(author)
    assert one is not None
    assert other is not None
    assert fork.build(one.envelope, other.envelope) == fork.build(other.envelope, one.envelope)
