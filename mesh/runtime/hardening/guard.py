"""One bad stream ends itself, and nothing else.

In py-libp2p an exception that escapes the handling of a stream (a protocol name that is not UTF-8 is enough) cancels
the whole host; one of the stream's own ends the connection's accept loop silently. Here every stream is handled
behind one `except`, and a peer that opens more streams than it could need is disconnected.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from typing import Any

import trio

MAX_STREAMS_PER_PEER = 64
RESET_S = 2.0

_LOGGER = logging.getLogger("zenmesh.network")


def guard_streams(host: Any, offences: Counter[str]) -> None:
    """Put the guard before the host's stream handler; failures are counted in `offences`."""
    network = host.get_network()
    handle = network.common_stream_handler
    live: Counter[Any] = Counter()

    async def guarded(stream: Any) -> None:
        peer = stream.muxed_conn.peer_id
        live[peer] += 1
        try:
            if live[peer] > MAX_STREAMS_PER_PEER:
                offences["streams_refused"] += 1
                await host.disconnect(peer)
                return
            await handle(stream)
        except Exception:
            offences["streams_failed"] += 1
            _LOGGER.debug("a stream of %s failed", peer, exc_info=True)
            with (
                trio.CancelScope(deadline=trio.current_time() + RESET_S, shield=True),
                contextlib.suppress(Exception),
            ):
                await stream.reset()
        finally:
            live[peer] -= 1
            if not live[peer]:
                del live[peer]

    network.set_stream_handler(guarded)
