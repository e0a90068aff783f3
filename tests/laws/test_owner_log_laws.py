"""A log's state is a function of its prefix: whatever came after, a cut leads back to exactly what it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import batch as batches
from crdt.ops import Op, decode_entry
from crdt.owner_log import Flag, Limits, OwnerLog
from tests.support.replicas import Scribe, picture, put, some_ops, stories, write_all
from tests.support.sync_pair import Ring
from wire.errors import RemoteError

Story = list[list[Op]]
STATE = slice(3, 6)  # of a picture: entries, their size, the root


def grown(writer: Scribe) -> tuple[OwnerLog, list[tuple[object, ...]]]:
    """The log of all that was written, with its picture after each batch."""
    log = OwnerLog(writer.author, Limits())
    pictures = [picture(log)]
    for batch in writer.batches:
        log.apply(batches.parse(batch))
        pictures.append(picture(log))
    return log, pictures


@given(story=stories, data=st.data())
def test_a_cut_leads_back_to_exactly_what_was(story: Story, data: st.DataObject) -> None:
    log, pictures = grown(write_all(Scribe(Ring()), story))
    seq = data.draw(st.integers(0, len(story)))
    assert log.cut_at(seq, Flag.FORKED)
    log.flag, log.cut = Flag.LIVE, None
    assert picture(log) == pictures[seq]


@given(story=stories, data=st.data())
def test_however_much_was_forgotten_a_cut_is_right_or_says_that_it_cannot_be(
    story: Story, data: st.DataObject
) -> None:
    log, pictures = grown(write_all(Scribe(Ring()), story))
    acked = data.draw(st.integers(0, len(story)))
    seq = data.draw(st.integers(0, len(story)))
    log.forget(1 << 30, acked)
    known = log.cut_at(seq, Flag.CLOSED)
    assert known == (seq >= acked or seq == 0)
    assert log.stranded is not known
    if known:
        assert picture(log)[STATE] == pictures[seq][STATE]
        assert log.seq == seq
    else:  # nothing is left that was written later, and nothing is lost that no later batch touched
        before, after = pictures[seq][3], pictures[acked][3]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert log.entries == {path: entry for path, entry in after.items() if before.get(path) == entry}
        assert all(decode_entry(entry, 1).dot.seq <= seq for entry in log.entries.values())


@given(story=stories, data=st.data())
def test_cuts_ever_deeper_are_one_cut(story: Story, data: st.DataObject) -> None:
    writer = write_all(Scribe(Ring()), story)
    stepwise, _ = grown(writer)
    at_once, _ = grown(writer)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(story)), min_size=1, max_size=3)), reverse=True)
    for cut in cuts:
        stepwise.cut_at(cut, Flag.FORKED)
    at_once.cut_at(cuts[-1], Flag.FORKED)
    assert picture(stepwise) == picture(at_once)


@given(story=stories, data=st.data())
def test_after_a_cut_another_branch_grows_as_if_the_first_had_never_been(story: Story, data: st.DataObject) -> None:
    writer = write_all(Scribe(Ring()), story)
    log, _ = grown(writer)
    seq = data.draw(st.integers(0, len(story)))
    twin = write_all(writer.twin(seq), data.draw(stories))
    log.cut_at(seq, Flag.FORKED)
    for batch in twin.batches[seq:]:
        log.apply(batches.parse(batch))
    log.flag, log.cut = Flag.LIVE, None
    assert picture(log) == grown(twin)[1][-1]


CAPPED = Limits(entries_per_owner=15, bytes_per_owner=2_000)  # no story comes near it
LIES: dict[str, tuple[list[Op | bytes], dict[str, object]]] = {
    "too many entries": ([put(f"filler {number}") for number in range(16)], {}),
    "too many bytes": ([put("filler", b"x" * 2_000)], {}),
    "no op": ([b"\xff"], {}),
    "wrong root": ([], {"state_root": b"r" * 32}),
    "wrong place": ([], {"seq": 99}),
    "wrong past": ([], {"prev_hash": b"p" * 32}),
    "old clock": ([], {"hlc": 0}),
}


@given(story=stories, refused=some_ops, lie=st.sampled_from(sorted(set(LIES))))
def test_what_is_refused_leaves_no_trace(story: Story, refused: list[Op], lie: str) -> None:
    writer = write_all(Scribe(Ring()), story)
    log = OwnerLog(writer.author, CAPPED)
    for batch in writer.batches:
        log.apply(batches.parse(batch))
    before = picture(log)
    extra, fields = LIES[lie]
    forged = writer.forge([*map(writer.naming, refused), *extra], **fields)
    with pytest.raises(RemoteError):
        log.apply(batches.parse(forged))
    assert picture(log) == before
