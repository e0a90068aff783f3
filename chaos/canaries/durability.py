"""Canaries that break the order of durability: nothing may leave a node before what it rests on is on its disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.rules import Rules
from mesh.protocol.commits import Commit
from mesh.protocol.effects import Effect


class Overtaking(Rules):
    """Every effect is released before the records of its commit are written."""

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        for commit in super().commits(effects):
            yield Commit(compact=None, records=(), rest=commit.rest)
            yield Commit(compact=commit.compact, records=commit.records, rest=())


class Scribbling(Rules):
    """Records are never written."""

    def commits(self, effects: Sequence[Effect]) -> Iterator[Commit]:
        for commit in super().commits(effects):
            yield Commit(compact=commit.compact, records=(), rest=commit.rest)
