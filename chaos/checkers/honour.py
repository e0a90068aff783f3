"""S9: an honest peer is never convicted. Nobody charges an honest host with an offence, whatever the faults.

Liars change what they send, so what honest relays hand on is what honest nodes checked. Only where two processes
share one key do honest nodes charge that key: it belongs to no honest host.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from mesh.protocol.effects import Effect, Penalize

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Honour(Checker):
    """Judges every penalty."""

    name = "honour"

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Penalize) and process.host.honest:
            accused = world.host_of(effect.peer)
            if accused is not None and accused.honest:
                yield f"it charges {accused.name}, which is honest, with {effect.offence}: {effect.detail}"
