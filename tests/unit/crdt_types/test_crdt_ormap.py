"""The observed-remove map: what removing a key takes, what concurrent updates keep, and how maps nest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crdt.ops import MAX_KEY
from crdt.types.codec import Kind
from crdt.types.counters import ORCounter
from crdt.types.dots import Actor
from crdt.types.ormap import NESTABLE, Field, ORMap
from crdt.types.orset import ORSet
from crdt.types.registers import LWWRegister, MVRegister
from tests.support.crdt_pair import ALICE, BOB, MEET, Step, outcome
from wire.errors import ProposalTooLarge, UsageError

Change = Callable[[ORMap, Actor], ORMap]

READ: dict[Kind, Callable[[Any], Any]] = {
    Kind.OR_COUNTER: lambda value: value.value,
    Kind.LWW_REGISTER: lambda value: value.newest.value,
    Kind.MV_REGISTER: lambda value: value.values,
    Kind.OR_SET: lambda value: value.elements(),
    Kind.OR_MAP: lambda value: shown(value),
}


def shown(board: ORMap) -> dict[bytes, Any]:
    return {key: READ[kind](board.at(key, NESTABLE[kind])) for key, kind in board.fields()}


def tag(element: bytes, key: bytes = b"tags") -> Change:
    return lambda board, actor: board.update(key, ORSet, lambda tags: tags.add(actor, element))


def untag(element: bytes) -> Change:
    return lambda board, _: board.update(b"tags", ORSet, lambda tags: tags.remove(element))


def count(amount: int) -> Change:
    return lambda board, actor: board.update(b"votes", ORCounter, lambda votes: votes.add(actor, amount))


def write(value: bytes, hlc: int) -> Change:
    return lambda board, actor: board.update(b"name", LWWRegister, lambda it: it.write(actor, value, term=1, hlc=hlc))


def note(value: bytes) -> Change:
    return lambda board, actor: board.update(b"note", MVRegister, lambda it: it.write(actor, value))


def within(change: Change) -> Change:
    return lambda board, actor: board.update(b"sub", ORMap, lambda inner: change(inner, actor))


def drop(key: bytes, type_: type[Any]) -> Change:
    return lambda board, _: board.remove(key, type_)


def a(change: Change) -> Step:
    return ALICE, change


def b(change: Change) -> Step:
    return BOB, change


STORIES = [
    pytest.param([a(tag(b"x")), b(count(2))], {b"tags": [b"x"], b"votes": 2}, id="fields of both are there"),
    pytest.param([a(tag(b"x")), b(tag(b"y"))], {b"tags": [b"x", b"y"]}, id="concurrent creations merge"),
    pytest.param([a(tag(b"x")), MEET, b(drop(b"tags", ORSet))], {}, id="a remove takes what it observed"),
    pytest.param(
        [a(tag(b"x")), MEET, a(tag(b"y")), b(drop(b"tags", ORSet))],
        {b"tags": [b"y"]},
        id="an update wins over a concurrent remove, without what the remover observed",
    ),
    pytest.param(
        [a(count(5)), MEET, a(count(1)), b(drop(b"votes", ORCounter))],
        {b"votes": 1},
        id="a counter keeps exactly the concurrent additions",
    ),
    pytest.param(
        [a(write(b"old", 1)), MEET, a(write(b"new", 2)), b(drop(b"name", LWWRegister))],
        {b"name": b"new"},
        id="a concurrent write survives the remove",
    ),
    pytest.param(
        [a(note(b"1")), MEET, a(note(b"2")), b(note(b"3"))],
        {b"note": [b"2", b"3"]},
        id="concurrent values stand side by side inside a map",
    ),
    pytest.param(
        [a(count(5)), MEET, b(drop(b"votes", ORCounter)), MEET, a(count(1))],
        {b"votes": 1},
        id="an update after a remove starts from nothing",
    ),
    pytest.param([a(tag(b"x")), b(drop(b"tags", ORSet))], {b"tags": [b"x"]}, id="unseen, so not removed"),
    pytest.param([a(tag(b"x")), a(untag(b"x"))], {}, id="an emptied set is no field"),
    pytest.param(
        [a(tag(b"x")), a(count(1)), MEET, b(drop(b"tags", ORSet))], {b"votes": 1}, id="fields do not touch each other"
    ),
    pytest.param(
        [a(within(tag(b"x"))), MEET, a(within(count(1))), b(drop(b"sub", ORMap))],
        {b"sub": {b"votes": 1}},
        id="removing a map takes all the fields it observed",
    ),
    pytest.param(
        [a(within(tag(b"x"))), MEET, a(within(tag(b"y"))), b(within(drop(b"tags", ORSet)))],
        {b"sub": {b"tags": [b"y"]}},
        id="the rules hold one map down",
    ),
]


@pytest.mark.parametrize(("steps", "expected"), STORIES)
def test_what_is_in_the_map(steps: list[Step | str], expected: dict[bytes, Any]) -> None:
    assert shown(outcome(ORMap(), steps)) == expected


def test_types_under_one_key_are_different_fields() -> None:
    board = ORMap().join(tag(b"x", b"k")(ORMap(), ALICE))
    board = board.join(board.update(b"k", ORCounter, lambda it: it.add(ALICE, 3)))
    assert board.fields() == [Field(b"k", Kind.OR_COUNTER), Field(b"k", Kind.OR_SET)]
    assert board.join(board.remove(b"k", ORCounter)).fields() == [Field(b"k", Kind.OR_SET)]


def test_a_change_may_be_a_group_of_deltas() -> None:
    def twice(tags: ORSet) -> ORSet:
        first = tags.add(ALICE, b"x")
        return first.join(tags.join(first).add(ALICE, b"y"))

    board = outcome(ORMap(), [a(count(1))])
    assert shown(board.join(board.update(b"tags", ORSet, twice))) == {b"tags": [b"x", b"y"], b"votes": 1}


def test_a_change_that_returns_the_whole_value_is_a_mistake() -> None:
    board = outcome(ORMap(), [a(count(1)), a(tag(b"x"))])
    with pytest.raises(AssertionError, match="returns a delta"):
        board.update(b"tags", ORSet, lambda tags: tags.join(tags.add(ALICE, b"y")))


@pytest.mark.parametrize("key", [b"", bytes(MAX_KEY + 1)], ids=["empty", "long"])
def test_a_key_has_a_length(key: bytes) -> None:
    with pytest.raises(UsageError):
        ORMap().update(key, ORSet, lambda tags: tags.add(ALICE, b"x"))


def nested(change: Change, depth: int) -> ORMap:
    for _ in range(depth):
        change = within(change)
    return change(ORMap(), ALICE)


@pytest.mark.parametrize(("leaf", "depth"), [(tag(b"x"), 4), (note(b"x"), 5)], ids=["a set", "a register"])
def test_maps_nest_as_deep_as_peers_take_them(leaf: Change, depth: int) -> None:
    deepest = nested(leaf, depth)
    assert ORMap.decode(deepest.encode()) == deepest
    with pytest.raises(ProposalTooLarge, match="too deep"):
        nested(leaf, depth + 1).encode()
