"""S1, as it is kept across changes of view: what may have been decided is proposed again, and nothing else.

A view begins with a quorum of changes to it. Worked out anew from those: the base is the highest height that one of
them says is decided; of those at the base, the one that is locked in the highest view names the block that is forced.
No honest queen proposes or prepares another block at the height after the base in that view, and none votes in a
view, but the first, whose beginning nobody has shown. A leader that lies may begin one view in many ways, each before
somebody else: what a queen was told that no honest one has said yet is what she goes by herself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from chaos.checkers.base import Checker
from chaos.checkers.statements import Statement, kept_in, promised, read, said_in, voters_of
from chaos.ledger import quorum
from consensus.bft.messages import NewView, ViewChangeHeader, open_view_change
from mesh.protocol.effects import Effect, Persist, Send
from wire import cbor
from wire.errors import RemoteError
from wire.ids import SwarmId
from wire.types import MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_LIMIT = 4 * 1024 * 1024


class _Beginning(NamedTuple):
    """What the changes that a NEW_VIEW shows lead to."""

    base: int
    forced: bytes | None

    def allows(self, height: int, block: bytes) -> bool:
        return self.forced in (None, block) or height != self.base + 1


class Bound(Checker):
    """Remembers how each view was begun, by whomever, and judges votes as they become durable."""

    name = "bound"
    judges = (Send,)
    words = frozenset((MessageType.NEW_VIEW,))

    def __init__(self) -> None:
        self._begun: dict[tuple[int, int], list[_Beginning]] = {}
        self._read: dict[bytes, None] = {}

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        said = said_in(effect)
        if said is not None and said.kind is MessageType.NEW_VIEW:
            self._shown(world, process, said)
        return iter(())

    def _shown(self, world: World, process: Process, said: Statement) -> None:
        if said.body not in self._read:
            self._read[said.body] = None
            self._sees(world, process, said.body, said.epoch, said.view)

    def _sees(self, world: World, process: Process, body: bytes, epoch: int, view: int) -> None:
        """Somebody begins a view: what follows from the changes that it shows, if they are a quorum."""
        voters = voters_of(world, process, epoch)
        if voters is None:
            return
        changes: dict[SwarmId, ViewChangeHeader] = {}
        for raw in cbor.decode_as(body, NewView, _LIMIT).changes:
            try:
                header, key = open_view_change(raw, world.colony.federation, world.verify)
            except RemoteError:
                continue
            voter = voters.by_key(key)
            if voter is not None and (header.epoch, header.new_view) == (epoch, view):
                changes[voter.swarm] = header
        if sum(v.weight for v in voters.validators if v.swarm in changes) < quorum(voters):
            return
        base = max(change.committed_height for change in changes.values())
        locked = [c for c in changes.values() if c.committed_height == base and c.prepared_view >= 0]
        forced = max(locked, key=lambda change: change.prepared_view).prepared_hash if locked else None
        self._begun.setdefault((epoch, view), []).append(_Beginning(base, forced))

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        kept = kept_in(record)
        if kept is None or not process.host.honest or not promised(world):
            return
        said = kept[1]
        if said.kind is MessageType.NEW_VIEW:  # its own: a vote of this very step may rest on it
            self._shown(world, process, said)
        opening = process.node.deciding.replica.opening
        if opening is not None:
            self._shown(world, process, read(MessageType.NEW_VIEW, opening))
        if said.kind not in (MessageType.PRE_PREPARE, MessageType.PREPARE) or said.view == 0:
            return
        begun = self._begun.get((said.epoch, said.view), [])
        what = f"it votes in view {said.view} of epoch {said.epoch}"
        if not begun:
            yield f"{what}, which nobody began"
        elif not any(beginning.allows(said.height, said.block) for beginning in begun):
            yield f"{what} for another block at height {said.height} than the view is bound to"
