"""What an offence costs: it is counted, said, and adds up to a ban; a stranger that is banned is sent away."""

from __future__ import annotations

from mesh.protocol.context import Context
from mesh.protocol.effects import Penalize
from mesh.protocol.outbox import Outbox
from mesh.protocol.startup import Startup
from mesh.protocol.trace import TraceKind
from wire.errors import Offence
from wire.ids import PeerId
from wire.time import Instant


class Penalties:
    """Books what others do wrong."""

    def __init__(self, context: Context, startup: Startup) -> None:
        self._context = context
        self._startup = startup

    def book(self, peer: PeerId | None, offence: Offence, detail: str, now: Instant, out: Outbox) -> None:
        """`peer` (None: nobody who could be named) did something that no honest node does."""
        self._context.counters[f"offence_{offence}"] += 1
        if peer is None:
            return
        out.add(Penalize(peer=peer, offence=offence, detail=detail))
        out.trace(TraceKind.OFFENCE, peer=peer, offence=offence.value, detail=detail)
        if self._context.scores.penalize(peer, offence, now):
            self._context.counters["bans"] += 1
            out.trace(TraceKind.BANNED, peer=peer)
            swarm = self._context.swarm_of(peer)
            if swarm is None:
                out.disconnect(peer, f"banned: {detail}")
            else:
                self._startup.void(swarm)
