"""L1, L2: once all is healed, what was submitted is decided, and what was proposed is closed soon after its deadline.

Judged where a quorum of the weight is in the core. It has its whole time for that (a scenario's `settle_s`), and no
more than views may take (`patience`). And whenever a view fails, the next one gets no more time than so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.convergence import expected
from chaos.checkers.patience import MOST_DOUBLINGS, Patience
from consensus.bft.effects import NoteKind
from consensus.bft.pacemaker import Pace
from mesh.protocol.commands import Operation, Propose
from mesh.protocol.effects import Effect, Persist, Trace
from mesh.protocol.events import InEvent
from mesh.protocol.trace import TraceKind
from wire.time import SECOND

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World

_SLACK = 20 * SECOND  # to find each other again, and for clocks that were wrong when something was proposed


def calm(world: World, core: Sequence[Host]) -> bool:
    """Nobody in the core waits for a decision, or no quorum is there that could make one."""
    return not world.quorate(core) or not any(_left(host) for host in expected(world, core))


def _left(host: Host) -> list[str]:
    """What a host still waits for."""
    if host.process is None:
        return []
    node = host.process.node
    open_ = node.context.chain.standing.open.values()
    left = [f"proposal {entry.proposal.id.hex()[:8]} ({entry.proposal.body.action})" for entry in open_]
    return [*left, f"{node.deciding.submitted} transactions of its own"] if node.deciding.submitted else left


class Prompt(Checker):
    """Counts the views that failed, and remembers when somebody in the core last waited for a decision."""

    name = "prompt"
    councils = True
    every = 16
    judges = (Trace,)

    def __init__(self) -> None:
        self._patience = Patience()
        self._deadline = 0  # of what was proposed, at the latest
        self._limit: int | None = None  # until when all has to be decided
        self._restless = 0

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> Iterator[str]:
        if isinstance(operation, Propose):
            self._deadline = max(self._deadline, world.now + operation.deadline_s * SECOND)
        return iter(())

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        self._patience.kept(process, record)
        return iter(())

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not isinstance(effect, Trace) or effect.record.kind is not TraceKind.CONSENSUS:
            return
        fields = effect.record.fields
        if fields["step"] != NoteKind.VIEW_LEFT or process.host.byzantine:
            return
        given, failed = int(str(fields["detail"]).split()[0]), self._patience.failed(process.host)
        most = min(Pace().cap, process.node.deciding.replica.patience << min(failed, MOST_DOUBLINGS))
        if given > most:
            yield f"it gives the next view {given / SECOND:.0f} s, though {failed} failed since the last decision"

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        if world.core and world.scenario.govern:
            if self._limit is None:
                self._limit = max(world.now, self._deadline) + self._patience.longest(world, world.core) + _SLACK
            if not calm(world, world.core):
                self._restless = world.now
        return iter(())

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        if not calm(world, core):
            for host in expected(world, core):
                for what in _left(host):
                    yield f"{host.name} waits for {what}, though a quorum is connected"
        elif self._limit is not None and self._restless > self._limit and world.quorate(core):
            late = (self._restless - self._limit) / SECOND
            yield f"the last decision came {late:.1f} s later than views may take"
