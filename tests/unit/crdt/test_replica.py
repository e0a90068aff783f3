"""The replica: what becomes of a batch, of a proof, of a close. The laws are in tests/laws/test_replica_laws.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crdt import batch as batches
from crdt import fork
from crdt.batch import MAX_OPS
from crdt.ops import Op
from crdt.owner_log import Flag, Limits
from crdt.replica import Receipt, ReceiptStatus, Replica
from tests.support.replicas import REGISTERS, Scribe, View, add, deliver, picture, put, whole_picture
from tests.support.sync_pair import FEDERATION, WALL_MS, Ring
from wire.errors import BadSignature, Offence, ProposalTooLarge, ProtocolViolation, RemoteError
from wire.ids import FederationId, sha256
from wire.keys import SigningKey
from wire.time import HLC_MAX, hlc_of

NOW_MS = 1_000_000


def scribe(count: int = 3, **options: Any) -> Scribe:
    writer = Scribe(Ring(), **options)
    for number in range(1, count + 1):
        writer.write(put("a", b"%d" % number), put(f"k{number}"))
    return writer


def holding(writer: Scribe, count: int, limits: Limits | None = None) -> Replica:
    """A replica that received the first `count` batches, and knows of closes what its own view says."""
    replica = Replica(FEDERATION, View(writer.ring), limits)
    deliver(replica, writer.batches[:count])
    return replica


def close(replica: Replica, writer: Scribe, seq: int, hash: bytes | None = None) -> None:
    """The chain closes the term of `writer` at one of its batches."""
    assert isinstance(replica.key_ring, View)
    head = writer.log.head_at(seq)
    replica.key_ring.closes[writer.author] = (seq, hash or (head.hash if head else bytes(32)))
    replica.enforce_cut(writer.author)


def parted(common: int, one: int, other: int) -> tuple[Scribe, Scribe]:
    """Two scribes of one author with a common past, and so many batches that contradict each other."""
    left = scribe(common)
    right = left.twin()
    for number in range(one):
        left.write(put(f"left {number}"))
    for number in range(other):
        right.write(put(f"right {number}"))
    return left, right


def proof(left: Scribe, right: Scribe, seq: int) -> bytes:
    return fork.build(left.envelope(seq), right.envelope(seq))


# receiving


@pytest.mark.parametrize(
    ("held", "arrives", "status", "seq"),
    [
        pytest.param(0, 1, ReceiptStatus.APPLIED, 1, id="the first"),
        pytest.param(1, 2, ReceiptStatus.APPLIED, 2, id="the next"),
        pytest.param(3, 3, ReceiptStatus.DUPLICATE, 3, id="the newest again"),
        pytest.param(3, 1, ReceiptStatus.DUPLICATE, 3, id="an old one again"),
        pytest.param(0, 2, ReceiptStatus.GAP, 0, id="the second before the first"),
        pytest.param(1, 3, ReceiptStatus.GAP, 1, id="one too far"),
    ],
)
def test_an_arriving_batch(held: int, arrives: int, status: ReceiptStatus, seq: int) -> None:
    writer = scribe()
    replica = holding(writer, held)
    before = whole_picture(replica)
    receipt = replica.receive(writer.batches[arrives - 1], NOW_MS)
    assert receipt == Receipt(status, writer.author, arrives)
    assert sum(row.seq for row in replica.rows()) == seq
    assert (whole_picture(replica) == before) is (status is not ReceiptStatus.APPLIED)


def test_a_batch_that_is_not_retained_any_more_is_taken_for_the_same() -> None:
    left, right = parted(1, 3, 1)
    replica = holding(left, 4, Limits(retained_bytes=0))
    assert replica.receive(right.batches[1], NOW_MS).status is ReceiptStatus.DUPLICATE


def test_a_batch_of_an_unknown_author_is_held_and_nothing_is_kept_of_it() -> None:
    writer = scribe(1)
    replica = Replica(FEDERATION, Ring())
    assert replica.receive(writer.batches[0], NOW_MS) == Receipt(ReceiptStatus.HELD, writer.author, 1)
    assert replica.logs == {}


@pytest.mark.parametrize(
    ("hlc", "status"),
    [
        pytest.param(hlc_of(NOW_MS), ReceiptStatus.APPLIED, id="of now"),
        pytest.param(hlc_of(NOW_MS + 5_000, 0xFFFF), ReceiptStatus.APPLIED, id="as far ahead as may be"),
        pytest.param(hlc_of(NOW_MS + 5_001), ReceiptStatus.HELD, id="a millisecond further ahead"),
        pytest.param(HLC_MAX >> 1, ReceiptStatus.HELD, id="at the end of time"),
    ],
)
def test_a_clock_from_the_future_waits(hlc: int, status: ReceiptStatus) -> None:
    writer = Scribe(Ring())
    batch = writer.write(put("k"), hlc=hlc)
    replica = Replica(FEDERATION, writer.ring)
    assert replica.receive(batch, NOW_MS).status is status
    held = replica.head(writer.author)
    assert (held is None) is (status is ReceiptStatus.HELD)
    assert replica.receive(batch, hlc >> 16).status in (ReceiptStatus.APPLIED, ReceiptStatus.DUPLICATE)


@pytest.mark.parametrize(
    ("held", "forge", "offence"),
    [
        pytest.param(1, lambda s: s.forge([put("x")], key=SigningKey(b"x" * 32)), Offence.SIGNATURE, id="signer"),
        pytest.param(1, lambda s: s.forge([put("x")], federation=b"x" * 32), Offence.FEDERATION, id="federation"),
        pytest.param(1, lambda s: s.forge([put("x")], ops_hash=b"x" * 32), Offence.SIGNATURE, id="ops"),
        pytest.param(1, lambda s: s.forge([put("x")], state_root=b"x" * 32), Offence.ROOT, id="root"),
        pytest.param(1, lambda s: s.forge([put("x")], hlc=1), Offence.CHAIN, id="clock that stands"),
        pytest.param(
            0, lambda s: s.twin(0).forge([put("x")], prev_hash=b"x" * 32), Offence.CHAIN, id="first with past"
        ),
        pytest.param(1, lambda s: s.forge([b"\xff"]), Offence.DECODE, id="op that is none"),
        pytest.param(1, lambda s: s.forge([put("x", b"x" * 900)]), Offence.QUOTA, id="quota"),
        pytest.param(1, lambda s: b"junk", Offence.DECODE, id="no batch"),
    ],
)
def test_a_forged_batch_is_refused_and_nothing_changes(
    held: int, forge: Callable[[Scribe], bytes], offence: Offence
) -> None:
    writer = scribe(1)
    replica = holding(writer, held, Limits(bytes_per_owner=900))
    before = whole_picture(replica)
    with pytest.raises(RemoteError) as caught:
        replica.receive(forge(writer), NOW_MS)
    assert caught.value.offence is offence
    assert whole_picture(replica) == before


def test_a_first_batch_with_a_past_is_refused_also_where_its_log_is_known_to_be_forked() -> None:
    left, right = parted(1, 1, 1)
    replica = holding(left, 0)
    replica.receive_fork(proof(left, right, 2))
    with pytest.raises(ProtocolViolation):
        replica.receive(left.twin(0).forge([put("x")], prev_hash=b"x" * 32), NOW_MS)


def authors_beyond_the_limit() -> tuple[Replica, Scribe, Scribe]:
    ring = Ring()
    one, other = Scribe(ring, "alpha"), Scribe(ring, "beta")
    replica = Replica(FEDERATION, ring, Limits(owners=1))
    deliver(replica, [one.write(put("k"))])
    return replica, one, other


def test_authors_are_counted() -> None:
    replica, one, other = authors_beyond_the_limit()
    twin = other.twin()
    batch = other.write(put("k"))
    twin.write(put("l"))
    for refused in (
        lambda: replica.receive(batch, NOW_MS),
        lambda: replica.receive_fork(proof(other, twin, 1)),
    ):
        before = whole_picture(replica)
        with pytest.raises(ProtocolViolation) as caught:
            refused()
        assert caught.value.offence is Offence.QUOTA
        assert whole_picture(replica) == before
    assert replica.receive(one.write(put("k")), NOW_MS).status is ReceiptStatus.APPLIED


# writing


def test_what_is_composed_is_what_others_accept() -> None:
    writer = scribe(2)
    replica = holding(writer, 2)
    assert replica.rows() == writer.replica.rows()
    assert replica.root() == writer.replica.root()


@pytest.mark.parametrize(
    ("ops", "names"),
    [
        pytest.param([put("k" * 129)], "key", id="key"),
        pytest.param([put(f"k{number}") for number in range(MAX_OPS + 1)], "256 ops", id="ops"),
        pytest.param([put(f"k{number}", b"x" * 15_000) for number in range(20)], "262144 bytes", id="bytes"),
        pytest.param([put(f"k{number}", b"x" * 1_000) for number in range(5)], "quota", id="quota"),
    ],
)
def test_a_write_over_a_limit_is_refused_and_nothing_changes(ops: list[Op], names: str) -> None:
    writer = scribe(1, limits=Limits(bytes_per_owner=4_000))
    before = whole_picture(writer.replica)
    with pytest.raises(ProposalTooLarge, match=names):
        writer.write(*ops)
    assert whole_picture(writer.replica) == before


def test_a_writer_is_told_when_there_are_too_many_authors() -> None:
    replica, _, other = authors_beyond_the_limit()
    with pytest.raises(ProposalTooLarge, match="authors"):
        replica.compose(other.author, [put("k")], 1, other.key)


def test_an_ended_log_takes_no_more_writes() -> None:
    left, right = parted(1, 1, 1)
    left.replica.receive_fork(proof(left, right, 2))
    with pytest.raises(AssertionError, match="forked"):
        left.write(put("k"))


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
    replica = holding(left, held)
    receipt = replica.receive(right.batches[arrives - 1], NOW_MS)
    expected = proof(left, right, arrives)
    assert receipt == Receipt(ReceiptStatus.FORKED, left.author, arrives, expected)
    assert replica.proofs == {left.author: expected}
    (row,) = replica.rows()
    assert (row.seq, row.flag) == (cut, Flag.FORKED)
    assert picture(replica.logs[left.author])[3:6] == picture(left.twin(cut).log)[3:6]


def test_a_batch_on_another_branch_waits_until_the_place_is_found() -> None:
    left, right = parted(1, 1, 2)
    replica = holding(left, 2)
    before = whole_picture(replica)
    assert replica.receive(right.batches[2], NOW_MS).status is ReceiptStatus.GAP
    assert whole_picture(replica) == before
    assert replica.receive(right.batches[1], NOW_MS).status is ReceiptStatus.FORKED


def test_behind_a_fork_nothing_is_taken_and_before_it_everything() -> None:
    left, right = parted(2, 2, 2)
    replica = holding(left, 0)
    assert replica.receive_fork(proof(left, right, 3)).status is ReceiptStatus.FORKED
    assert replica.rows()[0].flag is Flag.FORKED
    statuses = [receipt.status for receipt in deliver(replica, [*left.batches, *right.batches])]
    applied, masked, again = ReceiptStatus.APPLIED, ReceiptStatus.MASKED, ReceiptStatus.DUPLICATE
    assert statuses == [applied, applied, masked, masked, again, again, masked, masked]
    assert (replica.rows()[0].seq, replica.rows()[0].flag) == (2, Flag.FORKED)


def test_the_deeper_proof_counts_whichever_comes_first() -> None:
    left, right = parted(1, 3, 3)
    deep, shallow = proof(left, right, 2), proof(left, right, 4)
    forked, known = ReceiptStatus.FORKED, ReceiptStatus.DUPLICATE
    one, other = holding(left, 4), holding(left, 4)
    assert [one.receive_fork(raw).status for raw in (deep, shallow, deep)] == [forked, known, known]
    assert [other.receive_fork(raw).status for raw in (shallow, deep, shallow)] == [forked, forked, known]
    assert one.rows() == other.rows()
    assert one.rows()[0].seq == 1


def test_a_proof_about_an_unknown_author_is_held() -> None:
    left, right = parted(1, 1, 1)
    replica = Replica(FEDERATION, Ring())
    assert replica.receive_fork(proof(left, right, 2)) == Receipt(ReceiptStatus.HELD, left.author, 2)
    assert (replica.logs, replica.proofs) == ({}, {})


def test_a_proof_by_others_than_the_author_convicts_nobody() -> None:
    left, _ = parted(1, 1, 0)
    thief = left.twin(1)
    thief.key = SigningKey(b"t" * 32)
    forged = batches.parse(thief.forge([put("framed")])).signed.envelope.raw
    replica = holding(left, 2)
    before = whole_picture(replica)
    with pytest.raises(BadSignature):
        replica.receive_fork(fork.build(left.envelope(2), forged))
    assert whole_picture(replica) == before


def test_statements_for_another_federation_convict_nobody() -> None:
    left, right = parted(1, 1, 1)
    replica = Replica(FederationId(b"g" * 32), left.ring)
    with pytest.raises(BadSignature):
        replica.receive_fork(proof(left, right, 2))


# closes


@pytest.mark.parametrize(
    ("held", "at", "seq", "flag"),
    [
        pytest.param(3, 3, 3, Flag.CLOSED, id="at the head"),
        pytest.param(3, 1, 1, Flag.CLOSED, id="below the head"),
        pytest.param(3, 0, 0, Flag.CLOSED, id="before the first batch"),
        pytest.param(1, 2, 1, Flag.LIVE, id="above the head: the rest may still come"),
    ],
)
def test_a_term_is_closed(held: int, at: int, seq: int, flag: Flag) -> None:
    writer = scribe()
    replica = holding(writer, held)
    close(replica, writer, at)
    (row,) = replica.rows()
    assert (row.seq, row.flag) == (seq, flag)
    statuses = {r.seq: r.status for r in deliver(replica, writer.batches)}
    assert statuses == {
        n: ReceiptStatus.FENCED if n > at else ReceiptStatus.APPLIED if n > held else ReceiptStatus.DUPLICATE
        for n in (1, 2, 3)
    }
    assert (replica.rows()[0].seq, replica.rows()[0].flag) == (at, Flag.CLOSED)


def test_a_close_of_a_log_that_is_not_held_is_remembered_by_the_chain_alone() -> None:
    writer = scribe()
    replica = holding(writer, 0)
    close(replica, writer, 2)
    assert replica.logs == {}
    assert [r.status for r in deliver(replica, writer.batches)][2] is ReceiptStatus.FENCED


def test_another_batch_in_the_place_of_the_close_is_fenced() -> None:
    left, right = parted(1, 1, 1)
    replica = holding(left, 1)
    close(replica, left, 2)
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
    one, other = holding(left, 4), holding(left, 4)
    one.receive_fork(proof(left, right, fork_at))
    close(one, left, close_at)
    close(other, left, close_at)
    other.receive_fork(proof(left, right, fork_at))
    assert one.rows() == other.rows()
    assert (one.rows()[0].seq, one.rows()[0].flag) == (cut, Flag.FORKED)
    for replica in (one, other):
        assert not {r.status for r in deliver(replica, left.batches)} & {ReceiptStatus.APPLIED, ReceiptStatus.FORKED}
    assert one.rows() == other.rows()


# the version vector


def test_the_root_is_the_hash_of_the_rows() -> None:
    ring = Ring()
    alpha, beta = Scribe(ring, "alpha"), Scribe(ring, "beta", term=7)
    replica = Replica(FEDERATION, ring)
    assert replica.root() == sha256(b"zenmesh/federation\0")
    deliver(replica, [alpha.write(put("k")), beta.write(put("k")), beta.write(put("l"))])
    rows = replica.rows()
    assert rows == sorted(rows)
    assert [row.author for row in rows] == sorted([alpha.author, beta.author])
    assert replica.root() == sha256(
        b"zenmesh/federation\0",
        *[
            r.swarm + r.term.to_bytes(8, "big") + r.seq.to_bytes(8, "big") + r.hash + r.root + bytes([r.flag])
            for r in rows
        ],
    )


def test_every_change_moves_the_root() -> None:
    left, right = parted(1, 2, 1)
    replica = holding(left, 0)
    roots = [replica.root()]
    for batch in left.batches:
        replica.receive(batch, WALL_MS)
        roots.append(replica.root())
    close(replica, left, 3)
    roots.append(replica.root())
    replica.receive_fork(proof(left, right, 2))
    roots.append(replica.root())
    assert len(set(roots)) == len(roots)
    assert replica.root() != roots[1], "forked at a batch is not the same as standing there"


def test_heads() -> None:
    writer = scribe(2)
    replica = holding(writer, 1)
    head = replica.head(writer.author)
    assert head is not None
    assert head == writer.log.head_at(1)
    assert replica.head(writer.author._replace(term=9)) is None


def test_what_changed_is_noted_until_it_is_saved() -> None:
    writer = scribe(2)
    replica = holding(writer, 2)
    assert list(replica.dirty) == [writer.author]
    replica.dirty.clear()
    replica.receive(writer.batches[0], NOW_MS)
    assert not replica.dirty


@pytest.mark.parametrize(
    ("envelope", "known", "refused"),
    [
        pytest.param(lambda s: s.envelope(1), True, None, id="authentic"),
        pytest.param(
            lambda s: Scribe(Ring(), "stranger").twin().forge([put("x")]), None, RemoteError, id="no header"
        ),
        pytest.param(lambda s: STRANGER.envelope(1), False, None, id="of an unknown author"),
        pytest.param(lambda s: s.envelope(1)[:-1] + b"\0", None, BadSignature, id="forged"),
    ],
)
def test_verifying_a_head(
    envelope: Callable[[Scribe], bytes], known: bool | None, refused: type[RemoteError] | None
) -> None:
    writer = scribe(1)
    replica = Replica(FEDERATION, writer.ring)
    if refused is not None:
        with pytest.raises(refused):
            replica.verify_head(envelope(writer))
    else:
        assert (replica.verify_head(envelope(writer)) is not None) is known


STRANGER = Scribe(Ring(), "stranger")
STRANGER.write(put("k"), add("s", b"e"))


def test_a_register_of_nobody() -> None:
    assert Replica(FEDERATION, Ring()).get(STRANGER.author.swarm, REGISTERS, "k") is None
