"""Evidence against keys that speak for nobody just now: kept, for they may come back.

Evidence convicts who speaks for a swarm. A queen that contradicted herself, and was followed by her backup before it
was ordered, has no vote to lose; but she is the last of the backups from then on, and queen again if the others fail.
Then what she did counts. One who has another key in a new term is not meant: the root key has given up the old one,
which a thief may hold, and whatever is signed with it proves nothing against who came after. Bounded: the oldest go.
"""

from __future__ import annotations

from consensus.blocks import QuarantineTx, decode_tx
from mesh.protocol.context import Context
from wire import cose

MOST = 64


def culprit(tx: bytes) -> bytes | None:
    """The key that `tx` is evidence against; None when it is no evidence."""
    body = decode_tx(tx)
    return cose.parse(body.first).kid if isinstance(body, QuarantineTx) else None


class Docket:
    """One transaction for each key, as far as this node has seen it since its start."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waits: dict[bytes, bytes] = {}  # by key

    def keep(self, tx: bytes) -> None:
        """`tx` is not to be ordered now; if it is evidence, it may be later."""
        key = culprit(tx)
        if key is None or self._speaks(key):
            return  # it is none, was of use already, or will never be
        self._waits.setdefault(key, tx)
        while len(self._waits) > MOST:
            del self._waits[next(iter(self._waits))]

    def due(self) -> list[bytes]:
        """Evidence against who speaks for a swarm again."""
        found = [key for key in self._waits if self._speaks(key)]
        return [self._waits.pop(key) for key in found]

    def _speaks(self, key: bytes) -> bool:
        return any(member.queen_key == key for member in self._context.chain.members())
