"""S4, S5: no vote leaves before it is durable, nor before what it rests on is.

A queen's PRE_PREPARE, PREPARE, COMMIT, VIEW_CHANGE, NEW_VIEW and ballot are on its disk, byte for byte, before anyone
hears them. A COMMIT is kept with the block and the certificate of the quorum that prepared it. Blocks that a node
hands on, and those below the height that it votes on, are durable; or a leap over them is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker, PerProcess
from chaos.checkers.one_vote import ballot_in
from chaos.checkers.statements import (
    STATEMENTS,
    Statement,
    core_in,
    kept_in,
    promised,
    said_in,
    voters_of,
    wrong_with,
)
from consensus.bft.safety import MAX_RECORD, Record
from consensus.blocks import MAX_BLOCK, Block, block_hash
from mesh.protocol.effects import Effect, Persist, RecordKind, Send, Subscribe
from mesh.protocol.messages import BlockRecord, ChainBlocks
from wire import cbor
from wire.frame import code_of, unpack_message
from wire.types import REGISTRY, ContentType, MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


@dataclass(slots=True)
class _Kept:
    """What one process has on its disk."""

    votes: dict[bytes, None] = field(default_factory=dict)
    ballots: dict[bytes, None] = field(default_factory=dict)
    height: int = 0


class VoteFirst(Checker):
    """Remembers what each process found at its start, and what it wrote."""

    name = "vote-first"
    judges = (Subscribe, Send)  # the first is the first thing that a process does
    words = STATEMENTS | {MessageType.CHAIN_BLOCKS, MessageType.TX_SUBMIT}

    def __init__(self) -> None:
        self._kept: PerProcess[_Kept] = PerProcess(_Kept)
        self._public: dict[bytes, None] = {}  # beginnings of views, which anyone hands on, whoever forgot its own too

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        kept = self._kept.of(process)
        if record.kind is RecordKind.BLOCK:
            known = cbor.decode_as(record.body, BlockRecord, 1 << 24)
            height = cbor.decode_as(known.block, Block, MAX_BLOCK).height
            if height == kept.height + 1 or known.state is not None:
                kept.height = max(kept.height, height)
        elif record.kind is RecordKind.BALLOT:
            kept.ballots[record.body] = None
        vote = kept_in(record)
        if vote is not None:
            kept.votes[vote[0].body] = None
            if vote[1].kind is MessageType.COMMIT and process.host.honest and promised(world):
                yield from self._lock(world, process, *vote)

    def _lock(self, world: World, process: Process, record: Record, said: Statement) -> Iterator[str]:
        """The block and the PREPAREs that a COMMIT rests on."""
        what = f"its COMMIT at height {said.height} is kept without"
        if record.block is None or block_hash(record.block) != said.block:
            yield f"{what} its block"
        voters = voters_of(world, process, said.epoch)
        if record.certificate is None or voters is None:
            yield f"{what} a certificate"
            return
        why = wrong_with(world, record.certificate, ContentType.PREPARE, voters)
        core = core_in(record.certificate)
        if why or (core.view, core.height, core.block_hash) != (said.view, said.height, said.block):
            yield f"{what} those who prepared it: {why or 'the certificate is of another block'}"

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Subscribe):
            self._finds(process)
        if not isinstance(effect, Send) or process.host.byzantine:
            return
        kept, code = self._kept.of(process), code_of(effect.message)
        if code == MessageType.CHAIN_BLOCKS:
            limit = REGISTRY[MessageType.CHAIN_BLOCKS].limit
            news = cbor.decode_as(unpack_message(effect.message)[1], ChainBlocks, limit)
            if news.height > kept.height:
                yield f"it speaks of block {news.height}, and what is durable ends with {kept.height}"
        elif code == MessageType.TX_SUBMIT:
            ballot = ballot_in(effect.message)
            mine = ballot is not None and ballot.voter == process.node.context.me.swarm
            if mine and unpack_message(effect.message)[1] not in kept.ballots:
                yield "its ballot leaves before it is durable"
        else:
            said = said_in(effect)
            if said is not None and said.is_of(process):
                if said.body not in kept.votes and said.body not in self._public:
                    yield f"its {said.kind.name} leaves before it is durable"
                if said.kind is MessageType.NEW_VIEW:
                    self._public[said.body] = None
                if said.height > kept.height + 1:
                    yield f"it votes on height {said.height}, and what is durable ends with {kept.height}"

    def _finds(self, process: Process) -> None:
        """What the process read from its disk."""
        kept, node = self._kept.of(process), process.node
        kept.height = node.context.chain.height
        kept.ballots.update(dict.fromkeys(node.voting.records()))
        for raw in node.deciding.records():
            kept.votes[cbor.decode_as(raw, Record, MAX_RECORD).body] = None
