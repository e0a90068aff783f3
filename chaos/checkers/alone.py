"""S15: who is out of reach of a quorum promises nothing to others.

To propose, to vote and to leave are accepted by a node only while a quorum of the epoch's weight, itself included, is
in its reach. Whom it has heard nothing of for as long as the profile's window is not. (That nothing is decided
without a quorum is what `certified` watches.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.ledger import quorum
from consensus.validators import Validator
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
        self._asked: PerProcess[dict[int, str]] = PerProcess(dict)

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        if isinstance(event, MessageReceived):
            self._heard.of(process)[event.peer] = process.host.clocks.monotonic(world.now)
        return iter(())

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        if isinstance(operation, _PROMISES):
            self._asked.of(process)[request] = type(operation).__name__.lower()
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        what = self._asked.of(process).pop(effect.request_id, None) if isinstance(effect, Reply) else None
        if what is None or not isinstance(effect, Reply) or not isinstance(effect.outcome, Success):
            return
        if process.host.byzantine:
            return
        context = process.node.context
        heard, now = self._heard.of(process), process.host.clocks.monotonic(world.now)
        voters = context.chain.validators()
        weight = 0
        for voter in voters.validators:
            at = heard.get(_node_of(world, voter))
            near = at is not None and now - at <= context.config.profile.contact_window
            weight += voter.weight if near or voter.swarm == context.me.swarm else 0
        if weight < quorum(voters):
            yield f"it answers {what} with yes, and {weight} of {voters.total} weight is in its reach"


def _node_of(world: World, voter: Validator) -> PeerId:
    """Who speaks with the key of a voter: the queen that its swarm began with, or her backup."""
    hosts = (host for host in world.hosts.values() if host.home.swarm == voter.swarm)
    return next((host.peer for host in hosts if host.home.queen.public == voter.key), world.owner(voter.swarm).peer)
