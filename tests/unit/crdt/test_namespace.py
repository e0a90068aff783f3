"""Reading a swarm whose terms were written one after another. Each row tells what was written, and what is read.

Agreement with a naive model over arbitrary stories is in tests/laws/test_replica_reading.py.
"""

from __future__ import annotations

import pytest

from crdt import fork
from crdt.ops import Op, OpKind
from crdt.replica import Replica
from tests.support.replicas import REGISTERS, SETS, Scribe, add, delete, deliver, put, remove
from tests.support.sync_pair import FEDERATION, Ring

Term = list[Op]


def written(*terms: Term) -> Scribe:
    """The scribe of the newest term, who has read all older ones; an op is a batch, so that clocks advance."""
    ring = Ring()
    scribe = Scribe(ring)
    for number, ops in enumerate(terms, start=1):
        older, scribe = scribe, Scribe(ring, term=number)
        for raw in older.replica.logs.values():
            deliver(scribe.replica, raw.batches_from(1))
        for op in ops:
            scribe.write(op)
    return scribe


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        pytest.param([[]], None, id="nothing written"),
        pytest.param([[put("k", b"1")]], b"1", id="written"),
        pytest.param([[put("k", b"1"), put("k", b"2")]], b"2", id="overwritten"),
        pytest.param([[put("k", b"1"), delete("k")]], None, id="deleted"),
        pytest.param([[put("k", b"1"), delete("k"), put("k", b"2")]], b"2", id="written again"),
        pytest.param([[put("k", b"1")], []], b"1", id="kept over a term"),
        pytest.param([[put("k", b"1")], [put("k", b"2")]], b"2", id="overwritten in the next term"),
        pytest.param([[put("k", b"1")], [delete("k")]], None, id="deleted in the next term"),
        pytest.param([[put("k", b"1")], [delete("k")], []], None, id="deleted a term ago"),
        pytest.param([[put("k", b"1")], [delete("k")], [put("k", b"2")]], b"2", id="written again after a tombstone"),
        pytest.param(
            [[put("k", b"1")], [put("k", b"2"), delete("k")]], None, id="an older term does not shine through"
        ),
        pytest.param(
            [[put("k", b"1"), put("k", b"2"), put("k", b"3")], [put("k", b"4")]], b"4", id="term before clock"
        ),
        pytest.param([[put("l", b"1"), add("k", b"e")]], None, id="other things"),
    ],
)
def test_a_register_shows(terms: list[Term], value: bytes | None) -> None:
    scribe = written(*terms)
    found = scribe.replica.get(scribe.author.swarm, REGISTERS, "k")
    assert (found.value if found else None) == value
    listed = dict(scribe.replica.items(scribe.author.swarm, REGISTERS))
    assert listed.get("k") == found


@pytest.mark.parametrize(
    ("terms", "elements"),
    [
        pytest.param([[]], [], id="nothing added"),
        pytest.param([[add("k", b"b"), add("k", b"a")]], [b"a", b"b"], id="ascending"),
        pytest.param([[add("k", b"a"), add("k", b"a")]], [b"a"], id="added twice"),
        pytest.param([[add("k", b"a"), remove("k", b"a")]], [], id="removed"),
        pytest.param([[add("k", b"a"), remove("k", b"b")]], [b"a"], id="another one removed"),
        pytest.param([[add("k", b"a"), add("l", b"b"), put("k")]], [b"a"], id="another set, a register"),
        pytest.param([[add("k", b"a")], [add("k", b"b")]], [b"a", b"b"], id="added in two terms"),
        pytest.param([[add("k", b"a")], [add("k", b"a"), remove("k", b"a")]], [], id="removed from both terms"),
        pytest.param(
            [[add("k", b"a"), add("k", b"a")], [remove("k", b"a")]], [], id="removed after being added twice"
        ),
        pytest.param([[add("k", b"a")], [remove("k", b"a"), add("k", b"a")]], [b"a"], id="added again"),
        pytest.param([[add("k", b"a")], [remove("k", b"a")], []], [], id="removed a term ago"),
        pytest.param([[add("k", b"a")], [remove("k", b"a")], [add("k", b"a")]], [b"a"], id="added after a tombstone"),
        pytest.param(
            [[add("k", b"a")], [add("k", b"a")], [remove("k", b"a")]], [], id="removed from two older terms"
        ),
        pytest.param(
            [[add("k", b"a")], [remove("k", b"a")], [add("k", b"a"), remove("k", b"a")]],
            [],
            id="a removal on another",
        ),
    ],
)
def test_a_set_shows(terms: list[Term], elements: list[bytes]) -> None:
    scribe = written(*terms)
    assert scribe.replica.elements(scribe.author.swarm, SETS, "k") == elements


