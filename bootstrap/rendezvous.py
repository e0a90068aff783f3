"""Bootstrap addresses: told to the node again and again, for a member that was down may come back at any time.

The node's own address book does the rest: what it learns here it dials, remembers and passes on. `/dnsaddr` names are
resolved anew each time, so that a federation can move without anybody's configuration changing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import trio

from bootstrap.multiaddrs import parse_typed
from mesh.protocol.events import PeerFound
from mesh.runtime.names import Unresolved, resolve_dnsaddr

PERIOD_S = 60.0
MAX_DEPTH = 3  # a dnsaddr may name another

_LOGGER = logging.getLogger("zenmesh")


async def feed_bootstrap(addresses: Sequence[str], post: Callable[[PeerFound], None]) -> None:
    """Post what the addresses name, now and every minute."""
    while addresses:
        for text in addresses:
            for event in await _found(text, MAX_DEPTH):
                post(event)
        await trio.sleep(PERIOD_S)


async def _found(text: str, depth: int) -> list[PeerFound]:
    try:
        address = parse_typed(text)
    except ValueError as error:
        _LOGGER.warning("bootstrap address %s is ignored: %s", text, error)
        return []
    if address.family != "dnsaddr":
        if address.peer is None:
            return []
        return [PeerFound(source="bootstrap", peer=address.peer, addresses=(address.address,))]
    if depth == 0:
        return []
    try:
        texts = await resolve_dnsaddr(address.host)
    except Unresolved as error:
        _LOGGER.warning("%s; trying again in %d s", error, PERIOD_S)
        return []
    found: list[PeerFound] = []
    for inner in texts:
        found += [event for event in await _found(inner, depth - 1) if address.peer in (None, event.peer)]
    return found
