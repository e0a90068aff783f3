"""Transactions that wait to be ordered: first come, first ordered. Bounded.

Each is judged as it comes, on top of those before it, by the rules of the next block: so a ballot may follow its
proposal into the same block. A ballot that comes before its proposal is set aside until that comes. After each block
all are judged anew; what was ordered, or cannot be any more, goes: nobody shall wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.blocks import BallotTx, ProposalTx, TxBody, decode_tx
from consensus.chain import Chain
from consensus.governance.proposals import peek_ballot, peek_proposal
from consensus.state import Surplus
from wire.errors import Overloaded, Overtaken, RemoteError
from wire.ids import Digest, sha256
from wire.time import Instant

MAX_ASIDE = 1024  # ballots without their proposal


@dataclass(frozen=True, slots=True)
class Waiting:
    """One transaction, since when."""

    tx: bytes
    since: Instant


class Pool:
    """What a replica knows that the chain does not have yet."""

    def __init__(self, chain: Chain, most: int, most_bytes: int) -> None:
        self._chain = chain
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: dict[Digest, Waiting] = {}
        self._aside: dict[Digest, bytes] = {}
        self._next = chain.next_step(0)

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, tx: bytes) -> bool:
        return sha256(tx) in self._waiting

    def add(self, tx: bytes, now: Instant, wall_ms: int) -> None:
        """Take a transaction in; one that is here already is fine.

        Raises:
            RemoteError: it can be in no block that follows.
            Overloaded: there are too many.
        """
        digest = sha256(tx)
        if digest in self._waiting or digest in self._aside:
            return
        if len(self) >= self._most or self._bytes + len(tx) > self._most_bytes:
            raise Overloaded("too many transactions wait to be decided: try again later")
        body = self._judge(tx, wall_ms)
        if body is None:
            self._put_aside(digest, tx)
            return
        self._waiting[digest] = Waiting(tx, now)
        self._bytes += len(tx)
        if isinstance(body, ProposalTx):
            self._take_back(peek_proposal(body.proposal).proposal, now, wall_ms)

    def renew(self, wall_ms: int) -> None:
        """The chain grew: judge all anew."""
        self._next = self._chain.next_step(wall_ms)
        for waiting in list(self._waiting.values()):
            try:
                self._next.transact(waiting.tx)
            except Surplus:
                continue
            except RemoteError:
                self.remove(waiting.tx)

    def remove(self, tx: bytes) -> None:
        """It is ordered, or will never be."""
        if self._waiting.pop(sha256(tx), None) is not None:
            self._bytes -= len(tx)

    def all(self) -> list[bytes]:
        """Every transaction, the oldest first."""
        return [waiting.tx for waiting in self._waiting.values()]

    def oldest(self) -> Instant | None:
        """Since when the first one waits."""
        return next((waiting.since for waiting in self._waiting.values()), None)

    def _judge(self, tx: bytes, wall_ms: int) -> TxBody | None:
        """What `tx` says; None for a ballot that came before its proposal. Raises RemoteError."""
        body = decode_tx(tx)
        self._next.time_ms = max(self._next.time_ms, wall_ms)
        try:
            self._next.transact(tx)
        except Surplus:
            return body
        except Overtaken:
            if isinstance(body, BallotTx) and self._unknown(peek_ballot(body.ballot).proposal):
                return None
            raise
        return body

    def _unknown(self, proposal: bytes) -> bool:
        standing = self._next.standing
        return proposal not in standing.open and proposal not in standing.outcomes

    def _put_aside(self, digest: Digest, tx: bytes) -> None:
        if len(self._aside) >= MAX_ASIDE:
            del self._aside[next(iter(self._aside))]
        self._aside[digest] = tx

    def _take_back(self, proposal: bytes, now: Instant, wall_ms: int) -> None:
        """The proposal came: its ballots may follow it."""
        for digest, tx in list(self._aside.items()):
            body = decode_tx(tx)
            assert isinstance(body, BallotTx), "only ballots are set aside"
            if peek_ballot(body.ballot).proposal == proposal:
                del self._aside[digest]
                try:
                    self.add(tx, now, wall_ms)
                except (RemoteError, Overloaded):
                    continue
