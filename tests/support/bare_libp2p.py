"""py-libp2p hosts as the library makes them, with Noise, Yamux and gossip: strangers for the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import libp2p
import trio
from libp2p.abc import IHost
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo, info_from_p2p_addr
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

YAMUX = TProtocol("/yamux/1.0.0")
MESHSUB = TProtocol("/meshsub/1.1.0")
CLOSE_DEADLINE_S = 5


@dataclass(frozen=True, slots=True)
class BareHost:
    """A running host and its gossip."""

    host: IHost
    pubsub: Pubsub

    @property
    def peer(self) -> ID:
        return self.host.get_id()

    @property
    def address(self) -> str:
        """Where it listens, with its peer id."""
        return str(self.host.get_addrs()[0])

    async def connect(self, address: str) -> ID:
        """Connect to a multiaddr that ends in /p2p/…; raises whatever the library raises."""
        info = info_from_p2p_addr(Multiaddr(address))
        await self.host.connect(PeerInfo(info.peer_id, info.addrs))
        return info.peer_id


def ed25519_keys(seed: int) -> KeyPair:
    """The same keys for the same seed."""
    return libp2p.create_identity_from_seed(bytes([seed]) * 32)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail after so long; and an error that is alone in a group of a group comes out alone."""
    try:
        with trio.fail_after(seconds):
            yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


@asynccontextmanager
async def bare_host(keys: KeyPair, listen: str = "/ip4/127.0.0.1/tcp/0") -> AsyncIterator[BareHost]:
    """A running host that listens at `listen`; Noise and Yamux only, and otherwise as the library comes."""
    host = libp2p.new_host(
        key_pair=keys,
        sec_opt={NOISE: Noise(keys, noise_privkey=create_x25519_key_pair().private_key)},
        muxer_opt={YAMUX: Yamux},
    )
    gossip = GossipSub(protocols=[MESHSUB], degree=6, degree_low=4, degree_high=12, heartbeat_interval=1)
    pubsub = Pubsub(host, gossip, strict_signing=True)
    async with host.run([Multiaddr(listen)]), background_trio_service(gossip), background_trio_service(pubsub):
        try:
            await pubsub.wait_until_ready()
            yield BareHost(host, pubsub)
        finally:  # before its gossip ends: the library dies of a message that comes in between
            with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
                await host.close()
