"""Proposals that are decided and must not be again: a state remembers the last outcomes, and these are older.

A ballot names its proposal and nothing else. So whoever brought back a proposal that the state has forgotten, before
its deadline, with the ballots that stand in the blocks, would have it decided once more, and nobody asked. Blocks do
not depend on what is known here, since who leaped does not know it: it keeps a queen from voting, as her clock does,
on a block that opens such a proposal, and from answering one. Once a third of the weight knows of it, it cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.blocks import ProposalTx, decode_tx
from consensus.governance.proposals import ProposalId, peek_proposal
from consensus.governance.standing import Standing

MOST = 1 << 16


class Replays:
    """Forgotten proposals, until their deadlines. Bounded: those that end first go first."""

    def __init__(self, until_ms: dict[ProposalId, int] | None = None) -> None:
        self._until_ms = until_ms or {}
        self._swept_at = 1024

    def copy(self) -> Replays:
        """The same, to grow on its own."""
        return Replays(dict(self._until_ms))

    def note(self, before: Standing, after: Standing, time_ms: int) -> None:
        """A block of this time made `after` of `before`."""
        if before.forgotten == after.forgotten:
            return
        gone = (outcome for key, outcome in before.outcomes.items() if key not in after.outcomes)
        self._until_ms.update((o.proposal.id, o.proposal.body.deadline_ms) for o in gone)
        if len(self._until_ms) > self._swept_at:
            left = sorted(self._until_ms.items(), key=lambda item: item[1], reverse=True)[:MOST]
            self._until_ms = {key: until for key, until in left if until > time_ms}
            self._swept_at = 2 * len(self._until_ms) + 1024

    def __len__(self) -> int:
        return len(self._until_ms)

    def __contains__(self, proposal: ProposalId) -> bool:
        return proposal in self._until_ms

    def within(self, txs: Iterable[bytes]) -> bool:
        """One of these, each a transaction that may be, opens such a proposal."""
        bodies = map(decode_tx, txs) if self._until_ms else ()
        return any(isinstance(body, ProposalTx) and peek_proposal(body.proposal).proposal in self for body in bodies)
