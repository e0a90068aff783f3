"""The observed-remove set: each named semantics in one line."""

from __future__ import annotations

import pytest

from crdt.types.codec import MAX_VALUE
from crdt.types.orset import ORSet
from tests.support.crdt_pair import ALICE, BOB, outcome, told
from wire.errors import UsageError

VERBS = {
    "+": lambda value, actor, element: value.add(actor, element.encode()),
    "-": lambda value, actor, element: value.remove(element.encode()),
    "!": lambda value, actor, _: value.reset(),
}

STORIES = [
    pytest.param("", [], id="empty"),
    pytest.param("a+x b+y", [b"x", b"y"], id="adds of both are in"),
    pytest.param("a+x b+x", [b"x"], id="added by both, in once"),
    pytest.param("a+x = b+y", [b"x", b"y"], id="what both have stays"),
    pytest.param("a+x = b-x", [], id="a remove takes what it observed"),
    pytest.param("a+x b+x = b-x", [], id="a remove takes the adds of everyone it observed"),
    pytest.param("a+x = a+x b-x", [b"x"], id="add wins over a concurrent remove"),
    pytest.param("a+x b-x", [b"x"], id="a remove does not touch what it did not see"),
    pytest.param("a+x b+x b-x", [b"x"], id="a remove wins only over what it observed"),
    pytest.param("a+x = a-x b-x", [], id="removed by both"),
    pytest.param("a+x a-x a+x", [b"x"], id="removed and added again"),
    pytest.param("a+x = b-x = a+x", [b"x"], id="added again after somebody else's remove"),
    pytest.param("a+x = a-x a+x b-x", [b"x"], id="added again while somebody removes the old one"),
    pytest.param("a+x = a-x b+y", [b"y"], id="elements do not touch each other"),
    pytest.param("a+x a+y = a+z b!", [b"z"], id="a reset takes what it observed and no more"),
]


@pytest.mark.parametrize(("story", "elements"), STORIES)
def test_what_is_in_the_set(story: str, elements: list[bytes]) -> None:
    merged = outcome(ORSet(), told(story, VERBS))
    assert merged.elements() == elements
    assert [element for element in (b"x", b"y", b"z") if element in merged] == elements


def test_nothing_is_left_of_a_removed_element() -> None:
    churned = outcome(ORSet(), told("a+x a-x " * 50 + "= b+x b-x", VERBS))
    assert churned.store == ORSet().store
    assert churned.context.parts() == ([(ALICE, 50), (BOB, 1)], [])


def test_an_element_added_often_has_one_dot() -> None:
    assert len(list(outcome(ORSet(), told("a+x a+x b+x = a+x", VERBS)).store.dots())) == 1


def test_a_remove_that_overtakes_its_add_still_wins() -> None:
    added = ORSet().add(ALICE, b"x")
    removed = added.remove(b"x")
    assert ORSet().join(removed).join(added).elements() == []


def test_a_delta_says_only_what_is_new() -> None:
    full = outcome(ORSet(), told("a+x b+y =", VERBS))
    assert full.add(ALICE, b"z").elements() == [b"z"]
    assert full.remove(b"absent") == ORSet()


def test_what_a_set_refuses() -> None:
    ORSet().add(ALICE, bytes(MAX_VALUE)).encode()
    with pytest.raises(UsageError):
        ORSet().add(ALICE, bytes(MAX_VALUE + 1))
