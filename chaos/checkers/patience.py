"""How much time views take: those that failed since the last decision, and those that may have to fail from now on.

Each view lasts twice as long as the one before it. As many of them fail as there are voters that cannot lead, and two
more, which the change to them and clocks that were wrong may cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chaos.checkers.statements import kept_in
from consensus.bft.pacemaker import Pace
from mesh.protocol.effects import Persist, RecordKind
from wire.types import MessageType

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World

MOST_DOUBLINGS = 16
_MORE = 2


class Patience:
    """Counts the views that failed, by host. Tell it of every record."""

    def __init__(self) -> None:
        self._failed: dict[str, int] = {}

    def kept(self, process: Process, record: Persist) -> None:
        """A record of `process` is durable."""
        name = process.host.name
        if record.kind is RecordKind.BLOCK:
            self._failed[name] = 0
        kept = kept_in(record)
        if kept is not None and kept[1].kind is MessageType.VIEW_CHANGE:
            self._failed[name] = self._failed.get(name, 0) + 1

    def failed(self, host: Host) -> int:
        """Views that failed since `host` saw a decision."""
        return self._failed.get(host.name, 0)

    def longest(self, world: World, core: Sequence[Host]) -> int:
        """How long the views may take that are needed at most until those of `core` decide something, from now on."""
        failed = max((self.failed(host) for host in core if host.process is not None), default=0)
        able = [h.home.swarm for h in core if h.process and h.honest and not h.rotten and world.speaks(h)]
        voters = world.ledger.chain.validators().validators
        return _views(core, failed, sum(voter.swarm not in able for voter in voters))

    def more(self, world: World, core: Sequence[Host], gone: int) -> int:
        """How much of that is more than it takes when so many voters are gone, and nothing else is wrong."""
        return max(0, self.longest(world, core) - _views(core, 0, gone))


def _views(core: Sequence[Host], failed: int, unable: int) -> int:
    base = max((host.process.node.deciding.replica.patience for host in core if host.process), default=0)
    doublings = (min(failed + number, MOST_DOUBLINGS) for number in range(unable + _MORE))
    return sum(min(Pace().cap, base << power) for power in doublings)
