"""Snapshots: a log survives as one value, and a value that is damaged, forged or older changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crdt import fork
from crdt.owner_log import Flag, Limits
from crdt.replica import ReceiptStatus, Replica
from crdt.snapshot import encode_snapshot, load_snapshot
from tests.support.replicas import Scribe, add, close_term, delete, deliver, put, receiver, remove, whole_picture
from tests.support.sync_pair import FEDERATION, WALL_MS, Ring
from wire import cbor
from wire.errors import BadSignature, DecodeError, Offence, ProtocolViolation, RemoteError

FORM = ["version", "swarm", "term", "head", "proof", "entries"]


def scribe(count: int = 4) -> Scribe:
    """One who overwrites, adds, removes; each batch leaves a trace."""
    writer = Scribe(Ring())
    for number in range(1, count + 1):
        writer.write(put("a", b"%d" % number), put(f"k{number}"), add("s", b"%d" % (number % 3)))
    return writer


def forked(common: int, longer: int) -> tuple[Scribe, bytes]:
    """A scribe who went on after `common` batches, and the proof that there is another branch from there on."""
    writer = scribe(common)
    twin = writer.twin()
    twin.write(put("other"))
    for number in range(longer):
        writer.write(put("a", b"later %d" % number), delete("k1"), remove("s", b"1"))
    return writer, fork.build(writer.envelope(common + 1), twin.envelope(common + 1))


def changed(blob: bytes, **fields: Any) -> bytes:
    plain = cbor.decode(blob)
    assert isinstance(plain, list)
    for name, value in fields.items():
        plain[FORM.index(name)] = value(plain[FORM.index(name)]) if callable(value) else value
    return cbor.encode(plain)


@pytest.mark.parametrize("held", [0, 1, 3])
def test_a_log_survives_as_one_value(held: int) -> None:
    writer = scribe()
    replica = receiver(writer, held)
    replica.dirty.clear()
    blob = encode_snapshot(writer.replica, writer.author)
    assert load_snapshot(replica, blob) == writer.author
    assert replica.rows() == writer.replica.rows()
    assert replica.logs[writer.author].entries == writer.log.entries
    assert encode_snapshot(replica, writer.author) == blob
    assert list(replica.dirty) == [writer.author]
    assert replica.receive(writer.write(put("next")), WALL_MS).status is ReceiptStatus.APPLIED


@pytest.mark.parametrize("held", [4, 5])
def test_what_is_held_is_never_lowered(held: int) -> None:
    writer = scribe(5)
    replica = receiver(writer, held)
    before = whole_picture(replica)
    load_snapshot(replica, encode_snapshot(writer.twin(4).replica, writer.author))
    assert whole_picture(replica) == before


# logs that ended


def test_the_state_before_a_fork_replaces_what_was_held_behind_it() -> None:
    writer, proof = forked(2, 2)
    cut, behind = receiver(writer, 4), receiver(writer, 4)
    cut.receive_fork(proof)
    behind.logs[writer.author].forget(0)  # so that it cannot go back to the cut by itself
    load_snapshot(behind, encode_snapshot(cut, writer.author))
    assert behind.rows() == cut.rows()
    assert behind.logs[writer.author].entries == cut.logs[writer.author].entries


def test_a_forked_log_survives_with_its_proof() -> None:
    writer, proof = forked(2, 2)
    replica, fresh = receiver(writer, 4), receiver(writer)
    replica.receive_fork(proof)
    load_snapshot(fresh, encode_snapshot(replica, writer.author))
    assert fresh.rows() == replica.rows()
    assert fresh.proofs == {writer.author: proof}
    assert (fresh.logs[writer.author].flag, fresh.logs[writer.author].cut) == (Flag.FORKED, 2)


def test_of_a_log_forked_at_its_first_batch_the_proof_survives() -> None:
    writer, proof = forked(0, 1)
    replica, fresh = receiver(writer, 1), receiver(writer)
    replica.receive_fork(proof)
    load_snapshot(fresh, encode_snapshot(replica, writer.author))
    assert fresh.rows() == replica.rows()
    assert fresh.proofs == {writer.author: proof}


def test_of_a_stranded_log_the_proof_survives_and_the_rest_is_fetched_again() -> None:
    writer, proof = forked(2, 2)
    replica, fresh = receiver(writer, 4), receiver(writer)
    replica.logs[writer.author].forget(0)
    replica.receive_fork(proof)
    assert replica.logs[writer.author].stranded
    load_snapshot(fresh, encode_snapshot(replica, writer.author))
    assert fresh.proofs == {writer.author: proof}
    assert (fresh.rows()[0].seq, fresh.rows()[0].flag) == (0, Flag.FORKED)
    deliver(fresh, writer.batches)
    assert fresh.rows()[0].seq == 2


def test_a_closed_log_is_closed_again_by_the_chain() -> None:
    writer = scribe()
    replica, fresh = receiver(writer, 4), receiver(writer)
    close_term(replica, writer, 3)
    close_term(fresh, writer, 3)
    load_snapshot(fresh, encode_snapshot(replica, writer.author))
    assert fresh.rows() == replica.rows()
    assert fresh.rows()[0].flag is Flag.CLOSED


def test_a_state_from_behind_the_cut_does_not_replace_what_counts() -> None:
    writer, proof = forked(3, 3)
    replica = receiver(writer, 2)
    replica.receive_fork(proof)
    before = whole_picture(replica)
    load_snapshot(replica, encode_snapshot(writer.replica, writer.author))
    assert whole_picture(replica) == before


def test_where_nothing_is_held_what_is_left_of_a_state_from_behind_the_cut_is_better_than_nothing() -> None:
    writer, proof = forked(3, 3)
    replica = receiver(writer)
    replica.receive_fork(proof)
    load_snapshot(replica, encode_snapshot(writer.replica, writer.author))
    log = replica.logs[writer.author]
    assert (log.stranded, log.flag, log.cut) == (True, Flag.FORKED, 3)
    assert replica.get(writer.author.swarm, "memory", "k2") is not None


@pytest.mark.parametrize(
    ("offered", "stranded"),
    [
        pytest.param(3, False, id="the state at the cut"),
        pytest.param(2, False, id="a state before it"),
        pytest.param(5, True, id="another state from behind it"),
    ],
)
def test_a_stranded_log_is_replaced_by_a_state_that_counts(offered: int, stranded: bool) -> None:
    writer, proof = forked(3, 3)
    replica = receiver(writer, 6)
    replica.logs[writer.author].forget(0)
    replica.receive_fork(proof)
    load_snapshot(replica, encode_snapshot(writer.twin(offered).replica, writer.author))
    log = replica.logs[writer.author]
    assert log.stranded is stranded
    assert stranded or log.entries == writer.twin(offered).log.entries
    assert (log.flag, log.cut) == (Flag.FORKED, 3)


# what is refused

WRITER, PROOF = forked(2, 2)
STRANGER = Scribe(Ring(), "stranger")
STRANGER.write(put("k"))
NEIGHBOUR = Scribe(WRITER.ring, "beta")
NEIGHBOUR.write(put("k"))
NEIGHBOUR_TWIN = NEIGHBOUR.twin(0)
NEIGHBOUR_TWIN.write(put("l"))
FORGED_PROOF = PROOF[:-1] + bytes([PROOF[-1] ^ 1])


@pytest.mark.parametrize(
    ("fields", "kind", "offence"),
    [
        pytest.param({"version": 2}, DecodeError, Offence.DECODE, id="another version"),
        pytest.param({"version": True}, DecodeError, Offence.DECODE, id="a truth value as version"),
        pytest.param({"swarm": b"s"}, DecodeError, Offence.DECODE, id="a swarm of one byte"),
        pytest.param({"term": -1}, DecodeError, Offence.DECODE, id="a negative term"),
        pytest.param({"head": 5}, DecodeError, Offence.DECODE, id="a number as head"),
        pytest.param({"proof": []}, DecodeError, Offence.DECODE, id="a list as proof"),
        pytest.param({"entries": None}, DecodeError, Offence.DECODE, id="no entries"),
        pytest.param({"entries": [5]}, DecodeError, Offence.DECODE, id="a number as entry"),
        pytest.param({"entries": [b"\xff"]}, DecodeError, Offence.DECODE, id="an entry that is none"),
        pytest.param({"head": b"junk"}, DecodeError, Offence.DECODE, id="a head that is none"),
        pytest.param({"proof": b"junk"}, DecodeError, Offence.DECODE, id="a proof that is none"),
        pytest.param({"entries": lambda e: e[1:]}, BadSignature, Offence.ROOT, id="an entry too few"),
        pytest.param({"entries": []}, BadSignature, Offence.ROOT, id="no entry at all"),
        pytest.param({"head": WRITER.envelope(3)}, BadSignature, Offence.ROOT, id="the head of an older state"),
        pytest.param({"term": 2}, BadSignature, Offence.SIGNATURE, id="another term"),
        pytest.param({"swarm": NEIGHBOUR.author.swarm}, BadSignature, Offence.SIGNATURE, id="another swarm"),
        pytest.param({"head": STRANGER.envelope(1)}, BadSignature, Offence.SIGNATURE, id="an unknown author"),
        pytest.param(
            {"head": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])}, BadSignature, Offence.SIGNATURE, id="a forged head"
        ),
        pytest.param({"proof": FORGED_PROOF}, BadSignature, Offence.SIGNATURE, id="a forged proof"),
        pytest.param(
            {"proof": fork.build(NEIGHBOUR.envelope(1), NEIGHBOUR_TWIN.envelope(1))},
            BadSignature,
            Offence.SIGNATURE,
            id="a proof about another author",
        ),
    ],
)
@pytest.mark.parametrize("held", [0, 2])
def test_a_snapshot_is_refused_and_nothing_changes(
    fields: dict[str, Any], kind: type[RemoteError], offence: Offence, held: int
) -> None:
    replica = receiver(WRITER, held)
    before = whole_picture(replica)
    blob = changed(encode_snapshot(WRITER.replica, WRITER.author), **fields)
    with pytest.raises(kind) as caught:
        load_snapshot(replica, blob)
    assert caught.value.offence is offence
    assert whole_picture(replica) == before


@pytest.mark.parametrize("blob", [b"", b"\x80", b"\xa0", b"\x86" + b"\0" * 6], ids=["nothing", "[]", "{}", "zeros"])
def test_what_is_no_snapshot_is_refused(blob: bytes) -> None:
    with pytest.raises(DecodeError):
        load_snapshot(receiver(WRITER), blob)


def test_a_proof_about_an_author_that_the_chain_does_not_name_is_refused() -> None:
    replica = receiver(WRITER, 4)
    replica.receive_fork(PROOF)
    with pytest.raises(BadSignature):
        load_snapshot(Replica(FEDERATION, Ring()), encode_snapshot(replica, WRITER.author))


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        pytest.param(Limits(entries_per_owner=2), BadSignature, id="entries"),
        pytest.param(Limits(bytes_per_owner=40), BadSignature, id="bytes"),
        pytest.param(Limits(owners=0), ProtocolViolation, id="authors"),
    ],
)
def test_a_snapshot_over_a_quota_is_refused(limits: Limits, kind: type[RemoteError]) -> None:
    replica = receiver(WRITER, 0, limits)
    with pytest.raises(kind) as caught:
        load_snapshot(replica, encode_snapshot(WRITER.replica, WRITER.author))
    assert caught.value.offence is Offence.QUOTA
    assert replica.logs == {}


def test_a_snapshot_may_use_a_quota_up() -> None:
    log = WRITER.log
    replica = receiver(WRITER, 0, Limits(entries_per_owner=len(log.entries), bytes_per_owner=log.size))
    load_snapshot(replica, encode_snapshot(WRITER.replica, WRITER.author))
    assert replica.rows() == WRITER.replica.rows()


def test_an_author_that_is_known_needs_no_more_room() -> None:
    replica = receiver(WRITER, 1, Limits(owners=1))
    load_snapshot(replica, encode_snapshot(WRITER.replica, WRITER.author))
    assert replica.rows()[0].seq == 4


def test_entries_twice_or_in_another_order_make_the_same_state() -> None:
    shuffled: Callable[[list[bytes]], list[bytes]] = lambda entries: [*reversed(entries), *entries]  # noqa: E731
    replica = receiver(WRITER)
    load_snapshot(replica, changed(encode_snapshot(WRITER.replica, WRITER.author), entries=shuffled))
    assert replica.rows() == WRITER.replica.rows()
