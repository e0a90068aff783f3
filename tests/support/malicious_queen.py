"""A queen that lies: the real node of a home, which says more, less or other than it should where its vote counts.

    home.launch = launching("tests.support.malicious_queen", "two-proposals")       # from its next start on

What it hears, keeps and knows is that of an honest node, and so are its keys: whatever it says is properly signed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bootstrap.home import Home
from bootstrap.keyfiles import queen, read_key
from bootstrap.live.liar import CrookedTongue
from chaos.deceits import changed_ballot, heavy, opposite
from consensus.bft.messages import CONTENT, Phase, PrePrepare
from consensus.blocks import Block, Core, block_hash, sign_core
from consensus.governance.proposals import BallotBody
from tests.support.stand_in import stand_in
from wire import cbor
from wire.frame import code_of, pack_message, unpack_message
from wire.keys import SigningKey
from wire.rng import Rng
from wire.types import MessageType

if TYPE_CHECKING:
    from bootstrap.daemon import Between
    from mesh.runtime.loop import Network
    from wire.ids import PeerId
    from wire.types import Channel

_LIMIT = 4 * 1024 * 1024
Lie = Callable[[bytes, SigningKey], Iterator[bytes]]


def two_proposals(message: bytes, key: SigningKey) -> Iterator[bytes]:
    """Behind every proposal of a block another one, of the same height and view."""
    yield message
    if code_of(message) == MessageType.PRE_PREPARE:
        said = cbor.decode_as(unpack_message(message)[1], PrePrepare, _LIMIT)
        block = cbor.decode_as(said.block, Block, _LIMIT)
        other = cbor.encode_struct(replace(block, time_ms=block.time_ms + 1))
        core = replace(cbor.decode_as(said.core, Core), block_hash=block_hash(other))
        signature = sign_core(core, key, CONTENT[Phase.PRE_PREPARE])
        yield _packed(MessageType.PRE_PREPARE, PrePrepare(cbor.encode_struct(core), signature, other))


def two_ballots(message: bytes, key: SigningKey) -> Iterator[bytes]:
    """Yes and no."""
    yield message
    yield from _ballot(message, key, opposite)


def boasts(message: bytes, key: SigningKey) -> Iterator[bytes]:
    """A ballot that claims to weigh more than all others."""
    yield from list(_ballot(message, key, heavy)) or [message]


def withholds(message: bytes, key: SigningKey) -> Iterator[bytes]:
    """It proposes and prepares, and keeps to itself what came of it."""
    if code_of(message) not in (MessageType.COMMIT, MessageType.CERTIFICATE, MessageType.CHAIN_BLOCKS):
        yield message


LIES: dict[str, Lie] = {
    "two-proposals": two_proposals,
    "two-ballots": two_ballots,
    "boasts": boasts,
    "withholds": withholds,
}


def _ballot(message: bytes, key: SigningKey, change: Callable[[BallotBody], BallotBody]) -> Iterator[bytes]:
    """Its own ballot, changed; nothing for other messages."""
    changed = changed_ballot(message, key, change) if code_of(message) == MessageType.TX_SUBMIT else None
    if changed is not None:
        yield changed


def _packed(kind: MessageType, body: PrePrepare) -> bytes:
    return pack_message(kind, cbor.encode_struct(body))


class ForkedTongue(CrookedTongue):
    """Lies to its peers, each time the same way; gossip carries no votes."""

    def __init__(self, network: Network, lie: Lie, key: SigningKey) -> None:
        super().__init__(network, Rng(0), 0.0)
        self._lie, self._key = lie, key

    def send(self, peer: PeerId, channel: Channel, message: bytes) -> None:
        for said in self._lie(message, self._key):
            self._network.send(peer, channel, said)


def change(lie: str, home: Home) -> Between:
    """Between the node of a home and its network: a lie, under the seal of its queen."""
    key = read_key(home.keys, queen(term=1))
    return lambda network: ForkedTongue(network, LIES[lie], key)


if __name__ == "__main__":
    stand_in(sys.argv[1:], change)
