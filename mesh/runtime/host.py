"""A libp2p host as this mesh needs it: TCP, Noise and Yamux, nothing else offered, hardened, and closed when left.

The rest of the runtime sees a `Host` and never the library's defaults: no plaintext, TLS or mplex; nothing that
dials on its own; connection caps that hold and slots that come back; a peer store that does not evict our own key.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import libp2p
import trio
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.config import ConnectionConfig
from libp2p.rcmgr.connection_limits import ConnectionLimits
from libp2p.rcmgr.manager import ResourceLimits, ResourceManager
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.stream_muxer.yamux.yamux import Yamux
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from mesh.runtime.hardening.guard import guard_streams
from mesh.runtime.hardening.peerstore import MeshPeerStore
from mesh.runtime.hardening.pubsub import MeshPubsub, make_gossip
from mesh.runtime.hardening.tcp import MeshTCP
from mesh.runtime.hardening.yamux import harden_yamux
from wire.errors import ConfigError

YAMUX = TProtocol("/yamux/1.0.0")
CONNECTIONS_PER_PEER = 4
CLOSE_S = 5.0
_UNLIMITED = 10**9  # caps that the library enforces by never giving slots back; `ConnectionLimits` caps for real


@dataclass(frozen=True, slots=True)
class Host:
    """A running host and its gossip service."""

    libp2p: Any
    pubsub: MeshPubsub

    @property
    def network(self) -> Any:
        """libp2p's swarm."""
        return self.libp2p.get_network()


@contextlib.asynccontextmanager
async def open_host(
    listen: tuple[str, ...], seed: bytes, max_links: int, offences: Counter[str]
) -> AsyncIterator[Host]:
    """Listen and gossip until left.

    Raises:
        ConfigError: an address cannot be listened on.
    """
    harden_yamux()
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)  # it logs every refused dial as an error
    for address in listen:
        _check_free(address)
    keys = libp2p.create_identity_from_seed(seed)
    limits = ConnectionLimits(
        max_established_inbound=max_links,
        max_established_outbound=max_links,
        max_established_per_peer=CONNECTIONS_PER_PEER,
        max_established_total=max_links,
    )
    manager = ResourceManager(
        limits=ResourceLimits(max_connections=_UNLIMITED, max_streams=_UNLIMITED), connection_limits=limits
    )
    host: Any = libp2p.new_host(
        key_pair=keys,
        sec_opt={NOISE: Noise(keys, noise_privkey=create_x25519_key_pair().private_key)},
        muxer_opt={YAMUX: Yamux},
        transports=[MeshTCP(max_links, offences)],
        peerstore_opt=MeshPeerStore(max_peers=100_000),
        resource_manager=manager,
        connection_config=ConnectionConfig(
            max_connections=_UNLIMITED, min_connections=0, low_watermark=0, high_watermark=_UNLIMITED
        ),
    )
    host.get_network().set_resource_manager(manager, enable_stream_semaphore=False)
    guard_streams(host, offences)
    router, service = make_gossip(host, offences)
    async with host.run([Multiaddr(address) for address in listen]):
        try:
            await host.get_network().auto_connector.stop()
            async with background_trio_service(router), background_trio_service(service):
                await service.wait_until_ready()
                yield Host(host, service)
        finally:
            await _close(host)


async def _close(host: Any) -> None:
    """Leaving `run` closes neither connections nor listeners; all at once is faster than one by one."""
    with trio.CancelScope(deadline=trio.current_time() + CLOSE_S, shield=True), contextlib.suppress(Exception):
        async with trio.open_nursery() as nursery:
            for connection in host.get_network().get_connections():
                nursery.start_soon(_quietly, connection.close)
        await host.close()


async def _quietly(close: Any) -> None:
    with contextlib.suppress(Exception):
        await close()


def _check_free(address: str) -> None:
    """The library binds with SO_REUSEPORT, so it would share a port silently. Raises ConfigError."""
    _, family, host, _, port = address.split("/")[:5]
    kind = socket.AF_INET6 if family == "ip6" else socket.AF_INET
    try:
        with socket.socket(kind, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if kind == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((host, int(port)))
            probe.listen(1)
    except OSError as error:
        rule = f"cannot listen there: {error.strerror}; stop what uses it, or name another with --listen"
        raise ConfigError("listen", address, rule) from error
