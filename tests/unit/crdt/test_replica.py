"""The replica: what becomes of a batch, what may be written, what is shown. Where logs end: test_replica_cuts.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crdt.batch import MAX_OPS, MAX_OPS_BYTES, encode_ops
from crdt.ops import Op, encode_op
from crdt.owner_log import Flag, Limits
from crdt.replica import Receipt, ReceiptStatus, Replica
from tests.support.replicas import (
    NOW_MS,
    REGISTERS,
    Scribe,
    add,
    close_term,
    deliver,
    fork_proof,
    parted,
    put,
    receiver,
    scribe_of,
    whole_picture,
)
from tests.support.sync_pair import FEDERATION, WALL_MS, Ring
from wire.errors import BadSignature, Offence, ProposalTooLarge, ProtocolViolation, RemoteError
from wire.ids import sha256
from wire.keys import SigningKey
from wire.time import HLC_MAX, hlc_of

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
    writer = scribe_of(3)
    replica = receiver(writer, held)
    before = whole_picture(replica)
    receipt = replica.receive(writer.batches[arrives - 1], NOW_MS)
    assert receipt == Receipt(status, writer.author, arrives)
    assert sum(row.seq for row in replica.rows()) == seq
    assert (whole_picture(replica) == before) is (status is not ReceiptStatus.APPLIED)


def test_a_batch_that_is_not_retained_any_more_is_taken_for_the_same() -> None:
    left, right = parted(1, 3, 1)
    replica = receiver(left, 4, Limits(retained_bytes=0))
    assert replica.receive(right.batches[1], NOW_MS).status is ReceiptStatus.DUPLICATE


def test_a_batch_of_an_unknown_author_is_held_and_nothing_is_kept_of_it() -> None:
    writer = scribe_of(1)
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
    ("clock_ms", "early"),
    [
        pytest.param(NOW_MS, True, id="while our clock is behind"),
        pytest.param(NOW_MS + 59_999, True, id="a millisecond too soon"),
        pytest.param(NOW_MS + 60_000, False, id="once it is within the tolerance"),
    ],
)
def test_a_batch_that_is_early_is_known_to_be(clock_ms: int, early: bool) -> None:
    writer = Scribe(Ring())
    batch = writer.write(put("k"), hlc=hlc_of(NOW_MS + 65_000))
    replica = Replica(FEDERATION, writer.ring)
    assert not replica.early(writer.author, NOW_MS)
    replica.receive(batch, NOW_MS)
    assert replica.early(writer.author, clock_ms) is early


def test_a_log_that_moved_on_is_not_early() -> None:
    writer = Scribe(Ring())
    first = writer.write(put("a"), hlc=hlc_of(NOW_MS + 10_000))
    replica = Replica(FEDERATION, writer.ring)
    replica.receive(first, NOW_MS)
    replica.receive(first, NOW_MS + 10_000)
    assert not replica.early(writer.author, NOW_MS)


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
    writer = scribe_of(1)
    replica = receiver(writer, held, Limits(bytes_per_owner=900))
    before = whole_picture(replica)
    with pytest.raises(RemoteError) as caught:
        replica.receive(forge(writer), NOW_MS)
    assert caught.value.offence is offence
    assert whole_picture(replica) == before


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
        lambda: replica.receive_fork(fork_proof(other, twin, 1)),
    ):
        before = whole_picture(replica)
        with pytest.raises(ProtocolViolation) as caught:
            refused()
        assert caught.value.offence is Offence.QUOTA
        assert whole_picture(replica) == before
    assert replica.receive(one.write(put("k")), NOW_MS).status is ReceiptStatus.APPLIED


# writing


def test_what_is_composed_is_what_others_accept() -> None:
    writer = scribe_of(2)
    replica = receiver(writer, 2)
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
    writer = scribe_of(1, limits=Limits(bytes_per_owner=4_000))
    before = whole_picture(writer.replica)
    with pytest.raises(ProposalTooLarge, match=names):
        writer.write(*ops)
    assert whole_picture(writer.replica) == before


def ops_of(total: int) -> list[Op]:
    """Ops whose encoding, as one batch, takes so many bytes."""
    ops = [put(f"k{number:02}", b"x" * 16_000) for number in range(16)]
    room = total - len(encode_ops([encode_op(op) for op in [*ops, put("last", b"x" * 256)]]))
    return [*ops, put("last", b"x" * (256 + room))]


@pytest.mark.parametrize(
    "ops",
    [
        pytest.param([put(f"k{number}") for number in range(MAX_OPS)], id="256 ops"),
        pytest.param(ops_of(MAX_OPS_BYTES), id="256 KiB"),
    ],
)
def test_a_batch_may_be_full(ops: list[Op]) -> None:
    writer = Scribe(Ring())
    batch = writer.write(*ops)
    assert receiver(writer).receive(batch, NOW_MS).status is ReceiptStatus.APPLIED


def test_one_byte_more_than_a_full_batch_is_refused() -> None:
    with pytest.raises(ProposalTooLarge):
        Scribe(Ring()).write(*ops_of(MAX_OPS_BYTES + 1))


def test_a_write_shows_at_once_and_is_noted() -> None:
    writer = scribe_of(1)
    before = writer.replica.root()
    writer.replica.dirty.clear()
    writer.write(put("k"))
    assert writer.replica.root() != before
    assert list(writer.replica.dirty) == [writer.author]


def test_a_writer_is_told_when_there_are_too_many_authors() -> None:
    replica, _, other = authors_beyond_the_limit()
    with pytest.raises(ProposalTooLarge, match="authors"):
        replica.compose(other.author, [put("k")], 1, other.key)


def test_an_ended_log_takes_no_more_writes() -> None:
    left, right = parted(1, 1, 1)
    left.replica.receive_fork(fork_proof(left, right, 2))
    with pytest.raises(AssertionError, match="forked"):
        left.write(put("k"))


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


def test_flags_are_numbered_for_ever() -> None:
    assert {flag.name: int(flag) for flag in Flag} == {"LIVE": 0, "FORKED": 1, "CLOSED": 2}


def test_every_change_moves_the_root() -> None:
    left, right = parted(1, 2, 1)
    replica = receiver(left, 0)
    roots = [replica.root()]
    for batch in left.batches:
        replica.receive(batch, WALL_MS)
        roots.append(replica.root())
    close_term(replica, left, 3)
    roots.append(replica.root())
    replica.receive_fork(fork_proof(left, right, 2))
    roots.append(replica.root())
    assert len(set(roots)) == len(roots)
    assert replica.root() != roots[1], "forked at a batch is not the same as standing there"


def test_heads() -> None:
    writer = scribe_of(2)
    replica = receiver(writer, 1)
    head = replica.head(writer.author)
    assert head is not None
    assert head == writer.log.head_at(1)
    assert replica.head(writer.author._replace(term=9)) is None


def test_what_changed_is_noted_until_it_is_saved() -> None:
    writer = scribe_of(2)
    replica = receiver(writer, 2)
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
    writer = scribe_of(1)
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
