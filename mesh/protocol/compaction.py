"""Keeping the disk small while the node runs.

The journal grows with every batch; when enough was written, the logs that changed since their last snapshot are
saved whole and the journal that they cover is dropped. In memory, batches that every member holds, and the oldest
beyond a bound, are forgotten; whoever comes later gets a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdt.ops import Author
from crdt.snapshot import encode_snapshot
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.detector import Detector
from mesh.protocol.effects import Compact, Persist
from mesh.protocol.messages import BlockRecord
from mesh.protocol.outbox import Outbox
from mesh.protocol.syncing import owner_file
from mesh.protocol.trace import TraceKind
from mesh.protocol.voting import Voting
from wire import cbor

CHAIN_FILE = "chain"
VOTES_FILE = "votes"
BALLOTS_FILE = "ballots"
INCARNATION_FILE = "incarnation"


class Compaction:
    """Counts what the journal took and folds it into snapshots."""

    def __init__(self, context: Context, deciding: Deciding, voting: Voting, detector: Detector) -> None:
        self._context = context
        self._deciding = deciding
        self._voting = voting
        self._detector = detector
        self._written = 0

    def after(self, out: Outbox) -> None:
        """Account for the records of one call, if it had any effects; compact when it is time."""
        for effect in out.effects:
            if isinstance(effect, Persist):
                self._written += len(effect.body)
        if self._written >= self._context.config.compact_bytes:
            self._compact(dict(self._context.replica.dirty), out)

    def repair(self, path: str, detail: str, out: Outbox) -> None:
        """The scrub found damage: what is in memory is whole, so write it anew, whether it changed or not."""
        out.trace(TraceKind.DAMAGE, path=path, detail=detail)
        self._context.counters["damage_found"] += 1
        self._compact(dict.fromkeys(self._context.replica.logs), out)

    def _compact(self, authors: Iterable[Author], out: Outbox) -> None:
        replica = self._context.replica
        snapshots = {owner_file(author): encode_snapshot(replica, author) for author in sorted(authors)}
        snapshots[CHAIN_FILE] = encode_chain(self._context)
        snapshots[VOTES_FILE] = cbor.encode(self._deciding.records())
        snapshots[BALLOTS_FILE] = cbor.encode(self._voting.records())
        snapshots[INCARNATION_FILE] = cbor.encode(self._detector.records())
        out.add(Compact(snapshots=snapshots))
        replica.dirty.clear()
        self._written = 0
        self._context.counters["compactions"] += 1


def encode_chain(context: Context) -> bytes:
    """All that the chain is made of, lowest first."""
    return cbor.encode([cbor.encode_struct(BlockRecord(*record)) for record in context.chain.records()])
