"""S1, S8: there is one chain. At every height all honest nodes hold the same block, and so the same members."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.statements import promised

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


class OneChain(Checker):
    """Remembers the block hash and the membership at each height."""

    name = "one-chain"

    def __init__(self) -> None:
        self._heads: dict[int, bytes] = {}
        self._members: dict[int, bytes] = {}

    def grew(self, world: World, process: Process) -> Iterator[str]:
        chain = process.node.context.chain
        if process.host.byzantine or not promised(world):
            return
        if self._heads.setdefault(chain.height, chain.head_hash) != chain.head_hash:
            yield f"it holds another block at height {chain.height} than others"
        if self._members.setdefault(chain.height, chain.state_hash) != chain.state_hash:
            yield f"it holds other members at height {chain.height} than others"
