"""Chains that have seen a lot, for who begins in the middle of one: votes, decisions, epochs, creators and queens.

story = Story(epochs=3, calm=20)          # a governed chain: so many epochs, so many calm blocks in each
records = story.course(height)            # as another member serves it
"""

from __future__ import annotations

from functools import cache

from consensus.blocks import RenewTx, encode_tx
from consensus.certificates import YEAR_MS
from consensus.chain import Chain
from consensus.history import Record
from consensus.image import encode
from consensus.state import State
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import CREATED_MS, Realm
from wire.ids import Digest

SPACING = 10


class Story:
    """A chain that grows by decisions, with a renewed certificate at the end of each epoch."""

    def __init__(self, epochs: int = 3, calm: int = 20, size: int = 4) -> None:
        self.chamber = Chamber(size)
        self.chain = self.chamber.chain
        self.chain.landmarks.spacing = SPACING
        self.states: dict[int, State] = {self.chain.height: self.chain.state}
        self._number = 0
        for epoch in range(epochs):
            for _ in range(calm):
                self.decide()
            self.renew(epoch)
        for _ in range(2 * SPACING + 1):
            self.decide()

    def decide(self) -> None:
        """One more proposal; the ones before it are approved, one after another, some blocks later."""
        self._number += 1
        chamber, names = self.chamber, self.chamber.order
        tx, raw = proposal_tx(chamber.federation, names[self._number % len(names)], self._number, chamber.wall_ms)
        ballots = [ballot_tx(chamber.federation, name, self._number, raw) for name in names]
        half = ballots if self._number % 3 else ballots[:1]  # every third stays open, and expires
        self.grow(tx, *half)

    def renew(self, number: int) -> None:
        """A set change: the certificate of one of them is another."""
        name = self.chamber.order[number % len(self.chamber.order)]
        end = CREATED_MS + YEAR_MS + 1 + number
        self.grow(encode_tx(RenewTx(self.chamber.realm.certificate(name, not_after_ms=end))))

    def grow(self, *txs: bytes) -> None:
        self.chamber.wall_ms += 1_000
        self.chamber.grow(self.chamber.block(1, *txs))
        self.states[self.chain.height] = self.chain.state

    def fresh(self) -> Chain:
        """Another node's chain, of height 0."""
        return Chain.from_genesis(self.chain.genesis.raw)

    def course(self, height: int = 0) -> list[Record]:
        return self.chain.course(height, None, 1 << 30)

    def hash(self, height: int) -> Digest:
        """Of the state at a height that the story saw."""
        return self.states[height].hash

    def leap_to(self, height: int, *, whole: bool = True) -> Record:
        """Right before the block of `height`."""
        ((block, certificate),) = self.chain.blocks(height, 0)
        return Record(block, certificate, encode(self.states[height - 1], whole=whole))


@cache
def told(epochs: int = 3, calm: int = 20) -> Story:
    """A story that nobody changes."""
    return Story(epochs, calm)


def caught_up(chain: Chain, story: Story) -> Chain:
    """As a node does it: by leaps, then block by block."""
    for record in story.course(chain.height):
        chain.append(*record)
    for block, certificate in story.chain.blocks(chain.height + 1, 1 << 30):
        chain.append(block, certificate)
    return chain


def creators(blocks: int) -> Realm:
    """A chain that its creator governs alone."""
    realm = Realm()
    realm.chain.landmarks.spacing = SPACING
    realm.order(realm.approve("beta"))
    for number in range(blocks):
        realm.order(realm.bump("beta", number + 2))
    return realm
