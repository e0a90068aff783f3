"""Gossip that survives what it is sent.

py-libp2p's Pubsub ends at the first message whose key does not decode, or whose validator raises; GossipSub at a
heartbeat that fails, and it dials whatever addresses a stranger puts into a PRUNE. The defaults are made for
simulations: a heartbeat of two minutes, ten messages a second, queues of 32. All of that is overridden here.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from typing import Any

from libp2p.abc import IHost
from libp2p.custom_types import TProtocol
from libp2p.pubsub import pubsub
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub

MESHSUB = TProtocol("/meshsub/1.1.0")
QUEUE = 4096  # messages waiting, per subscription and per peer
MAX_RPC = 1024 * 1024  # bytes

_LOGGER = logging.getLogger("zenmesh.gossip")


class MeshPubsub(Pubsub):
    """Pubsub behind one `except` per message."""

    def __init__(self, *args: Any, offences: Counter[str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.counter = time.time_ns()  # unique across restarts: others remember what they have seen for minutes
        self._offences = offences

    async def push_msg(self, msg_forwarder: Any, msg: Any) -> None:
        try:
            await super().push_msg(msg_forwarder, msg)
        except Exception:
            self._offences["gossip_malformed"] += 1
            _LOGGER.debug("dropped a malformed gossip message of %s", msg_forwarder, exc_info=True)


class MeshGossipSub(GossipSub):
    """GossipSub that goes on, forgets in time, and dials nobody on a stranger's word."""

    async def heartbeat(self) -> None:
        while True:
            try:
                await super().heartbeat()
            except Exception:
                _LOGGER.debug("a gossip heartbeat failed", exc_info=True)

    def gossip_heartbeat(self) -> Any:
        self.recent_message_deliveries.clear()  # grows without bound when adaptive gossip is off
        return super().gossip_heartbeat()

    async def handle_prune(self, prune_msg: Any, sender_peer_id: Any) -> None:
        """Only topics that this node knows: the books on back-off would grow with every name made up."""
        if prune_msg.topicID in self.mesh:
            await super().handle_prune(prune_msg, sender_peer_id)

    async def _do_px(self, px_peers: Any) -> None:
        """Peer exchange is refused: addresses come from certificates, announcements and mDNS."""


def make_gossip(host: IHost, offences: Counter[str]) -> tuple[MeshGossipSub, MeshPubsub]:
    """The router and the service, to be run before any connection stands."""
    pubsub.RpcQueue = functools.partial(_RPC_QUEUE, max_size=QUEUE)
    pubsub.SUBSCRIPTION_CHANNEL_SIZE = QUEUE
    router = MeshGossipSub(
        protocols=[MESHSUB],
        degree=6,
        degree_low=4,
        degree_high=12,
        heartbeat_interval=1,
        prune_back_off=5,
        do_px=False,
        adaptive_gossip_enabled=False,
        spam_protection_enabled=False,
    )
    service = MeshPubsub(host, router, strict_signing=True, max_inbound_rpc_size=MAX_RPC, offences=offences)
    return router, service


_RPC_QUEUE = pubsub.RpcQueue
