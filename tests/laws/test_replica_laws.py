"""Replicas and a bad network: batches come late, twice, in any order, or not at all; then everything is sent again.

All end equal, whatever came first: also where an author forked its log, and the chain closed its term meanwhile.
At every moment, two replicas that stand at the same batch of a log that nobody has cut hold the same state.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from crdt import fork
from crdt.ops import Op
from crdt.owner_log import Flag
from crdt.replica import ReceiptStatus, Replica
from crdt.snapshot import encode_snapshot, load_snapshot
from tests.support.affairs import Affair, affairs, common_length, learn
from tests.support.replicas import Scribe, View, check, put, replica_of, settle, stories, whole_picture, write_all
from tests.support.sync_pair import WALL_MS, Ring

Story = list[list[Op]]
REPLICAS = range(3)

CHANGES = (ReceiptStatus.APPLIED, ReceiptStatus.FORKED)


def receive(replica: Replica, batch: bytes) -> ReceiptStatus:
    """One arrival: what it does is what its receipt says."""
    before = whole_picture(replica)
    status = replica.receive(batch, WALL_MS).status
    assert (whole_picture(replica) != before) is (status in CHANGES)
    check(replica)
    return status


def agree_where_equal(replicas: Sequence[Replica]) -> None:
    """The same batch of a log that is not cut means the same state."""
    seen: dict[object, dict[bytes, bytes]] = {}
    for replica in replicas:
        for row in replica.rows():
            if row.flag is Flag.LIVE:
                entries = replica.logs[row.author].entries
                assert seen.setdefault((row.author, row.seq, row.hash), entries) == entries


@given(first=stories, second=stories, other=stories, data=st.data())
def test_all_converge_whatever_arrived_first(first: Story, second: Story, other: Story, data: st.DataObject) -> None:
    ring = Ring()
    older, newer, neighbour = Scribe(ring), Scribe(ring, term=2), Scribe(ring, "beta")
    write_all(older, first)
    newer.read(older)
    write_all(newer, second)
    write_all(neighbour, other)
    written = [*older.batches, *newer.batches, *neighbour.batches]
    replicas = [replica_of(ring) for _ in REPLICAS]
    for replica in replicas:
        for place in data.draw(st.lists(st.sampled_from(range(len(written))), max_size=8)):
            receive(replica, written[place])
    agree_where_equal(replicas)
    settle(replicas, [written[place] for place in data.draw(st.permutations(range(len(written))))])
    for replica in replicas:
        check(replica)
        assert replica.rows() == replicas[0].rows()
        assert replica.root() == replicas[0].root()
        for scribe in (older, newer, neighbour):
            assert replica.logs[scribe.author].entries == scribe.log.entries


# forks and closes


@given(affair=affairs(), data=st.data())
def test_forks_and_closes_cut_everyone_alike_in_whatever_order_they_come(affair: Affair, data: st.DataObject) -> None:
    main = affair.tongues[0]
    replicas = [replica_of(View(main.ring)) for _ in REPLICAS]

    written = affair.written
    for replica in replicas:
        places = data.draw(st.lists(st.sampled_from(range(len(written))), max_size=10))
        closing = data.draw(st.integers(0, len(places)))
        for place in places[:closing]:
            receive(replica, written[place])
        learn(replica, main, affair.close)
        for place in places[closing:]:
            receive(replica, written[place])
    agree_where_equal(replicas)
    settle(replicas, [written[place] for place in data.draw(st.permutations(range(len(written))))])

    parted, closed = affair.fork(), affair.close[0] if affair.close else None
    longest = max(affair.tongues, key=lambda tongue: len(tongue.batches))
    end = min(at for at in (parted, closed, len(longest.batches)) if at is not None)
    expected = longest.twin(end).replica.logs.get(main.author)
    for replica in replicas:
        assert replica.rows() == replicas[0].rows()
        assert replica.root() == replicas[0].root()
        log = replica.logs.get(main.author)
        assert (log.seq, log.entries) == (end, expected.entries if expected else {}) if log else end == 0
        if parted is not None and (closed is None or parted < closed):
            assert log is not None
            assert log.flag is Flag.FORKED


@given(affair=affairs(), data=st.data())
def test_behind_a_fork_nothing_is_taken_any_more(affair: Affair, data: st.DataObject) -> None:
    main = affair.tongues[0]
    replica = replica_of(main.ring)
    settle([replica], affair.written)
    log = replica.logs[main.author]
    if log.flag is Flag.FORKED:
        tongue = data.draw(st.sampled_from([t for t in affair.tongues if len(t.batches) > log.seq]))
        assert receive(replica, tongue.write(put("later"))) is ReceiptStatus.MASKED


@given(affair=affairs(), data=st.data())
def test_any_two_batches_for_one_place_convict_their_author_and_nobody_else(
    affair: Affair, data: st.DataObject
) -> None:
    one, other = affair.tongues[0], affair.tongues[1]
    at = common_length(one.batches, other.batches)
    behind = min(len(one.batches), len(other.batches))
    if at == behind:
        return
    seq = data.draw(st.integers(at + 1, behind))
    replica, informed = replica_of(one.ring), replica_of(one.ring)
    for batch in one.batches[: data.draw(st.integers(seq, len(one.batches)))]:
        receive(replica, batch)
    neighbour = Scribe(one.ring, "beta")
    receive(replica, neighbour.write(put("k")))
    assert receive(replica, other.batches[seq - 1]) is ReceiptStatus.FORKED

    proof = replica.proofs[one.author]
    assert fork.parse(proof).seq == seq
    assert informed.receive_fork(proof).status is ReceiptStatus.FORKED
    assert informed.receive(one.batches[0], WALL_MS).status is (
        ReceiptStatus.APPLIED if seq > 1 else ReceiptStatus.MASKED
    )
    assert replica.logs[one.author].entries == (one.twin(seq - 1).log.entries if seq > 1 else {})
    assert list(replica.proofs) == [one.author]
    assert replica.logs[neighbour.author].flag is Flag.LIVE


# snapshots


@given(affair=affairs(), data=st.data())
def test_a_snapshot_gives_what_it_holds_and_takes_nothing(affair: Affair, data: st.DataObject) -> None:
    main = affair.tongues[0]
    giver, taker = replica_of(main.ring), replica_of(main.ring)
    giver.receive(main.batches[0], WALL_MS)
    for replica in (giver, taker):
        for batch in data.draw(st.lists(st.sampled_from(affair.written), max_size=12)):
            replica.receive(batch, WALL_MS)
        if main.author in replica.logs and data.draw(st.booleans()):
            replica.logs[main.author].forget(0)
    blob = encode_snapshot(giver, main.author)
    given, before = giver.logs[main.author], taker.logs.get(main.author)
    held = before.seq if before and not before.stranded else 0
    load_snapshot(taker, blob)
    check(taker)
    log, place = taker.logs[main.author], fork_place(taker)
    assert place <= fork_place(giver)
    if not log.stranded:
        assert log.seq >= min(held, place)
        assert given.stranded or given.seq > place or log.seq >= given.seq
    loaded = whole_picture(taker)
    load_snapshot(taker, blob)
    assert whole_picture(taker) == loaded, "once more changes nothing"


def fork_place(replica: Replica) -> int:
    return min((fork.parse(proof).seq - 1 for proof in replica.proofs.values()), default=1 << 62)
