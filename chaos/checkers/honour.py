"""S9: an honest peer is never convicted. Nobody charges an honest host with an offence, whatever the faults.

Liars change what they send, so what honest relays hand on is what honest nodes checked. Only where two processes
share one key do honest nodes charge that key: it belongs to no honest host. Where a clock is wrong, honest nodes take
each other's stamps for early ones; that costs a point and convicts nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from mesh.protocol.effects import Effect, Penalize
from wire.errors import Offence

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Honour(Checker):
    """Judges every penalty."""

    name = "honour"
    judges = (Penalize,)

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Penalize) and process.host.honest:
            accused = world.host_of(effect.peer)
            clocks_differ = effect.offence is Offence.FUTURE_CLOCK
            if accused is not None and accused.honest and not clocks_differ:
                yield f"it charges {accused.name}, which is honest, with {effect.offence}: {effect.detail}"
