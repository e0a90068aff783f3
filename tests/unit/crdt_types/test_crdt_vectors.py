"""How two histories stand to each other, by their version vectors."""

from __future__ import annotations

import pytest

from crdt.types.version_vector import Relation, VersionVector

A, B = b"a", b"b"


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        pytest.param({}, {}, Relation.EQUAL, id="nothing, nothing"),
        pytest.param({A: 1, B: 2}, {B: 2, A: 1}, Relation.EQUAL, id="the same"),
        pytest.param({}, {A: 1}, Relation.BEFORE, id="nothing, something"),
        pytest.param({A: 1}, {A: 2}, Relation.BEFORE, id="less of one"),
        pytest.param({A: 1}, {A: 1, B: 1}, Relation.BEFORE, id="less of another"),
        pytest.param({A: 2, B: 1}, {A: 1}, Relation.AFTER, id="more of both"),
        pytest.param({A: 1}, {B: 1}, Relation.CONCURRENT, id="of others"),
        pytest.param({A: 2, B: 1}, {A: 1, B: 2}, Relation.CONCURRENT, id="more of one, less of another"),
    ],
)
def test_a_history_stands_to_another_as(one: dict[bytes, int], other: dict[bytes, int], relation: Relation) -> None:
    assert VersionVector(one).relation(VersionVector(other)) is relation
