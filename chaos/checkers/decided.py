"""S1, S2, S8: at each height one block is decided, anywhere, ever; it is one that may be, and leads to one state.

Every block that an honest node comes to hold is compared with what any other held at its height, and appended to a
chain that no fault was planted into.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.checkers.statements import promised
from consensus.blocks import block_hash

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class Decided(Checker):
    """Remembers the block of each height, and up to which one each process was looked at."""

    name = "decided"

    def __init__(self) -> None:
        self._blocks: dict[int, bytes] = {}
        self._seen: PerProcess[list[int]] = PerProcess(lambda: [0])

    def grew(self, world: World, process: Process) -> Iterator[str]:
        chain, seen = process.node.context.chain, self._seen.of(process)
        if process.host.byzantine or chain.height <= seen[0] or not promised(world):
            return
        world.ledger.follow(chain)
        seen[0] = max(seen[0], chain.first - 1)  # what it passed over by a leap it does not hold
        for block, _ in chain.tail(seen[0] + 1):
            seen[0] += 1
            digest = block_hash(block)
            if self._blocks.setdefault(seen[0], digest) != digest:
                yield f"it holds another block at height {seen[0]} than others"
        if world.ledger.fault:
            yield world.ledger.fault
        leaped = 1 < chain.first <= chain.height <= world.ledger.height
        if leaped and chain.state != world.ledger.state(chain.height):
            yield f"it leaped to another state at height {chain.height} than the blocks lead to"
