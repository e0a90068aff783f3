"""Where do two logs of one author part? A binary search over headers.

Both sides hold a batch at `seq` with different hashes. The first place where they differ is the fork: cutting there
keeps all that is common, and every node that searches finds the same place. Each header that comes is authentic, so
each step is evidence; the lowest differing pair becomes the proof. Where headers are not known any more the search
ends at the lowest pair that is.
"""

from __future__ import annotations

from crdt import fork
from crdt.batch import SignedHeader
from crdt.owner_log import OwnerLog


class ForkSearch:
    """Searches downwards from one differing pair."""

    def __init__(self, log: OwnerLog, differing: SignedHeader) -> None:
        self.author = log.author
        self._log = log
        self._low = 1
        self._found = differing

    def next_seq(self) -> int | None:
        """The batch whose header is needed next; None when the place is found."""
        while self._low < self._found.header.seq:
            middle = (self._low + self._found.header.seq) // 2
            if self._log.head_at(middle) is not None:
                return middle
            self._low = middle + 1
        return None

    def on_header(self, seq: int, signed: SignedHeader | None) -> None:
        """The peer's authentic header at `seq`, None when it does not know it."""
        mine = self._log.head_at(seq)
        if signed is None or mine is None or signed.hash == mine.hash:
            self._low = seq + 1
        else:
            self._found = signed

    def proof(self) -> bytes | None:
        """The proof of the fork; None when our own log was cut meanwhile."""
        mine = self._log.head_at(self._found.header.seq)
        if mine is None or mine.hash == self._found.hash:
            return None
        return fork.build(mine.envelope, self._found.envelope.raw)
