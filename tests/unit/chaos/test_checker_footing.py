"""What nodes stand on, as a checker sees it: a start rests on the platter, and signs nothing while it is in doubt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.checkers.footing import Footing
from mesh.protocol.effects import RecordKind, Subscribe
from mesh.storage.store import Doubt
from tests.support.hand_made import (
    Happening,
    Holds,
    Is,
    Persists,
    Releases,
    Restarts,
    Rule,
    Stage,
    Steps,
    batch_of,
    served,
)

STARTS = Releases("s1", Subscribe(topic="state"))
THIRD, FOURTH, FIFTH = (batch_of("s1", number) for number in (3, 4, 5))


@dataclass(frozen=True, slots=True)
class Writes:
    """A file of s1 is written, and synced or not."""

    name: str
    synced: bool

    def shown(self, stage: Stage) -> Iterator[str]:
        disk = stage.world.hosts["s1"].disk
        handle = disk.open_new(Path(self.name))
        disk.write(handle, b"something")
        if self.synced:
            disk.sync(handle)
            disk.sync_directory(Path(self.name).parent / "state")
        return iter(())


def doubts(doubt: Doubt = Doubt.TAIL) -> Happening:
    """Its disk left s1 in doubt; NONE: that is settled by now."""
    return Steps("s1", {"in_doubt": True, "store": SimpleNamespace(doubt=doubt)})


def signs(raw: bytes, *between: Happening) -> tuple[Happening, ...]:
    """A step in which s1 makes a batch durable."""
    return (Persists("s1", raw), *between, Holds("s1", served(raw)))


def may_be(seq: int) -> tuple[str, ...]:
    return (f"it signs batch {seq}, and what its disk forgot may be that very batch",)


def cut_away(name: str) -> tuple[str, ...]:
    return (f"it begins with what a power cut would take: {name}",)


RULES = {
    "the journal that a process begins with is on the platter": Rule(
        checker=Footing,
        good=(Writes("journal-2.log", True), STARTS),
        bad=(Writes("journal-2.log", False), STARTS),
        said=cut_away("journal-2.log"),
    ),
    "snapshots are, and caches need not be": Rule(
        checker=Footing,
        good=(Writes("book.cache", False), Writes("in-use", False), STARTS),
        bad=(Writes("chain.snap", False), STARTS),
        said=cut_away("chain.snap"),
    ),
    "others confirmed its log, though the doubt lasts for its votes": Rule(
        checker=Footing,
        good=(doubts(), STARTS, *signs(FOURTH, Steps("s1", {"settled": True}))),
        bad=(doubts(), STARTS, *signs(FOURTH, Steps("s1", {"settled": False}))),
        said=may_be(4),
    ),
    "a doubt is settled in the step that signs, or before": Rule(
        checker=Footing,
        good=(doubts(), STARTS, *signs(FOURTH, doubts(Doubt.NONE))),
        bad=(doubts(), STARTS, *signs(FOURTH)),
        said=may_be(4),
    ),
    "who ended in order knows what was signed": Rule(
        checker=Footing,
        good=(Steps("s1", {"store": SimpleNamespace(doubt=Doubt.DAMAGE)}), STARTS, *signs(FOURTH)),
        bad=(doubts(Doubt.DAMAGE), STARTS, *signs(FOURTH)),
        said=may_be(4),
    ),
    "what was signed before may be fetched again": Rule(
        checker=Footing,
        good=(*signs(FOURTH), Restarts("s1"), doubts(), STARTS, *signs(THIRD), *signs(FOURTH)),
        bad=(*signs(FOURTH), Restarts("s1"), doubts(), STARTS, *signs(THIRD), *signs(FIFTH)),
        said=may_be(5),
    ),
    "that very one, not another of its number": Rule(
        checker=Footing,
        good=(*signs(THIRD), *signs(FOURTH), Restarts("s1"), doubts(), STARTS, *signs(THIRD), *signs(FOURTH)),
        bad=(*signs(THIRD), *signs(FOURTH), Restarts("s1"), doubts(), STARTS, *signs(batch_of("s1", 3, hlc=99))),
        said=may_be(3),
    ),
    "and what lay on the disk": Rule(
        checker=Footing,
        good=(Steps("s1", {"beyond": 4}), doubts(), STARTS, *signs(FOURTH)),
        bad=(Steps("s1", {"beyond": 3}), doubts(), STARTS, *signs(FOURTH)),
        said=may_be(4),
    ),
    "be it in the log itself": Rule(
        checker=Footing,
        good=(Holds("s1", served(FOURTH)), doubts(), STARTS, *signs(FOURTH)),
        bad=(Holds("s1", served(THIRD)), doubts(), STARTS, *signs(FOURTH)),
        said=may_be(4),
    ),
    "others' batches are not one's own, nor are blocks batches": Rule(
        checker=Footing,
        good=(
            doubts(),
            STARTS,
            Persists("s1", batch_of("s2", 4)),
            Persists("s1", b"no batch", RecordKind.BLOCK),
            Holds("s1", served(batch_of("s2", 4))),
        ),
        bad=(doubts(), STARTS, Persists("s1", batch_of("s2", 4)), *signs(FIFTH)),
        said=may_be(5),
    ),
    "a process that died in the step has said nothing": Rule(
        checker=Footing,
        good=(
            doubts(),
            STARTS,
            Persists("s1", FOURTH),
            Restarts("s1"),
            doubts(),
            STARTS,
            Holds("s1", served(FOURTH)),
        ),
        bad=(doubts(), STARTS, Persists("s1", FOURTH), Restarts("s1"), doubts(), STARTS, *signs(FIFTH)),
        said=may_be(5),
    ),
    "of who lies or was robbed nothing is expected": Rule(
        checker=Footing,
        good=(Is("s1", robbed=True), doubts(), STARTS, *signs(FOURTH)),
        bad=(Is("s1", rotten=True), doubts(), STARTS, *signs(FOURTH)),
        said=may_be(4),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_keeps_the_rule_is_left_alone(rule: str) -> None:
    assert Stage(RULES[rule].checker).play(*RULES[rule].good) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_breaks_the_rule_is_found(rule: str) -> None:
    assert tuple(Stage(RULES[rule].checker).play(*RULES[rule].bad)) == RULES[rule].said
