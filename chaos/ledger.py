"""The one chain that there should be: every block that an honest node ever held, judged by rules that nobody planted
a fault into, and for each height who decided it.

    ledger.follow(chain)        take over what is new in a node's chain; `fault` says what could not be
    ledger.voters(height)       whose votes decide that height
    ledger.state(height)        what holds after it

Agreement is promised as long as few enough of those who vote lie: two quorums have to share one who does not
(`promised`). Where a scenario corrupts more, anything may be decided, and nothing is expected of it.
"""

from __future__ import annotations

from collections.abc import Collection

from consensus.blocks import block_hash
from consensus.chain import Chain
from consensus.quorum import QuorumName
from consensus.state import State
from consensus.validators import ValidatorSet
from wire import keys
from wire.errors import RemoteError
from wire.ids import Digest, SwarmId


class Ledger:
    """Grows with the furthest chain of the world."""

    def __init__(self, founded: Chain, verify: keys.Verify) -> None:
        self.chain = Chain(founded.genesis, verify)
        self.fault = ""  # why a block that a node holds can be in no chain
        self._states: list[State] = [self.chain.state]
        self._voters: list[ValidatorSet] = []  # of height 1, 2, …
        self._hashes: list[Digest] = [self.chain.head_hash]
        self._epochs: dict[int, ValidatorSet] = {}
        self._founded = founded.epoch
        self._promised = True
        self._judged: tuple[frozenset[SwarmId], int] = frozenset(), 0
        self.follow(founded)

    # reading

    @property
    def height(self) -> int:
        return self.chain.height

    def hash(self, height: int) -> Digest | None:
        """The block of a height; None beyond the end."""
        return self._hashes[height] if height < len(self._hashes) else None

    def state(self, height: int) -> State:
        """What holds after the block of `height`."""
        return self._states[height]

    def voters(self, height: int) -> ValidatorSet:
        """Who decides the block of `height`, which is at most the next one."""
        return self._voters[height - 1] if height <= len(self._voters) else self.chain.validators()

    def epoch(self, number: int) -> ValidatorSet | None:
        """Who votes in an epoch; None for one that nobody has reached."""
        now = self.chain.validators()
        return now if now.epoch == number else self._epochs.get(number)

    # growing

    def follow(self, chain: Chain) -> None:
        """Take over the blocks that only `chain` has."""
        while not self.fault and self.chain.height < chain.height:
            if self.chain.height + 1 < chain.first:
                return  # it leaped over that block; whoever showed it the way holds it
            block, certificate = chain.blocks(self.chain.height + 1, 0)[0]
            voters = self.chain.validators()
            try:
                self.chain.append(block, certificate)
            except RemoteError as error:
                self.fault = f"block {self.chain.height + 1} may not be: {error.detail}"
                return
            self._voters.append(voters)
            self._epochs[voters.epoch] = voters
            self._states.append(self.chain.state)
            self._hashes.append(block_hash(block))

    # what can be expected

    def promised(self, liars: Collection[SwarmId]) -> bool:
        """Agreement is promised: in no epoch since the founding did, or do, as many of those lie as two quorums may
        share."""
        judged = frozenset(liars), self.chain.epoch
        if self._promised and judged != self._judged:
            self._judged = judged
            sets = [voters for epoch, voters in self._epochs.items() if epoch >= self._founded]
            sets.append(self.chain.validators())
            self._promised = all(voters.weight(liars) < shared(voters) for voters in sets)
        return self._promised


def shared(voters: ValidatorSet) -> int:
    """The weight that any two quorums have in common, at least."""
    return 2 * quorum(voters) - voters.total


def quorum(voters: ValidatorSet) -> int:
    """The least weight that decides."""
    return least(voters.rule.name, voters.total)


def least(rule: QuorumName, total: int) -> int:
    """The least weight out of `total` that is enough by a rule, worked out anew."""
    return total // 2 + 1 if rule is QuorumName.MAJORITY else 2 * total // 3 + 1
