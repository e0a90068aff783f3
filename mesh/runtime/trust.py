"""Which linked peers are trusted, and what waits for that.

The node trusts whom the chain names, while the link stands. A stranger may speak on its lanes within narrow limits;
gossip it may not hear at all. So its gossip streams are not read before it is trusted: what it subscribed to and
grafted meanwhile waits in the stream's own window, in order, and nothing of it is lost when trust comes a moment
after the first words. When trust is withdrawn or the link ends, so do those streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from wire.ids import PeerId

MAX_VISITS = 4  # gossip streams of one peer at once: it needs one, and a restart overlaps


@dataclass(slots=True)
class _Visitor:
    """The gossip streams of one peer, and what tells them that it is trusted."""

    trusted: trio.Event = field(default_factory=trio.Event)
    scopes: list[trio.CancelScope] = field(default_factory=list)


class Trust:
    """The trusted peers. `forget(peer)` is called when one ceases to be."""

    def __init__(self, forget: Callable[[PeerId], None]) -> None:
        self._forget = forget
        self._trusted: dict[PeerId, None] = {}
        self._visitors: dict[PeerId, _Visitor] = {}

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._trusted

    def give(self, peer: PeerId) -> None:
        """From now on `peer` hears gossip, and is heard."""
        self._trusted[peer] = None
        if peer in self._visitors:
            self._visitors[peer].trusted.set()

    def withdraw(self, peer: PeerId) -> None:
        """`peer` is a stranger again, or gone: its gossip streams end."""
        visitor = self._visitors.pop(peer, None)
        if visitor is not None:
            for scope in visitor.scopes:
                scope.cancel()
        if peer in self._trusted:
            del self._trusted[peer]
            self._forget(peer)

    async def visit(self, peer: PeerId, read: Callable[[], Awaitable[None]]) -> bool:
        """Read one gossip stream of `peer` once it is trusted; False when trust ended it, or too many came."""
        visitor = self._visitors.setdefault(peer, _Visitor())
        if peer in self._trusted:
            visitor.trusted.set()
        scope = trio.CancelScope()
        visitor.scopes.append(scope)
        if len(visitor.scopes) > MAX_VISITS:
            scope.cancel()
        try:
            with scope:
                await visitor.trusted.wait()
                await read()
        finally:
            visitor.scopes.remove(scope)
            if not visitor.scopes and self._visitors.get(peer) is visitor:
                del self._visitors[peer]
        return not scope.cancelled_caught
