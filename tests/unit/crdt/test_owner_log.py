"""Owner logs: what may follow, what is kept, what a cut leaves. Rewinding as a law is in test_owner_log_laws.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crdt import batch as batches
from crdt.ops import key_path
from crdt.owner_log import Flag, Limits, OwnerLog
from tests.support.replicas import Scribe, add, delete, picture, put, remove, scribe_of
from tests.support.sync_pair import Ring
from wire.errors import Offence, RemoteError
from wire.ids import ZERO_DIGEST


def replayed(writer: Scribe, limits: Limits | None = None) -> OwnerLog:
    log = OwnerLog(writer.author, limits or Limits())
    for batch in writer.batches:
        log.apply(batches.parse(batch))
    return log


def keys(log: OwnerLog) -> set[str]:
    names = ["a", *(f"k{number}" for number in range(1, 10))]
    return {name for name in names if key_path("memory", name) in log.entries}


def test_an_empty_log() -> None:
    log = OwnerLog(Ring().author("alpha"), Limits())
    assert (log.seq, log.head, log.head_hash, log.flag) == (0, None, ZERO_DIGEST, Flag.LIVE)
    assert (log.first_retained, log.retained_bytes, list(log.batches_from(1))) == (1, 0, [])
    assert (log.head_at(0), log.head_at(1), log.stranded) == (None, None, False)


# what may follow

CAPPED = Limits(entries_per_owner=6, bytes_per_owner=400)


@pytest.mark.parametrize(
    ("forge", "offence"),
    [
        pytest.param(lambda s: s.forge([put("x")], seq=5), Offence.CHAIN, id="a batch too far"),
        pytest.param(lambda s: s.forge([put("x")], seq=3), Offence.CHAIN, id="a batch again"),
        pytest.param(lambda s: s.forge([put("x")], prev_hash=b"p" * 32), Offence.CHAIN, id="after another batch"),
        pytest.param(lambda s: s.forge([put("x")], hlc=s.stamp() - 1), Offence.CHAIN, id="a clock that stands"),
        pytest.param(lambda s: s.forge([put("x")], hlc=0), Offence.CHAIN, id="a clock that goes back"),
        pytest.param(lambda s: s.forge([put("x")], state_root=b"r" * 32), Offence.ROOT, id="another state root"),
        pytest.param(lambda s: s.forge([b"\xff"]), Offence.DECODE, id="an op that is none"),
        pytest.param(lambda s: s.forge([put("x"), b"\xff"]), Offence.DECODE, id="a good op and one that is none"),
        pytest.param(lambda s: s.forge([put(c) for c in "xyz"]), Offence.QUOTA, id="more entries than the quota"),
        pytest.param(lambda s: s.forge([put("a", b"x" * 400)]), Offence.QUOTA, id="more bytes than the quota"),
    ],
)
def test_a_batch_is_refused_and_nothing_changes(forge: Callable[[Scribe], bytes], offence: Offence) -> None:
    writer = scribe_of(3)
    log = replayed(writer, CAPPED)
    before = picture(log)
    with pytest.raises(RemoteError) as caught:
        log.apply(batches.parse(forge(writer)))
    assert caught.value.offence is offence
    assert picture(log) == before


def test_the_quota_is_what_stands_after_the_batch() -> None:
    writer = scribe_of(3)
    log = replayed(writer, CAPPED)
    writer.write(delete("k1"), delete("k2"), *(put(c) for c in "wxyz"))
    log.apply(batches.parse(writer.batches[-1]))
    assert len(log.entries) == CAPPED.entries_per_owner
    assert keys(log) == {"a", "k3"}


def test_a_quota_can_be_used_up_to_the_last_byte() -> None:
    writer = scribe_of(2)
    full = Limits(entries_per_owner=len(writer.log.entries), bytes_per_owner=writer.log.size)
    assert replayed(writer, full).size == full.bytes_per_owner


def test_a_preview_says_the_root_and_changes_nothing() -> None:
    writer = scribe_of(3)
    log = replayed(writer)
    before = picture(log)
    batch = batches.parse(writer.write(put("a", b"next"), add("s", b"e"), delete("k1")))
    header = batch.signed.header
    assert log.preview(batch.ops, header.seq, header.hlc) == header.state_root
    assert picture(log) == before


def test_a_removal_leaves_nothing_unless_it_observed_older_terms() -> None:
    writer = Scribe(Ring())
    writer.write(put("k"), add("s", b"e"))
    writer.write(delete("k"), remove("s", b"e"), delete("never there"))
    assert writer.log.entries == {}
    bare = writer.forge([delete("k", ((0, 1, 0),)), remove("s", b"e", ((0, 1, 1),))])
    writer.log.apply(batches.parse(bare))
    assert len(writer.log.entries) == 2


# what is kept


@pytest.mark.parametrize(
    ("keep", "acked", "first"),
    [
        pytest.param(1 << 20, 0, 1, id="all"),
        pytest.param(1 << 20, 2, 3, id="those that not everybody has"),
        pytest.param(1 << 20, 9, 5, id="none when everybody has all"),
        pytest.param(0, 0, 5, id="none when there is no room"),
        pytest.param(2, 0, 3, id="as many as there is room for"),
        pytest.param(2, 3, 4, id="the fewer of both"),
    ],
)
def test_forgetting(keep: int, acked: int, first: int) -> None:
    writer = scribe_of(4)
    log = replayed(writer)
    log.forget(keep * len(writer.batches[-1]) if keep < 10 else keep, acked)
    kept = writer.batches[first - 1 :]
    assert (log.first_retained, list(log.batches_from(first))) == (first, kept)
    assert list(log.batches_from(4)) == kept[-1:]
    assert log.retained_bytes == sum(map(len, kept))
    assert [seq for seq in range(6) if log.head_at(seq)] == [seq for seq in range(1, 5) if seq >= first - 1]


def test_a_log_forgets_by_itself_what_there_is_no_room_for() -> None:
    writer = scribe_of(4)
    size = len(writer.batches[-1])
    log = replayed(writer, Limits(retained_bytes=2 * size))
    assert log.first_retained == 3
    assert replayed(writer, Limits(retained_bytes=size - 1)).first_retained == 5


# cutting


@pytest.mark.parametrize("flag", [Flag.FORKED, Flag.CLOSED])
@pytest.mark.parametrize(
    ("forgotten", "cut", "seq", "left", "known"),
    [
        pytest.param(0, 2, 2, {"a", "k1", "k2"}, True, id="where batches are retained"),
        pytest.param(0, 0, 0, set(), True, id="before the first batch"),
        pytest.param(0, 4, 4, {"a", "k1", "k2", "k3", "k4"}, True, id="at the head"),
        pytest.param(0, 9, 4, {"a", "k1", "k2", "k3", "k4"}, True, id="beyond the head"),
        pytest.param(2, 2, 2, {"a", "k1", "k2"}, True, id="right before what is retained"),
        pytest.param(3, 2, 3, {"k1", "k2"}, False, id="below what is retained"),
        pytest.param(4, 2, 4, {"k1", "k2"}, False, id="where nothing is retained"),
        pytest.param(4, 0, 0, set(), True, id="before the first batch, where nothing is retained"),
        pytest.param(2, 0, 0, set(), True, id="before the first batch, where some are retained"),
    ],
)
def test_a_cut(forgotten: int, cut: int, seq: int, left: set[str], known: bool, flag: Flag) -> None:
    log = replayed(scribe_of(4))
    log.forget(1 << 20, acked=forgotten)
    assert log.cut_at(cut, flag) is known
    assert (log.seq, keys(log), log.stranded) == (seq, left, not known)
    assert (log.flag, log.cut) == (flag, cut)
    if known and seq:
        assert log.head is not None
        assert log.trie.root == log.head.root


def test_a_cut_log_grows_again_up_to_where_it_was() -> None:
    writer = scribe_of(4)
    log = replayed(writer)
    whole = picture(log)
    log.cut_at(1, Flag.FORKED)
    for batch in writer.batches[1:]:
        log.apply(batches.parse(batch))
    log.flag, log.cut = Flag.LIVE, None
    assert picture(log) == whole


# installing


def test_an_installed_state_replaces_everything() -> None:
    source, log = scribe_of(4), replayed(scribe_of(2))
    theirs = replayed(source)
    assert theirs.head is not None
    log.install(theirs.head, dict(theirs.entries), theirs.trie.copy())
    assert (log.seq, log.entries, log.size) == (4, theirs.entries, theirs.size)
    assert (log.first_retained, log.retained_bytes) == (5, 0)
    assert [seq for seq in range(6) if log.head_at(seq)] == [4]
    source.write(put("b"))
    log.apply(batches.parse(source.batches[-1]))
    assert log.cut_at(4, Flag.FORKED)
    assert log.trie.root == theirs.head.root


def test_an_unverified_state_is_not_installed() -> None:
    theirs = replayed(scribe_of(2))
    assert theirs.head is not None
    with pytest.raises(AssertionError, match="verified"):
        OwnerLog(theirs.author, Limits()).install(theirs.head, {}, replayed(scribe_of(1)).trie)
