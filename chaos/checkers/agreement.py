"""S10: who holds the same log of an owner holds the same state of it; and an honest owner has one log only.

For every (owner, term, seq) of an owner that did not lie and whose disk was not taken back, there is one batch hash
in the whole world, ever. For every hash there is one root. A log of such an owner is never marked as forked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from crdt.ops import Author
from crdt.owner_log import Flag
from crdt.replica import Row

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Agreement(Checker):
    """Remembers every head that anybody ever held."""

    name = "agreement"

    def __init__(self) -> None:
        self._hashes: dict[tuple[Author, int], bytes] = {}
        self._spread: dict[tuple[Author, int], None] = {}  # which of them others than the owner ever held
        self._roots: dict[tuple[Author, int, bytes], bytes] = {}
        self._held: PerProcess[dict[Author, Row]] = PerProcess(dict)

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        held = self._held.of(process)
        for row in rows:
            if held.get(row.author) == row:
                continue
            held[row.author] = row
            owner = world.owner(row.swarm)
            if owner.honest:
                if row.flag is Flag.FORKED:
                    yield f"the log of {owner.name}, which never forked, is marked as forked"
                place = (row.author, row.seq)
                if self._hashes.setdefault(place, row.hash) != row.hash:
                    if place in self._spread or not owner.rotten:
                        yield f"{owner.name} wrote two batches with number {row.seq}"
                    self._hashes[place] = row.hash  # the first one rotted before anybody else had it
                if process.host is not owner:
                    self._spread[place] = None
            if row.flag is Flag.LIVE:
                root = self._roots.setdefault((row.author, row.seq, row.hash), row.root)
                if root != row.root:
                    yield f"the log of {owner.name} up to {row.seq} leads to two states"
