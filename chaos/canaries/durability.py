"""Canaries that break durability: nothing may leave a node before what it rests on is on its disk, and what is read
from there is doubted where it is damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chaos.rules import Rules
from mesh.protocol.commits import Commit
from mesh.protocol.effects import Effect
from mesh.storage.store import Doubt, Recovered


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


class Trusting(Rules):
    """Where a journal cannot be read on, it ends: nobody is asked whether there was more."""

    def opened(self, found: Recovered) -> Recovered:
        return replace(found, clean=True, cut=False, doubt=Doubt.NONE)
