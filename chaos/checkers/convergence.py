"""L3, L6: once the faults are over, the core converges: all OPERATIONAL, one chain, one state root."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from mesh.protocol.lifecycle import Lifecycle

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.world import World


def converged(core: Sequence[Host]) -> bool:
    """All run, are OPERATIONAL, and hold the same."""
    processes = [host.process for host in core if host.process is not None]
    if len(processes) < len(core):
        return False
    nodes = [process.node for process in processes]
    return all(node.lifecycle is Lifecycle.OPERATIONAL for node in nodes) and len(_held(core)) == 1


class Convergence(Checker):
    """Judges the end."""

    name = "convergence"

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        if converged(core):
            return
        for host in core:
            if host.process is None:
                yield f"{host.name} is down although nothing is wrong with it"
            elif host.process.node.lifecycle is not Lifecycle.OPERATIONAL:
                node = host.process.node
                yield f"{host.name} is {node.lifecycle}: {node.lifecycle_reason()}"
        held = ", ".join(f"{names} hold {what[:8]}" for what, names in sorted(_held(core).items()))
        yield f"the core does not hold the same: {held}"


def _held(core: Sequence[Host]) -> dict[str, str]:
    """Who holds which state root and chain, by its hash in hex."""
    held: dict[str, str] = {}
    for host in core:
        if host.process is not None:
            context = host.process.node.context
            what = context.replica.root().hex()[:8] + context.chain.head_hash.hex()[:8]
            held[what] = f"{held[what]} {host.name}" if what in held else host.name
    return held
