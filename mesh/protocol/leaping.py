"""Catching up from far behind: the last checkpoint and what proves it, instead of every block.

    behind ──CHAIN_REQUEST, leaps──► ahead
           ◄──CHAIN_BLOCKS: the last block of each epoch that is lacking, with the state before it; the block behind a
              checkpoint, with the whole state──
           ──CHAIN_REQUEST──► …      until a copy of the chain is whole; only then it is durable, and the node's own

What comes is appended to a copy, one for each of a few peers, and judged as `consensus.chain` judges any block. The
first copy that is whole is adopted; so nothing that a peer begins and does not end costs more than memory, within
bounds. A peer whose leap is refused has committed an offence, and is asked for plain blocks from then on; others are
still asked for leaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.blocks import MAX_BLOCK, Block
from consensus.chain import Chain
from consensus.governance.standing import unknown_rules
from consensus.history import Record
from mesh.protocol.context import Context
from mesh.protocol.effects import Halt, RecordKind
from mesh.protocol.messages import BlockRecord, ChainBlocks, ChainRequest, Leaps
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from wire import cbor
from wire.errors import RemoteError
from wire.ids import PeerId

CHAIN_BYTES = 1024 * 1024
_AT_ONCE = 3  # copies
_REFUSED = 256  # peers


@dataclass(slots=True)
class Ahead:
    """A copy of a chain on its way, and the records by which it went; `since` is the height at which it was made."""

    chain: Chain
    since: int
    taken: list[BlockRecord] = field(default_factory=list)

    def take(self, records: tuple[BlockRecord, ...]) -> bool:
        """Append what is new, up to rules that we do not know; True when something was. Raises RemoteError for what
        may not be."""
        grew = False
        for record in records:
            if self.chain.append(record.block, record.certificate, record.state):
                self.taken.append(record)
                grew = True
            if self.chain.standing.beyond_us:
                break
        return grew


def asked(chain: Chain, leaps: Leaps, pass_not: int | None) -> ChainRequest:
    """The request of whoever stands at `chain`."""
    need = leaps if chain.whole or leaps is Leaps.NONE else Leaps.WANTED
    anchor = None if pass_not is None or chain.height >= pass_not else pass_not
    return ChainRequest(from_height=chain.height + 1, leaps=need, pass_not=anchor)


class Leaping:
    """Both sides of it, for one node."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ahead: dict[PeerId, Ahead] = {}
        self._refused: dict[PeerId, None] = {}

    # who is behind

    def request(self, peer: PeerId) -> ChainRequest:
        """What to ask `peer` for next."""
        ahead = self._ahead.get(peer)
        chain = self._context.chain if ahead is None else ahead.chain
        return asked(chain, Leaps.NONE if peer in self._refused else Leaps.FAR, chain.anchor_height)

    def concerns(self, peer: PeerId, message: ChainBlocks) -> bool:
        """It leaps, or goes on behind a leap."""
        return peer in self._ahead or any(record.state is not None for record in message.blocks)

    def take(self, peer: PeerId, message: ChainBlocks, out: Outbox) -> tuple[bool, bool]:
        """Follow `peer` further: (our chain grew, there is more to ask for).

        Raises:
            RemoteError: a record may not be; what `peer` had sent before is forgotten.
        """
        ours = self._context.chain
        ahead = self._ahead.get(peer)
        if ahead is not None and ahead.since != ours.height:
            del self._ahead[peer]  # our chain has grown otherwise since we asked
            self._context.counters["leaps_overtaken"] += 1
            return False, True
        if _astray(message, ours if ahead is None else ahead.chain):
            return False, ahead is not None
        ahead = self._ahead.pop(peer, None) or Ahead(ours.copy(), ours.height)
        try:
            grew = ahead.take(message.blocks)
        except RemoteError:
            self._context.counters["leaps_refused"] += 1
            while len(self._refused) >= _REFUSED:
                del self._refused[next(iter(self._refused))]
            self._refused[peer] = None
            raise
        if reason := unknown_rules(ahead.chain.standing.protocol_version, self._context.config.rules):
            out.add(Halt(reason=reason))
            return False, False
        if ahead.chain.whole and ahead.chain.height > ours.height:
            self._adopt(ahead, out)
            return True, message.height > ahead.chain.height
        if ahead.chain.height > ours.height:
            while len(self._ahead) >= _AT_ONCE:
                del self._ahead[next(iter(self._ahead))]
            self._ahead[peer] = ahead
        return False, grew and message.height > ahead.chain.height

    def _adopt(self, ahead: Ahead, out: Outbox) -> None:
        """It is our chain from here on; all that it rests on is durable first."""
        context = self._context
        for record in ahead.taken:
            out.persist(RecordKind.BLOCK, cbor.encode_struct(record))
        out.trace(TraceKind.LEAPT, height=ahead.chain.height, epoch=ahead.chain.epoch, since=context.chain.height)
        context.counters["leaps"] += 1
        context.chain.adopt(ahead.chain)
        self._ahead.clear()

    # who is ahead

    def course(self, request: ChainRequest) -> list[Record]:
        """What leads who asks to a checkpoint of ours; nothing where blocks do as well."""
        chain, stands = self._context.chain, request.from_height - 1
        far = chain.height - stands >= self._context.config.leap_from or request.from_height < chain.first
        if request.leaps is Leaps.NONE or (request.leaps is Leaps.FAR and not far):
            return []
        return chain.course(stands, request.pass_not, CHAIN_BYTES)


def _astray(message: ChainBlocks, chain: Chain) -> bool:
    """The answer to a question of another time, or news of a later block: it does not begin where `chain` stands."""
    if not message.blocks:
        return True
    first = cbor.decode_as(message.blocks[0].block, Block, MAX_BLOCK)
    leaps = message.blocks[0].state is not None
    return first.height > chain.height and (first.epoch != chain.epoch if leaps else first.height > chain.height + 1)
