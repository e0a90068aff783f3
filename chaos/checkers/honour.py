"""S9: an honest peer is never convicted, nor shown the door. Nobody charges an honest host with an offence, or closes
a link to it for what it is, whatever the faults.

Liars change what they send, so what honest relays hand on is what honest nodes checked. Only where two processes
share one key do honest nodes charge that key: it belongs to no honest host. Where a clock is wrong, honest nodes take
each other's stamps for early ones; that costs a point and convicts nobody. A link may be closed for what the network
did to it, or for want of room; a node on whose disk bits flipped may have forgotten who is a member. And where the
queens govern, members come and go: as far as the chain of one of the two goes, the other may be no member.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.statements import promised
from mesh.protocol.effects import Disconnect, Effect, Penalize
from wire.errors import Offence

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World


# How the reasons begin for which an honest node closes its link to another one.
_EXCUSES = ("no answer to ", "no HELLO in time", "too many links", "its place is needed")


class Honour(Checker):
    """Judges every penalty, and every link that a node closes. (Who refuses somebody closes the link, too.)"""

    name = "honour"
    judges = (Penalize, Disconnect)

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not process.host.honest or not isinstance(effect, Penalize | Disconnect):
            return
        accused = world.host_of(effect.peer)
        if accused is None or not accused.honest:
            return
        if isinstance(effect, Penalize):
            divided = world.scenario.govern and not promised(world)
            if effect.offence is not Offence.FUTURE_CLOCK and not divided:
                yield f"it charges {accused.name}, which is honest, with {effect.offence}: {effect.detail}"
        elif not (process.host.rotten or effect.reason.startswith(_EXCUSES) or _strangers(world, process, accused)):
            yield f"it closes its link to {accused.name}, which is honest: {effect.reason}"


def _strangers(world: World, process: Process, accused: Host) -> bool:
    """By the chain that one of them holds the other one does not belong, or it is unknown how far that goes."""
    if not world.scenario.govern:
        return False
    if not process.host.byzantine:
        world.ledger.follow(process.node.context.chain)
    height = process.node.context.chain.height
    return world.ledger.state(min(height, world.ledger.height)).membership.member(accused.home.swarm) is None
