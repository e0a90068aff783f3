"""What a transaction is judged by: the state before it, the block that it is in, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consensus.certificates import MAX_CERT
from consensus.genesis import Genesis
from consensus.governance.standing import Standing
from consensus.membership import Membership
from consensus.validators import ValidatorSet
from wire import keys
from wire.errors import ProtocolViolation
from wire.types import KIB

MAX_STATEMENT = MAX_CERT + 2 * KIB  # bytes of a statement that carries a certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One transaction's surroundings."""

    genesis: Genesis
    membership: Membership
    standing: Standing
    voters: ValidatorSet
    height: int
    time_ms: int
    block_hash_at: Callable[[int], bytes | None]
    verify: keys.Verify

    @property
    def federation(self) -> bytes:
        return self.genesis.federation_id

    def governed(self) -> Standing:
        """The decisions so far; raises ProtocolViolation while the creator governs alone."""
        if not self.standing.governed:
            raise ProtocolViolation("the creator of this federation governs alone: there is nothing to vote on yet")
        return self.standing
