"""S6: epochs, views and heights only advance for who votes: what a queen has left behind it signs nothing in.

After a VIEW_CHANGE there is no new vote in a lower view of that epoch; after a vote in one epoch none in an earlier
one; and each is on the height after the last that its voter has decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.statements import VOTES, kept_in
from mesh.protocol.effects import Persist
from wire.ids import PublicKey
from wire.types import MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


@dataclass(slots=True)
class _Place:
    """How far a queen is: everything below (epoch, view) it has left."""

    epoch: int = 0
    view: int = 0


class Onward(Checker):
    """Judges each vote as it becomes durable for the first time."""

    name = "onward"

    def __init__(self) -> None:
        self._places: dict[PublicKey, _Place] = {}

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        kept = kept_in(record)
        if kept is None or not process.host.honest:
            return
        said, me = kept[1], process.node.context.me.queen_key.public
        place = self._places.setdefault(me, _Place())
        if said.epoch > place.epoch:
            place.epoch, place.view = said.epoch, 0
        what = f"it signs {said.kind.name} in view {said.view} of epoch {said.epoch}"
        if (said.epoch, said.view) < (place.epoch, place.view):
            yield f"{what}, and has left for view {place.view} of epoch {place.epoch}"
        next_height = process.node.context.chain.height + 1
        if said.kind in VOTES and not said.height <= next_height:
            yield f"{what} for height {said.height}, and the next one is {next_height}"
        if said.kind is MessageType.VIEW_CHANGE:
            place.view = max(place.view, said.view)
