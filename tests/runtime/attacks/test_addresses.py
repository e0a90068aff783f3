"""A peer cannot make this node dial: what it says of its addresses is not used when a stream wants a connection."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from libp2p.identity.identify import ID as IDENTIFY
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from mesh.runtime.host import open_host
from tests.support.bare_libp2p import ed25519_keys, within

LOOPBACK = ("/ip4/127.0.0.1/tcp/0",)


async def test_a_stream_to_a_peer_without_connection_dials_nothing_that_the_peer_named() -> None:
    dialed: list[trio.SocketStream] = []
    peer = ID.from_pubkey(ed25519_keys(1).public_key)

    async def accept(stream: trio.SocketStream) -> None:
        dialed.append(stream)
        await stream.aclose()

    with within(30):
        async with trio.open_nursery() as nursery, open_host(LOOPBACK, b"a" * 32, 8, Counter()) as ours:
            trap, *_ = await nursery.start(trio.serve_tcp, accept, 0)
            named = Multiaddr(f"/ip4/127.0.0.1/tcp/{trap.socket.getsockname()[1]}")
            ours.libp2p.get_peerstore().add_addrs(peer, [named], 120)
            with pytest.raises(Exception, match=r"(?i)no (known )?addr"):
                await ours.libp2p.new_stream(peer, [IDENTIFY])
            nursery.cancel_scope.cancel()
    assert dialed == []
