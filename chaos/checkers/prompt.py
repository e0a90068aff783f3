"""L1, L2: once all is healed, what was submitted is decided, and what was proposed is closed soon after its deadline.

Judged where a quorum of the weight is in the core. The world waits for that as for everything else that has to come
true: a scenario's `settle_s`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.convergence import expected

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.world import World


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
    """Judges the end."""

    name = "prompt"

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        if not calm(world, core):
            for host in expected(world, core):
                for what in _left(host):
                    yield f"{host.name} waits for {what}, though a quorum is connected"
