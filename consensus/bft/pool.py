"""Transactions that wait to be ordered: first come, first ordered. Bounded.

Each is judged as it comes, on top of those before it, by the rules of the next block: so a ballot may follow its
proposal into the same block. A ballot that comes before its proposal is set aside until that comes, by itself or in a
block. After each block all are judged anew; what was ordered, or cannot be any more, goes: nobody shall wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.blocks import BallotTx, ProposalTx, TxBody, decode_tx
from consensus.chain import Chain
from consensus.governance.proposals import ProposalId, peek_ballot
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


@dataclass(frozen=True, slots=True)
class Aside:
    """A ballot, and the proposal that it waits for."""

    proposal: ProposalId
    waiting: Waiting


class Pool:
    """What a replica knows that the chain does not have yet."""

    def __init__(self, chain: Chain, most: int, most_bytes: int) -> None:
        self._chain = chain
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: dict[Digest, Waiting] = {}
        self._aside: dict[Digest, Aside] = {}
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
        body = decode_tx(tx)
        awaited = self._judge(tx, body, wall_ms)
        if awaited is not None:
            self._put_aside(digest, Aside(awaited, Waiting(tx, now)))
            return
        self._waiting[digest] = Waiting(tx, now)
        self._bytes += len(tx)
        if isinstance(body, ProposalTx):
            self._take_back(wall_ms)

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
        self._take_back(wall_ms)

    def remove(self, tx: bytes) -> None:
        """It is ordered, or will never be."""
        if self._waiting.pop(sha256(tx), None) is not None:
            self._bytes -= len(tx)

    def all(self) -> list[bytes]:
        """Every transaction, the oldest first."""
        return [waiting.tx for waiting in self._waiting.values()]

    def overdue(self, since: Instant) -> list[bytes]:
        """Those that have been waiting since then, the oldest first."""
        return [waiting.tx for waiting in self._waiting.values() if waiting.since <= since]

    def oldest(self) -> Instant | None:
        """Since when the first one waits."""
        return next((waiting.since for waiting in self._waiting.values()), None)

    def _judge(self, tx: bytes, body: TxBody, wall_ms: int) -> ProposalId | None:
        """The proposal that `tx`, a ballot, has to wait for, if it has to. Raises RemoteError for what may not be."""
        self._next.time_ms = max(self._next.time_ms, wall_ms)
        if self._chain.replays.within([tx]):
            raise Overtaken("a proposal that was decided, and a while ago")
        try:
            self._next.transact(tx)
        except Surplus:
            return None
        except Overtaken:
            proposal = peek_ballot(body.ballot).proposal if isinstance(body, BallotTx) else None
            if proposal is None or self._known(proposal):
                raise
            return proposal
        return None

    def _known(self, proposal: ProposalId) -> bool:
        standing = self._next.standing
        return proposal in standing.open or proposal in standing.outcomes

    def _put_aside(self, digest: Digest, ballot: Aside) -> None:
        if len(self._aside) >= MAX_ASIDE:
            del self._aside[next(iter(self._aside))]
        self._aside[digest] = ballot

    def _take_back(self, wall_ms: int) -> None:
        """A proposal came: its ballots may follow it."""
        for digest, ballot in list(self._aside.items()):
            if self._known(ballot.proposal):
                del self._aside[digest]
                try:
                    self.add(ballot.waiting.tx, ballot.waiting.since, wall_ms)
                except (RemoteError, Overloaded):
                    continue
