"""Where logs end: forks and the closes of terms, one rule a row. The laws are in tests/laws/test_replica_laws.py."""

from __future__ import annotations

import pytest

from crdt import batch as batches
from crdt import fork
from crdt.owner_log import Flag
from crdt.replica import Receipt, ReceiptStatus, Replica
from tests.support.replicas import (
    NOW_MS,
    close_term,
    deliver,
    fork_proof,
    parted,
    picture,
    put,
    receiver,
    scribe_of,
    whole_picture,
)
from tests.support.sync_pair import FEDERATION, Ring
from wire.errors import BadSignature, ProtocolViolation
from wire.ids import FederationId
from wire.keys import SigningKey

# forks


@pytest.mark.parametrize(
    ("held", "arrives", "cut"),
    [
        pytest.param(2, 2, 1, id="at the head"),
        pytest.param(4, 2, 1, id="below the head"),
        pytest.param(4, 4, 3, id="high above where they part"),
    ],
)
def test_a_batch_that_contradicts_one_that_is_held_proves_a_fork(held: int, arrives: int, cut: int) -> None:
    left, right = parted(1, 3, 3)
    replica = receiver(left, held)
    receipt = replica.receive(right.batches[arrives - 1], NOW_MS)
    expected = fork_proof(left, right, arrives)
    assert receipt == Receipt(ReceiptStatus.FORKED, left.author, arrives, expected)
    assert replica.proofs == {left.author: expected}
    (row,) = replica.rows()
    assert (row.seq, row.flag) == (cut, Flag.FORKED)
    assert picture(replica.logs[left.author])[3:6] == picture(left.twin(cut).log)[3:6]


def test_a_batch_on_another_branch_waits_until_the_place_is_found() -> None:
    left, right = parted(1, 1, 2)
    replica = receiver(left, 2)
    before = whole_picture(replica)
    assert replica.receive(right.batches[2], NOW_MS).status is ReceiptStatus.GAP
    assert whole_picture(replica) == before
    assert replica.receive(right.batches[1], NOW_MS).status is ReceiptStatus.FORKED


def test_behind_a_fork_nothing_is_taken_and_before_it_everything() -> None:
    left, right = parted(2, 2, 2)
    replica = receiver(left, 0)
    assert replica.receive_fork(fork_proof(left, right, 3)).status is ReceiptStatus.FORKED
    assert replica.rows()[0].flag is Flag.FORKED
    statuses = [receipt.status for receipt in deliver(replica, [*left.batches, *right.batches])]
    applied, masked, again = ReceiptStatus.APPLIED, ReceiptStatus.MASKED, ReceiptStatus.DUPLICATE
    assert statuses == [applied, applied, masked, masked, again, again, masked, masked]
    assert (replica.rows()[0].seq, replica.rows()[0].flag) == (2, Flag.FORKED)


def test_the_deeper_proof_counts_whichever_comes_first() -> None:
    left, right = parted(1, 3, 3)
    deep, shallow = fork_proof(left, right, 2), fork_proof(left, right, 4)
    forked, known = ReceiptStatus.FORKED, ReceiptStatus.DUPLICATE
    one, other = receiver(left, 4), receiver(left, 4)
    assert [one.receive_fork(raw).status for raw in (deep, shallow, deep)] == [forked, known, known]
    assert [other.receive_fork(raw).status for raw in (shallow, deep, shallow)] == [forked, forked, known]
    assert one.rows() == other.rows()
    assert one.rows()[0].seq == 1


def test_a_proof_about_an_unknown_author_is_held() -> None:
    left, right = parted(1, 1, 1)
    replica = Replica(FEDERATION, Ring())
    assert replica.receive_fork(fork_proof(left, right, 2)) == Receipt(ReceiptStatus.HELD, left.author, 2)
    assert (replica.logs, replica.proofs) == ({}, {})


def test_a_proof_by_others_than_the_author_convicts_nobody() -> None:
    left, _ = parted(1, 1, 0)
    thief = left.twin(1)
    thief.key = SigningKey(b"t" * 32)
    forged = batches.parse(thief.forge([put("framed")])).signed.envelope.raw
    replica = receiver(left, 2)
    before = whole_picture(replica)
    with pytest.raises(BadSignature):
        replica.receive_fork(fork.build(left.envelope(2), forged))
    assert whole_picture(replica) == before


