"""With which members a node keeps links: with all, up to `full_mesh` of them; in a larger federation with some.

The pair decides, not either end: two members are neighbours iff the hash of their ids, taken as a fraction of one, is
below `neighbours` divided by the number of others. So both ends agree without a word, nobody refuses what another
dials, a member that joins or leaves moves few links, and the graph is a random one: with 64 expected neighbours it
falls apart with a probability below 2⁻⁸⁰. Who grinds ids to stand beside a victim adds itself to the victim's
neighbours, and takes nobody's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mesh.protocol.config import NodeConfig
from wire.ids import SwarmId

_BITS = 64


def neighbours(me: SwarmId, others: Sequence[SwarmId], config: NodeConfig) -> list[SwarmId]:
    """Those of `others` that `me` keeps links with, in their order."""
    if len(others) <= config.full_mesh:
        return list(others)
    limit = (config.neighbours << _BITS) // len(others)
    return [other for other in others if _fraction(me, other) < limit]


def _fraction(one: SwarmId, other: SwarmId) -> int:
    """The same for both, and evenly spread over 64 bits."""
    digest = hashlib.sha256(min(one, other) + max(one, other)).digest()
    return int.from_bytes(digest[: _BITS // 8])
