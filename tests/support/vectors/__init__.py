"""Test vectors of the protocol: what goes in, what comes out, for whoever writes another peer.

    python -m tests.support.vectors --write        # writes docs/vectors anew; without --write says what differs

Everything follows from fixed seeds, so the files change only with the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.vectors import chain, discovery, encoding, invitations, logs, messages
from tests.support.vectors.form import File

DIRECTORY = Path(__file__).parents[3] / "docs" / "vectors"

FILES: dict[str, Callable[[], File]] = {
    "ids": encoding.ids,
    "cbor": encoding.plain,
    "envelopes": encoding.envelopes,
    "frames": encoding.frames,
    "messages": messages.messages,
    "logs": logs.logs,
    "trie": logs.tries,
    "chain": chain.chain,
    "tickets": invitations.tickets,
    "mdns": discovery.mdns,
}