def test_statements_for_another_federation_convict_nobody() -> None:
    left, right = parted(1, 1, 1)
    replica = Replica(FederationId(b"g" * 32), left.ring)
    with pytest.raises(BadSignature):
        replica.receive_fork(fork_proof(left, right, 2))


# closes


@pytest.mark.parametrize(
    ("held", "at", "row"),
    [
        pytest.param(3, 3, (3, Flag.CLOSED), id="at the head"),
        pytest.param(3, 1, (1, Flag.CLOSED), id="below the head"),
        pytest.param(1, 2, (1, Flag.LIVE), id="above the head: the rest may still come"),
        pytest.param(3, 0, None, id="before the first batch: as if there had been none"),
    ],
)
def test_a_term_is_closed(held: int, at: int, row: tuple[int, Flag] | None) -> None:
    writer = scribe_of(3)
    replica, informed = receiver(writer, held), receiver(writer)
    close_term(replica, writer, at)
    close_term(informed, writer, at)
    assert [(shown.seq, shown.flag) for shown in replica.rows()] == [row] * (row is not None)
    statuses = {receipt.seq: receipt.status for receipt in deliver(replica, writer.batches)}
    applied, again, fenced = ReceiptStatus.APPLIED, ReceiptStatus.DUPLICATE, ReceiptStatus.FENCED
    assert statuses == {n: fenced if n > at else applied if n > held else again for n in (1, 2, 3)}
    deliver(informed, writer.batches)
    assert replica.rows() == informed.rows()
    assert replica.root() == informed.root()
    settled = whole_picture(replica)
    replica.dirty.clear()
    replica.enforce_cut(writer.author)
    assert not replica.dirty
    assert whole_picture(replica)[0] == settled[0]


def test_a_close_of_a_log_that_is_not_held_is_remembered_by_the_chain_alone() -> None:
    writer = scribe_of(3)
    replica = receiver(writer, 0)
    close_term(replica, writer, 2)
    assert replica.logs == {}
    assert [r.status for r in deliver(replica, writer.batches)][2] is ReceiptStatus.FENCED


def test_another_batch_in_the_place_of_the_close_is_fenced() -> None:
    left, right = parted(1, 1, 1)
    replica = receiver(left, 1)
    close_term(replica, left, 2)
    before = whole_picture(replica)
    assert replica.receive(right.batches[1], NOW_MS).status is ReceiptStatus.FENCED
    assert whole_picture(replica) == before
    assert replica.receive(left.batches[1], NOW_MS).status is ReceiptStatus.APPLIED


@pytest.mark.parametrize(
    ("fork_at", "close_at", "cut"),
    [
        pytest.param(2, 3, 1, id="fork below the close"),
        pytest.param(4, 1, 1, id="fork behind the close"),
        pytest.param(3, 2, 2, id="fork right behind the close"),
    ],
)
def test_fork_and_close_end_a_log_at_the_earlier_whichever_is_known_first(
    fork_at: int, close_at: int, cut: int
) -> None:
    left, right = parted(1, 3, 3)
    one, other = receiver(left, 4), receiver(left, 4)
    one.receive_fork(fork_proof(left, right, fork_at))
    close_term(one, left, close_at)
    close_term(other, left, close_at)
    other.receive_fork(fork_proof(left, right, fork_at))
    assert one.rows() == other.rows()
    assert (one.rows()[0].seq, one.rows()[0].flag) == (cut, Flag.FORKED)
    for replica in (one, other):
        assert not {r.status for r in deliver(replica, left.batches)} & {ReceiptStatus.APPLIED, ReceiptStatus.FORKED}
    assert one.rows() == other.rows()


def test_a_first_batch_with_a_past_is_refused_also_where_its_log_is_known_to_be_forked() -> None:
    left, right = parted(1, 1, 1)
    replica = receiver(left, 0)
    replica.receive_fork(fork_proof(left, right, 2))
    with pytest.raises(ProtocolViolation):
        replica.receive(left.twin(0).forge([put("x")], prev_hash=b"x" * 32), NOW_MS)
