"""Three copies and a bad network: deltas come late, twice, in any order, grouped or never; states mend the rest.

After every step each copy shows what the naive log of operations says, told from the operations that reached it. When
all have exchanged states, all are equal, down to the bytes, and nothing is lost.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.types.stores import Causal
from tests.support.crdt_oplog import SUBJECTS, Log, Logged, Rank, Subject, live
from tests.support.crdt_values import ACTORS

REPLICAS = range(len(ACTORS))

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.type_.__name__)


class World:
    """The copies, what each received, and every delta that was ever sent."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.log: Log = []
        self.states = [subject.type_() for _ in REPLICAS]
        self.known: list[set[int]] = [set() for _ in REPLICAS]
        self.sent: list[tuple[bytes, int]] = []

    def act(self, replica: int, action: Any) -> None:
        """A user of this copy does something; the delta is sent, and may arrive."""
        state, number = self.states[replica], len(self.log)
        before = state.encode()
        delta = self.subject.mutate(state, ACTORS[replica], action)
        assert state.encode() == before, "a mutator leaves its value alone"
        rank = Rank(ACTORS[replica], number)
        self.log.append(Logged(number, rank, self.subject.note(action, live(self.seen(replica)), rank)))
        self.states[replica] = state.join(delta)
        self.known[replica].add(number)
        self.sent.append((delta.encode(), number))

    def deliver(self, replica: int, picks: list[int]) -> None:
        """Some of the deltas sent so far arrive as one group."""
        group = self.subject.type_()
        for pick in picks if self.sent else []:
            raw, number = self.sent[pick % len(self.sent)]
            group = group.join(self.subject.type_.decode(raw))
            self.known[replica].add(number)
        self.states[replica] = self.states[replica].join(group)

    def sync(self, replica: int, source: int) -> None:
        """The whole state of one copy arrives at another."""
        state = self.subject.type_.decode(self.states[source].encode())
        self.states[replica] = self.states[replica].join(state)
        self.known[replica] |= self.known[source]

    def seen(self, replica: int) -> Log:
        return self.subject.seen(self.log, self.known[replica])

    def check(self, replica: int) -> None:
        """This copy shows what the log says, and keeps a dot for each live write and nothing else."""
        state, writes = self.states[replica], live(self.seen(replica))
        assert self.subject.read(state) == self.subject.shows(writes)
        if isinstance(state, Causal):
            assert len(list(state.store.dots())) == len(writes)


def steps(subject: Subject) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    replica = st.sampled_from(REPLICAS)
    act = st.tuples(st.just(World.act), replica, subject.actions)
    deliver = st.tuples(st.just(World.deliver), replica, st.lists(st.integers(0, 30), min_size=1, max_size=3))
    sync = st.tuples(st.just(World.sync), replica, replica)
    step = st.one_of(act, act, deliver, sync)
    return st.integers(0, 24).flatmap(lambda count: st.lists(step, min_size=count, max_size=count))


def run(subject: Subject, story: list[tuple[Any, ...]]) -> World:
    world = World(subject)
    for step, replica, argument in story:
        step(world, replica, argument)
        world.check(replica)
    return world


@every_subject
@given(data=st.data())
def test_every_copy_shows_what_the_log_says_and_all_converge(subject: Subject, data: st.DataObject) -> None:
    world = run(subject, data.draw(steps(subject)))
    for source in (0, 1, 2, 1, 0):
        for replica in REPLICAS:
            world.sync(replica, source)
            world.check(replica)
    assert world.known == [set(range(len(world.log)))] * len(REPLICAS)
    assert [state.encode() for state in world.states] == [world.states[0].encode()] * len(REPLICAS)

    deltas = subject.type_()
    for raw, _ in data.draw(st.permutations(world.sent)):
        deltas = deltas.join(subject.type_.decode(raw))
    assert [deltas] * len(REPLICAS) == world.states, "all deltas, in any order, make the state"