def test_a_value_tells_its_origin() -> None:
    scribe = written([put("old", b"1")], [put("new", b"2")])
    swarm = scribe.author.swarm
    old, new = scribe.replica.get(swarm, REGISTERS, "old"), scribe.replica.get(swarm, REGISTERS, "new")
    assert old is not None
    assert new is not None
    assert (old.dot, old.hlc, old.forked) == ((1, 1, 0), 1, False)
    assert (new.dot, new.hlc, new.forked) == ((2, 1, 0), 1, False)


def test_what_stands_before_a_fork_stays_readable_and_is_marked() -> None:
    scribe = written([put("k", b"1")])
    twin = scribe.twin()
    scribe.write(put("k", b"2"))
    twin.write(put("k", b"3"))
    scribe.replica.receive_fork(fork.build(scribe.envelope(2), twin.envelope(2)))
    found = scribe.replica.get(scribe.author.swarm, REGISTERS, "k")
    assert found is not None
    assert (found.value, found.forked) == (b"1", True)
    assert dict(scribe.replica.items(scribe.author.swarm, REGISTERS)) == {"k": found}


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        pytest.param("", ["a/1", "a/2", "b"], id="all"),
        pytest.param("a/", ["a/1", "a/2"], id="a prefix"),
        pytest.param("a/1", ["a/1"], id="a whole key"),
        pytest.param("c", [], id="no such key"),
    ],
)
def test_items_by_prefix(prefix: str, keys: list[str]) -> None:
    scribe = written(
        [
            put("a/1"),
            put("a/2"),
            put("a/3"),
            Op(collection="other", key="a/4", kind=OpKind.PUT, value=b"v", observed=()),
        ],
        [put("b"), delete("a/3"), add("a", b"e")],
    )
    assert sorted(key for key, _ in scribe.replica.items(scribe.author.swarm, REGISTERS, prefix)) == keys


def test_registers_and_sets_of_one_name_are_apart() -> None:
    scribe = written(
        [put("k"), Op(collection=REGISTERS, key="l", kind=OpKind.ADD, value=b"in a set", observed=())],
        [add("k", b"e"), Op(collection=SETS, key="k", kind=OpKind.PUT, value=b"in a register", observed=())],
    )
    swarm = scribe.author.swarm
    assert [key for key, _ in scribe.replica.items(swarm, REGISTERS)] == ["k"]
    assert scribe.replica.elements(swarm, SETS, "k") == [b"e"]


def test_swarms_are_apart() -> None:
    ring = Ring()
    alpha, beta = Scribe(ring, "alpha"), Scribe(ring, "beta", term=2)
    alpha.write(put("k", b"a"), add("s", b"a"))
    beta.write(put("k", b"b"), add("s", b"b"))
    replica = Replica(FEDERATION, ring)
    deliver(replica, [*alpha.batches, *beta.batches])
    assert replica.swarms() == sorted([alpha.author.swarm, beta.author.swarm])
    for scribe, name in ((alpha, b"a"), (beta, b"b")):
        found = replica.get(scribe.author.swarm, REGISTERS, "k")
        assert found is not None
        assert found.value == name
        assert replica.elements(scribe.author.swarm, SETS, "s") == [name]


