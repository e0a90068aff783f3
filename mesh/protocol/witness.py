"""Who casts two ballots: both are remembered as they come, submitted by a member or in a block, and are evidence.

The count is safe without this, since the first ballot on the chain counts. But a queen that says yes to one half
and no to the other lies, and is convicted as one that votes twice on blocks is. What a ballot says counts here only
if the queen of that term signed it: else anyone could take the place of an honest one. Bounded: the oldest are
forgotten.
"""

from __future__ import annotations

from consensus import evidence
from consensus.bft.votes import Contradiction
from consensus.blocks import MAX_BLOCK, BallotTx, Block, decode_tx
from consensus.governance.proposals import open_ballot
from mesh.protocol.context import Context
from wire import cbor
from wire.errors import RemoteError
from wire.ids import SwarmId

MAX_BALLOTS = 4096

Place = tuple[bytes, bytes, SwarmId, int]  # proposal, its hash, voter, term


class Witness:
    """The first ballot in each place, as far as this node has seen it since its start, and since what is open."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._first: dict[Place, bytes] = {}  # empty for who is convicted already
        opened = (entry.height for entry in context.chain.standing.open.values())
        self._height = min(opened, default=context.chain.height + 1) - 1

    def of(self, voter: SwarmId) -> list[bytes]:
        """The ballots of a voter on what is not decided yet, the latest first."""
        chain = self._context.chain
        open_ones = {place: ballot for place, ballot in self._first.items() if place[2] == voter and ballot}
        return [
            ballot
            for (proposal, *_), ballot in reversed(open_ones.items())
            if proposal not in chain.standing.outcomes and proposal not in chain.replays
        ]

    def heard(self, tx: bytes) -> Contradiction | None:
        """A transaction that somebody wants ordered; says so where it is the second of two ballots."""
        try:
            body = decode_tx(tx)
            return self._saw(body.ballot) if isinstance(body, BallotTx) else None
        except RemoteError:
            return None  # whoever judges it as a transaction says why

    def grew(self) -> list[Contradiction]:
        """The chain has more blocks: what their ballots contradict."""
        chain, found = self._context.chain, []
        while self._height < chain.height:
            self._height = max(self._height + 1, chain.first)
            block = cbor.decode_as(chain.blocks(self._height, 0)[0][0], Block, MAX_BLOCK)
            found += [contradiction for tx in block.txs if (contradiction := self.heard(tx)) is not None]
        return found

    def _saw(self, ballot: bytes) -> Contradiction | None:
        """Raises RemoteError for a ballot that its voter did not sign."""
        context = self._context
        body, signer = open_ballot(ballot, context.federation, context.verify)
        voter = SwarmId(body.voter)
        if context.chain.queen_key(voter, body.term) != signer:
            return None
        place = body.proposal, body.proposal_hash, voter, body.term
        first = self._first.setdefault(place, ballot)
        while len(self._first) > MAX_BALLOTS:
            del self._first[next(iter(self._first))]
        if first in (ballot, b""):
            return None
        evidence.convicted(first, ballot, context.federation, context.verify)
        self._first[place] = b""
        return Contradiction(voter, first, ballot)
