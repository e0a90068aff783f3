"""What is made durable together, and before what."""

from __future__ import annotations

import pytest

from mesh.protocol.commits import commits
from mesh.protocol.effects import Compact, Disconnect, Effect, Persist, RecordKind
from wire.ids import PeerId


def record(number: int) -> Persist:
    return Persist(kind=RecordKind.BATCH, body=bytes([number]))


def word(text: str) -> Disconnect:
    return Disconnect(peer=PeerId(text), reason="")


COMPACT = Compact(snapshots={"chain": b"x"})

# effects, and per commit: whether it compacts, its records, the rest
TABLE: dict[str, tuple[list[Effect], list[tuple[bool, list[Effect], list[Effect]]]]] = {
    "nothing": ([], []),
    "words alone": ([word("a"), word("b")], [(False, [], [word("a"), word("b")])]),
    "all records before any word": (
        [word("a"), record(1), word("b"), record(2)],
        [(False, [record(1), record(2)], [word("a"), word("b")])],
    ),
    "records stay behind the compaction that they stand behind": (
        [record(1), COMPACT, record(2), word("a")],
        [(False, [record(1)], []), (True, [record(2)], [word("a")])],
    ),
    "words wait for what stands before them alone": (
        [word("a"), COMPACT, word("b"), COMPACT],
        [(False, [], [word("a")]), (True, [], [word("b")]), (True, [], [])],
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_effects_are_cut_into_commits(name: str) -> None:
    effects, expected = TABLE[name]
    found = [(commit.compact is not None, list(commit.records), list(commit.rest)) for commit in commits(effects)]
    assert found == expected
