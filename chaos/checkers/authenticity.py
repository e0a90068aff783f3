"""S11: no entry without its owner's signature.

Whenever a log advances somewhere, its head must be signed by the queen key of its owner, which this checker knows
from the colony and verifies itself; and the state that is served must be the one whose root was signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt import batch
from crdt.owner_log import Flag
from crdt.replica import Row
from wire import keys
from wire.errors import RemoteError

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Authentic(Checker):
    """Verifies each head once in the world, each root whenever it is new."""

    name = "authentic"

    def __init__(self) -> None:
        self._verified: dict[bytes, bytes] = {}  # envelope to the root that it signs

    def changed(self, world: World, process: Process, rows: Sequence[Row]) -> Iterator[str]:
        for row in rows:
            head = process.node.context.replica.head(row.author)
            if head is None or row.flag is not Flag.LIVE:
                continue
            try:
                signed_root = self._root_of(world, row, head.envelope)
            except RemoteError as error:
                yield f"it holds state of {world.owner(row.swarm).name} without its signature: {error.detail}"
            else:
                if signed_root != row.root:
                    yield f"it serves another state of {world.owner(row.swarm).name} than was signed"

    def _root_of(self, world: World, row: Row, envelope: bytes) -> bytes:
        known = self._verified.get(envelope)
        if known is None:
            signed = batch.parse_header(envelope)
            own = world.owner(row.swarm).home.queen.public  # for a term that no chain names
            key = world.ledger.chain.queen_key(row.swarm, row.term) or own
            batch.verify_header(signed, world.colony.federation, key, keys.verify)
            known = self._verified[envelope] = signed.header.state_root
        return known