@pytest.mark.parametrize(
    ("terms", "author_term", "dots"),
    [
        pytest.param([[add("k", b"a")], []], 2, [(1, 1, 0)], id="of an older term"),
        pytest.param([[add("k", b"a")], [add("k", b"a")], []], 3, [(1, 1, 0), (2, 1, 0)], id="of all older terms"),
        pytest.param([[add("k", b"a")], [add("k", b"a")]], 2, [(1, 1, 0)], id="not of one's own"),
        pytest.param([[add("k", b"a")], [add("k", b"a")]], 1, [], id="not of newer ones"),
        pytest.param([[add("k", b"a")], [remove("k", b"a")], []], 3, [(1, 1, 0)], id="not of removals"),
        pytest.param([[add("k", b"b"), put("k")], []], 2, [], id="not of other things"),
    ],
)
def test_a_removal_names_the_dots(terms: list[Term], author_term: int, dots: list[tuple[int, int, int]]) -> None:
    scribe = written(*terms)
    author = scribe.author._replace(term=author_term)
    assert list(scribe.replica.observed(author, SETS, "k", b"a")) == dots


def test_a_removal_of_a_register_names_its_dots() -> None:
    scribe = written([put("k"), add("k", b"e")], [])
    assert scribe.replica.observed(scribe.author, REGISTERS, "k") == ((1, 1, 0),)


# removed elements never return


def test_a_removed_element_is_not_there_even_where_the_removed_log_is_held_in_part() -> None:
    older = written([add("k", b"a"), add("k", b"a")])
    newer = Scribe(older.ring, term=2)
    newer.read(older)
    newer.write(remove("k", b"a"))
    replica = Replica(FEDERATION, older.ring)
    deliver(replica, [older.batches[0], *newer.batches])
    assert replica.elements(older.author.swarm, SETS, "k") == []
    deliver(replica, older.batches)
    assert replica.elements(older.author.swarm, SETS, "k") == []


def test_a_removed_element_does_not_return_when_the_removed_log_is_cut() -> None:
    older = written([add("k", b"a"), put("x")])
    twin = older.twin()
    older.write(add("k", b"a"))
    twin.write(put("y"))
    newer = Scribe(older.ring, term=2)
    newer.read(older)
    newer.write(remove("k", b"a"))
    newer.replica.receive_fork(fork.build(older.envelope(3), twin.envelope(3)))
    assert newer.replica.elements(older.author.swarm, SETS, "k") == []


def test_a_removal_of_one_element_does_not_cover_another() -> None:
    scribe = written([add("k", b"b"), add("k", b"a")], [remove("k", b"a")])
    assert scribe.replica.elements(scribe.author.swarm, SETS, "k") == [b"b"]


def test_a_removal_does_not_cover_a_term_that_it_has_not_seen() -> None:
    first, second = written([add("k", b"a")]), Scribe(ring := Ring(), term=2)
    second.write(add("k", b"a"))
    third = Scribe(ring, term=3)
    third.read(second)
    third.write(remove("k", b"a"))
    replica = Replica(FEDERATION, ring)
    ring.author("alpha")
    deliver(replica, [*second.batches, *third.batches])
    assert replica.elements(first.author.swarm, SETS, "k") == []
    deliver(replica, first.batches)
    assert replica.elements(first.author.swarm, SETS, "k") == [b"a"]


def test_what_was_added_after_the_removal_looked_stays() -> None:
    older = written([add("k", b"a")])
    newer = Scribe(older.ring, term=2)
    newer.read(older)
    newer.write(remove("k", b"a"))
    older.write(add("k", b"a"))
    deliver(newer.replica, older.batches)
    assert newer.replica.elements(older.author.swarm, SETS, "k") == [b"a"]
