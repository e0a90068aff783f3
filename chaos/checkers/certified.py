"""S2, S7: what decides a block is a quorum of exactly its epoch's voters, by exactly their weights.

Judged are the certificate of each block that a node holds, and each that an honest node sends: with a change of view,
with the beginning of one, or on its own. Voters come from the ledger, weights are added up here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.checkers.statements import core_in, promised, voters_of, wrong_with
from consensus.bft.messages import CONTENT, CertificateNews, NewView, ViewChange
from consensus.blocks import block_hash
from mesh.protocol.effects import Effect, Send
from wire import cbor
from wire.frame import code_of, unpack_message
from wire.types import ContentType, MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

_LIMIT = 4 * 1024 * 1024
_LOCKS: dict[int, type[ViewChange] | type[NewView]] = {
    MessageType.VIEW_CHANGE.value: ViewChange,
    MessageType.NEW_VIEW.value: NewView,
}


class Certified(Checker):
    """Judges each certificate once in the world."""

    name = "certified"
    judges = (Send,)
    words = frozenset((MessageType.CERTIFICATE, *_LOCKS))

    def __init__(self) -> None:
        self._seen: PerProcess[list[int]] = PerProcess(lambda: [0])
        self._good: dict[bytes, None] = {}

    def grew(self, world: World, process: Process) -> Iterator[str]:
        chain, seen = process.node.context.chain, self._seen.of(process)
        if process.host.byzantine or not promised(world):
            return
        world.ledger.follow(chain)
        seen[0] = max(seen[0], chain.first - 1)
        for block, certificate in chain.tail(seen[0] + 1):
            seen[0] += 1
            if certificate in self._good:
                continue
            core, voters = core_in(certificate), world.ledger.voters(seen[0])
            if (core.height, core.block_hash) != (seen[0], block_hash(block)):
                yield f"block {seen[0]} has the certificate of another one"
            why = wrong_with(world, certificate, ContentType.COMMIT, voters)
            if why:
                yield f"block {seen[0]} is not certified: {why}"
            self._good[certificate] = None

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not isinstance(effect, Send) or process.host.byzantine:
            return
        code = code_of(effect.message)
        if code == MessageType.CERTIFICATE:
            news = cbor.decode_as(unpack_message(effect.message)[1], CertificateNews, _LIMIT)
            yield from self._sent(world, process, news.certificate, CONTENT[news.phase])
        elif code in _LOCKS:
            lock = cbor.decode_as(unpack_message(effect.message)[1], _LOCKS[code], _LIMIT).certificate
            if lock is not None:
                yield from self._sent(world, process, lock, ContentType.PREPARE)

    def _sent(self, world: World, process: Process, raw: bytes, content: ContentType) -> Iterator[str]:
        if raw in self._good or not promised(world):
            return
        core = core_in(raw)
        voters = voters_of(world, process, core.epoch)
        why = "nobody has reached its epoch" if voters is None else wrong_with(world, raw, content, voters)
        if why:
            yield f"it sends a certificate for height {core.height} that is none: {why}"
        self._good[raw] = None
