"""What is read agrees with a naive log of all writes, at every moment; and what was removed does not return.

The model keeps every op that a replica holds and looks at all of them: no entries, no trie, no order of arrival.
"""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from crdt import batch as batches
from crdt import fork
from crdt.ops import Dot, Op, OpKind, decode_op
from crdt.replica import Replica
from tests.support.replicas import (
    REGISTERS,
    SETS,
    Scribe,
    add,
    delete,
    deliver,
    put,
    remove,
    replica_of,
    stories,
    write_all,
)
from tests.support.sync_pair import WALL_MS, Ring

Story = list[list[Op]]
KEYS = "abc"


class Write(NamedTuple):
    """One op of a log; writes ascend as last-write-wins orders them."""

    term: int
    hlc: int
    dot: Dot
    op: Op


def writes_held(replica: Replica, scribes: list[Scribe]) -> list[Write]:
    """Every op of every batch that a replica has applied."""
    found = []
    for scribe in scribes:
        head = replica.head(scribe.author)
        for raw in scribe.batches[: head.seq if head else 0]:
            batch = batches.parse(raw)
            header = batch.signed.header
            for place, op in enumerate(batch.ops):
                dot = Dot(header.term, header.seq, place)
                found.append(Write(header.term, header.hlc, dot, decode_op(op)))
    return found


def register(writes: list[Write], key: str) -> bytes | None:
    """The greatest write wins. A deletion that observed nothing older only takes back what its own term wrote."""
    ours = sorted((w for w in writes if (w.op.collection, w.op.key) == (REGISTERS, key)), key=lambda w: w[:3])
    while ours and ours[-1].op.kind is OpKind.DEL and not ours[-1].op.observed:
        ours = [w for w in ours if w.term != ours[-1].term]
    return ours[-1].op.value if ours else None


def elements(writes: list[Write], key: str) -> list[bytes]:
    """What was added and not removed by somebody who had seen it, or something later of its author."""
    ours = [w for w in writes if (w.op.collection, w.op.key) == (SETS, key)]
    removals = [w for w in ours if w.op.kind is OpKind.RM]
    return sorted(
        {
            w.op.value or b""
            for w in ours
            if w.op.kind is OpKind.ADD and not any(removes(removal, w) for removal in removals)
        }
    )


def removes(removal: Write, added: Write) -> bool:
    if removal.op.value != added.op.value:
        return False
    if removal.term == added.term:
        return removal.dot > added.dot
    return any(seen[0] == added.term and seen >= added.dot for seen in removal.op.observed)


def agree(replica: Replica, scribes: list[Scribe]) -> None:
    writes, swarm = writes_held(replica, scribes), scribes[0].author.swarm
    listed = {key: value.value for key, value in replica.items(swarm, REGISTERS)}
    for key in KEYS:
        found = replica.get(swarm, REGISTERS, key)
        assert (found.value if found else None) == register(writes, key) == listed.get(key)
        assert replica.elements(swarm, SETS, key) == elements(writes, key)


def plain_register(writes: list[Write], key: str) -> bytes | None:
    """Last write wins, by (term, clock, dot), with nothing more to it."""
    ours = [w for w in writes if (w.op.collection, w.op.key) == (REGISTERS, key)]
    return max(ours, key=lambda w: w[:3]).op.value if ours else None


def successive(terms: list[Story]) -> list[Scribe]:
    """One scribe a term, each having read all before it."""
    ring = Ring()
    scribes: list[Scribe] = []
    for term, story in enumerate(terms, start=1):
        scribe = Scribe(ring, term=term)
        scribe.read(*scribes)
        scribes.append(write_all(scribe, story))
    return scribes


@given(terms=st.lists(stories, min_size=1, max_size=3), data=st.data())
def test_reading_agrees_with_a_log_of_all_writes(terms: list[Story], data: st.DataObject) -> None:
    scribes = successive(terms)
    written = [batch for scribe in scribes for batch in scribe.batches]
    replica = replica_of(scribes[0].ring)
    for place in data.draw(st.lists(st.sampled_from(range(len(written))), max_size=15)):
        replica.receive(written[place], WALL_MS)
    agree(replica, scribes)
    deliver(replica, written)
    agree(replica, scribes)
    writes, swarm = writes_held(replica, scribes), scribes[0].author.swarm
    assert len(writes) == sum(len(ops) for story in terms for ops in story)
    for key in KEYS:
        found = replica.get(swarm, REGISTERS, key)
        assert (found.value if found else None) == plain_register(writes, key)


@given(first=stories, second=stories, other=stories, data=st.data())
def test_what_was_removed_never_returns(first: Story, second: Story, other: Story, data: st.DataObject) -> None:
    """Not when older batches come late, nor when a fork cuts them off: the newer term has seen it go."""
    older = write_all(Scribe(Ring()), [*first, [add("a", b"x"), put("a")]])
    twin = write_all(older.twin(data.draw(st.integers(0, len(first)))), other)
    newer = Scribe(older.ring, term=2)
    newer.read(older)
    write_all(newer, [*second, [remove("a", b"x"), delete("a")]])
    proofs = [
        fork.build(older.envelope(seq), twin.envelope(seq))
        for seq in range(1, min(len(older.batches), len(twin.batches)) + 1)
        if older.batches[seq - 1] != twin.batches[seq - 1]
    ]
    replica = replica_of(older.ring)
    deliver(replica, older.batches[: data.draw(st.integers(0, len(older.batches)))])
    deliver(replica, newer.batches)
    for step in data.draw(st.permutations([*older.batches, *proofs])):
        assert b"x" not in replica.elements(older.author.swarm, SETS, "a")
        assert replica.get(older.author.swarm, REGISTERS, "a") is None
        if step in proofs:
            replica.receive_fork(step)
        else:
            replica.receive(step, WALL_MS)
    assert b"x" not in replica.elements(older.author.swarm, SETS, "a")
    assert replica.get(older.author.swarm, REGISTERS, "a") is None
