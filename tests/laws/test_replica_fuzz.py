"""Hostile bytes: what is not accepted raises RemoteError, and leaves everything as it was.

Three kinds of hostility: bytes that are noise, good bytes with a few changed, and well-formed statements that an
author itself signed though they break a rule. The last is what a member of the federation can do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import batch as batches
from crdt import fork
from crdt.batch import MAX_OPS
from crdt.ops import decode_entry, decode_op, encode_entry, encode_op
from crdt.owner_log import Flag
from crdt.replica import ReceiptStatus, Replica
from crdt.snapshot import encode_snapshot, load_snapshot
from tests.support.replicas import (
    JUNK,
    Scribe,
    add,
    check,
    delete,
    flipped,
    put,
    rebuilt,
    remove,
    replica_of,
    whole_picture,
)
from tests.support.sync_pair import FEDERATION, WALL_MS, Ring
from wire import cbor, cose
from wire.errors import RemoteError
from wire.ids import sha256
from wire.types import ContentType


def author_and_twin() -> tuple[Scribe, Scribe]:
    one = Scribe(Ring())
    one.write(put("a", b"1"), add("s", b"e"))
    one.write(put("b"), delete("a"), remove("s", b"e", ((0, 1, 1),)))
    other = one.twin()
    one.write(put("c"))
    other.write(put("d"))
    return one, other


ONE, OTHER = author_and_twin()
PROOF = fork.build(ONE.envelope(3), OTHER.envelope(3))
ENTRY = encode_entry(1, 0, 1, encode_op(delete("k", ((1, 2, 3),))))


def convicted() -> bytes:
    replica = replica_of(ONE.ring)
    load_snapshot(replica, encode_snapshot(ONE.replica, ONE.author))
    replica.receive_fork(PROOF)
    return encode_snapshot(replica, ONE.author)


Parser = Callable[[Replica, bytes], Any]
PARSERS: dict[str, tuple[Parser, bytes]] = {
    "batch": (lambda replica, raw: batches.parse(raw), ONE.batches[2]),
    "header": (lambda replica, raw: batches.parse_header(raw), ONE.envelope(3)),
    "proof": (lambda replica, raw: fork.parse(raw), PROOF),
    "op": (lambda replica, raw: decode_op(raw), encode_op(remove("s", b"e", ((1, 2, 3),)))),
    "entry": (lambda replica, raw: decode_entry(raw, 1), ENTRY),
    "receive": (lambda replica, raw: replica.receive(raw, WALL_MS), ONE.batches[2]),
    "receive_fork": (lambda replica, raw: replica.receive_fork(raw), PROOF),
    "verify_head": (lambda replica, raw: replica.verify_head(raw), ONE.envelope(3)),
    "load_snapshot": (load_snapshot, encode_snapshot(ONE.replica, ONE.author)),
    "load_snapshot of a fork": (load_snapshot, convicted()),
}
every_parser = pytest.mark.parametrize("name", PARSERS)
ENVELOPES = ("header", "verify_head")  # tagged: outside the CBOR of values


def holding_two() -> Replica:
    replica = replica_of(ONE.ring)
    for batch in ONE.batches[:2]:
        replica.receive(batch, WALL_MS)
    return replica


def accept_or_refuse(name: str, raw: bytes, good: bytes | None = None) -> None:
    """Only the good bytes, or a value that was there to be read, pass without a RemoteError; nothing else changes."""
    parser, _ = PARSERS[name]
    replica = holding_two()
    before = whole_picture(replica)
    try:
        parser(replica, raw)
    except RemoteError:
        assert whole_picture(replica) == before
        return
    check(replica)
    if raw != good:
        assert whole_picture(replica) == before, "nothing that nobody signed changes a replica"


@every_parser
@given(raw=st.binary(max_size=200))
def test_noise_is_refused(name: str, raw: bytes) -> None:
    accept_or_refuse(name, raw)


@every_parser
@given(data=st.data())
def test_good_bytes_with_a_few_changed(name: str, data: st.DataObject) -> None:
    good = PARSERS[name][1]
    accept_or_refuse(name, data.draw(flipped(good)), good)


@pytest.mark.parametrize("name", [name for name in PARSERS if name not in ENVELOPES])
@given(data=st.data())
def test_good_values_with_a_place_changed(name: str, data: st.DataObject) -> None:
    good = PARSERS[name][1]
    raw = data.draw(rebuilt(good))
    if name.startswith("load_snapshot") and same_state(raw, good):
        return
    accept_or_refuse(name, raw, good)


def same_state(raw: bytes, good: bytes) -> bool:
    """The same head over the same entries, in whatever order."""
    one, other = cbor.decode(raw), cbor.decode(good)
    assert isinstance(one, list)
    assert isinstance(other, list)
    with suppress(TypeError, IndexError):
        return bool(one[:5] == other[:5] and set(one[5]) == set(other[5]))
    return False


# what an author itself signed


@st.composite
def by_the_author(draw: st.DrawFn) -> bytes:
    """The next batch of the author, one field of the header or one op of which is not what it should be."""
    scribe = ONE.twin(2)
    ops = [encode_op(put("e")), encode_op(add("s", b"e")), encode_op(delete("b"))]
    place = draw(st.integers(-1, len(ops) - 1))
    if place >= 0:
        ops[place] = draw(flipped(ops[place]) | rebuilt(ops[place]) | st.binary(max_size=40))
    if draw(st.booleans()):
        ops = (ops * MAX_OPS)[: draw(st.integers(0, MAX_OPS + 1))]
    encoded = batches.encode_ops(ops)
    fields = cbor.decode(batches.parse(scribe.forge([put("e")])).signed.envelope.payload)
    assert isinstance(fields, list)
    fields[6] = sha256(encoded)
    with suppress(RemoteError, AssertionError):
        fields[7] = scribe.log.preview(ops, scribe.log.seq + 1, scribe.stamp())
    if place < 0:
        fields[draw(st.integers(0, 7))] = draw(JUNK | st.integers(0, 5))
    return cbor.encode([cose.seal(ContentType.BATCH, cbor.encode(fields), scribe.key, FEDERATION), encoded])


@given(raw=by_the_author())
def test_what_an_author_signs_is_applied_whole_or_not_at_all(raw: bytes) -> None:
    replica = holding_two()
    before = whole_picture(replica)
    try:
        status = replica.receive(raw, WALL_MS).status
    except RemoteError:
        status = ReceiptStatus.HELD
    check(replica)
    assert (whole_picture(replica) != before) is (status in (ReceiptStatus.APPLIED, ReceiptStatus.FORKED))


@given(one=by_the_author(), other=by_the_author())
def test_two_things_that_an_author_signs_convict_it_or_not_but_never_break(one: bytes, other: bytes) -> None:
    replica = holding_two()
    for raw in (one, other, one):
        with suppress(RemoteError):
            replica.receive(raw, WALL_MS)
        check(replica)
    with suppress(RemoteError):
        envelopes = [batches.parse(raw).signed.envelope.raw for raw in (one, other)]
        replica.receive_fork(fork.build(*envelopes))
    check(replica)
    assert {log.flag for log in replica.logs.values()} <= {Flag.LIVE, Flag.FORKED}
