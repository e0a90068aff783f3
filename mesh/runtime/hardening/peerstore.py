"""A peer store that knows no addresses, so that the library cannot dial on its own.

py-libp2p believes what a peer says of its addresses (identify, signed peer records), and whoever opens a stream to a
peer whose connection has just broken makes it dial all of them: addresses of the peer's choice, past the addresses
that its operator announces, past backoff and bans. Here the node's own book alone knows addresses, and hands them to
each dial.
"""

from __future__ import annotations

from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from multiaddr import Multiaddr


class MeshPeerStore(PeerStore):
    """Keeps keys and protocols of peers, and tells nobody an address."""

    def addrs(self, peer_id: ID) -> list[Multiaddr]:
        """None, whatever was learned."""
        return []
