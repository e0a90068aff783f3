"""S12: a term that has ended is over: nobody who knows the next one takes anything of it, and nobody promises in it
once the next queen does.

A log that was closed is held by no node beyond its close, once its chain has the block that closes it. And of one
swarm's queens no two promise writes at a time: after the first promise of a term there is none of an earlier one, in
true time, whatever their clocks say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt.owner_log import Flag
from crdt.replica import Row
from mesh.protocol.commands import Success
from mesh.protocol.effects import Effect, Reply
from wire.ids import SwarmId

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Fenced(Checker):
    """Remembers the latest term in which each swarm promised something."""

    name = "fenced"
    judges = (Reply,)

    def __init__(self) -> None:
        self._promised: dict[SwarmId, int] = {}

    def grew(self, world: World, process: Process) -> Iterator[str]:
        return self._beyond(world, process, process.node.context.replica.rows())

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        return self._beyond(world, process, rows)

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not isinstance(effect, Reply) or not process.host.honest:
            return
        outcome = effect.at(process.host.clocks.monotonic(world.now))
        term = outcome.result.get("term") if isinstance(outcome, Success) and "durable" in outcome.result else None
        if not isinstance(term, int):
            return
        swarm = process.host.home.swarm
        latest = self._promised.setdefault(swarm, term)
        if term < latest:
            yield f"it promises a write in term {term}, and term {latest} has promised already"
        self._promised[swarm] = max(latest, term)

    @staticmethod
    def _beyond(world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        """By the blocks that `process` has, as the ledger judged them."""
        height = min(process.node.context.chain.height, world.ledger.height)
        everyone = world.ledger.state(height).membership.everyone
        for row in rows:
            member = everyone.get(row.swarm)
            close = member.terms[row.term].close if member is not None and row.term in member.terms else None
            if close is not None and row.flag is Flag.LIVE and row.seq > close[0]:
                name = world.owner(row.swarm).name
                yield f"it holds batch {row.seq} of {name}'s term {row.term}, which ended with {close[0]}"
