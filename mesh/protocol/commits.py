"""The order of durability: how a list of effects is carried out so that nothing is sent that could be forgotten.

An interpreter does for each `Commit`, in this order: the compaction, the records with one fsync, the rest one by one.
Earlier than asked is as durable, so all records up to the next compaction are written together: group commit. A
compaction drops the journal, so records that stand behind it are written behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mesh.protocol.effects import Compact, Effect, Persist


class Commit(NamedTuple):
    """What becomes durable together, and what may be released once it is."""

    compact: Compact | None
    records: tuple[Persist, ...]
    rest: tuple[Effect, ...]


_RECORDS = frozenset((Compact, Persist))


def commits(effects: Sequence[Effect]) -> Iterator[Commit]:
    """`effects` cut before each compaction."""
    if _RECORDS.isdisjoint(map(type, effects)):  # as a rule
        if effects:
            yield Commit(compact=None, records=(), rest=tuple(effects))
        return
    cuts = [index for index, effect in enumerate(effects) if isinstance(effect, Compact)]
    for start, end in zip([0, *cuts], [*cuts, len(effects)], strict=True):
        part = effects[start:end]
        if part:  # nothing stands before a compaction that comes first
            first = part[0]
            yield Commit(
                compact=first if isinstance(first, Compact) else None,
                records=tuple(effect for effect in part if isinstance(effect, Persist)),
                rest=tuple(effect for effect in part if not isinstance(effect, Compact | Persist)),
            )
