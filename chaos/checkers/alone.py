"""S15: who is out of reach of a quorum promises nothing to others.

To propose, to vote and to leave are answered with yes only where a quorum of the epoch's weight, the node itself
included, was in its reach at some moment since it was asked: by the time of the answer a block that it fetched may
have begun another epoch. Whom a node has heard nothing of for as long as the profile's window is not in its reach.
(That nothing is decided without a quorum is what `certified` watches.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.ledger import quorum
from mesh.protocol.commands import Leave, Operation, Propose, Success, Vote
from mesh.protocol.effects import Effect, Reply
from mesh.protocol.events import InEvent, MessageReceived
from wire.ids import PeerId

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_PROMISES = (Propose, Vote, Leave)


class Alone(Checker):
    """Remembers when each process last heard of whom, on its own clock, and what it was asked."""

    name = "alone"
    judges = (Reply,)

    def __init__(self) -> None:
        self._heard: PerProcess[dict[PeerId, int]] = PerProcess(dict)
        self._alone: PerProcess[dict[int, str]] = PerProcess(dict)  # asked, and no quorum in reach since

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        if isinstance(event, MessageReceived):
            self._heard.of(process)[event.peer] = process.host.clocks.monotonic(world.now)
        alone = self._alone.of(process)
        if alone and not self._lacks(world, process):
            alone.clear()
        return iter(())

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        if isinstance(operation, _PROMISES) and self._lacks(world, process):
            self._alone.of(process)[request] = type(operation).__name__.lower()
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        what = self._alone.of(process).pop(effect.request_id, None) if isinstance(effect, Reply) else None
        if what is None or not isinstance(effect, Reply) or not isinstance(effect.outcome, Success):
            return
        lacks = self._lacks(world, process)
        if lacks and not process.host.byzantine:
            yield f"it answers {what} with yes, and {lacks} is in its reach"

    def _lacks(self, world: World, process: Process) -> str:
        """How little is in reach of `process`; empty when it is a quorum."""
        context = process.node.context
        heard, now = self._heard.of(process), process.host.clocks.monotonic(world.now)
        voters = context.chain.validators()
        weight = 0
        for voter in voters.validators:
            at = heard.get(world.owner(voter.swarm).peer)
            near = at is not None and now - at <= context.config.profile.contact_window
            weight += voter.weight if near or voter.swarm == context.me.swarm else 0
        return f"{weight} of {voters.total} weight" if weight < quorum(voters) else ""
