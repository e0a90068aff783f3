"""Gossip that survives what it is sent.

py-libp2p's Pubsub ends at the first message whose key does not decode, or whose validator raises; GossipSub at a
heartbeat that fails, and it dials whatever addresses a stranger puts into a PRUNE. The defaults are made for
simulations: a heartbeat of two minutes, ten messages a second, queues of 32. All of that is overridden here. And it
lets everybody listen who connects; here a peer's stream is read, and so its subscriptions count, once it is trusted.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub import pubsub
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pubsub import Pubsub

from mesh.runtime.tokens import Tokens
from mesh.runtime.trust import Trust
from wire.ids import PeerId

MESHSUB = TProtocol("/meshsub/1.1.0")
QUEUE = 4096  # messages waiting, per subscription and per peer
MAX_RPC = 1024 * 1024  # bytes
MESSAGES_S = 300  # of one forwarder: refill of its bucket. A hundred members say 220 a second together
BURST = 300
REST_S = 1.0  # a forwarder is made to wait by the second, not by the message
MAX_PACES = 1024

_LOGGER = logging.getLogger("zenmesh.gossip")


class MeshPubsub(Pubsub):
    """Pubsub among trusted peers, behind one `except` per message."""

    def __init__(self, *args: Any, offences: Counter[str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.counter = time.time_ns()  # unique across restarts: others remember what they have seen for minutes
        self.trust = Trust(forget=self._forget_peer)
        self._offences = offences
        self.on_flood: Callable[[Any], None] = lambda forwarder: None
        self._paces: dict[Any, Tokens] = {}

    async def stream_handler(self, stream: INetStream) -> None:
        read = functools.partial(super().stream_handler, stream)
        if not await self.trust.visit(PeerId(str(stream.muxed_conn.peer_id)), read):
            await stream.reset()

    def _forget_all_subscriptions(self, peer_id: ID) -> None:
        """Only with the connection: when just our stream to a peer broke, it subscribes to nothing anew."""
        if not self._peer_is_connected(peer_id):
            super()._forget_all_subscriptions(peer_id)

    def _forget_peer(self, peer: PeerId) -> None:
        peer_id = ID.from_base58(peer)
        super()._forget_all_subscriptions(peer_id)
        self._handle_dead_peer(peer_id)

    async def continuously_read_stream(self, stream: Any) -> None:
        stream.read = functools.partial(self._read_at_pace, stream.muxed_conn.peer_id, stream.read)
        await super().continuously_read_stream(stream)

    async def _read_at_pace(self, forwarder: Any, read: Any, *args: Any) -> Any:
        """The library makes a task of each message and reads on: so it is here that a flood has to wait."""
        debt = self._pace(forwarder).debt(trio.current_time())
        if debt >= REST_S:
            self.on_flood(forwarder)
            await trio.sleep(debt)
        return await read(*args)

    def _pace(self, forwarder: Any) -> Tokens:
        pace = self._paces.get(forwarder)
        if pace is None:
            while len(self._paces) >= MAX_PACES:
                del self._paces[next(iter(self._paces))]
            pace = self._paces[forwarder] = Tokens(burst=BURST, rate=MESSAGES_S)
        return pace

    async def push_msg(self, msg_forwarder: Any, msg: Any) -> None:
        """What is too much is dropped before its signature costs anything: gossip is lossy by contract."""
        own = msg_forwarder == self.my_id
        if not own and self._pace(msg_forwarder).take(1, trio.current_time()):
            self._offences["dropped_gossip"] += 1
            return
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

    async def flush_pending_messages(self, peer_id: ID) -> None:
        """Drop them: the library writes them past the peer's queue, into the middle of what the queue is writing."""
        self._pending_messages.pop(peer_id, None)

    async def send_recent_messages(self, peer_id: ID, topic: str) -> None:
        """Not sent, for the same reason; a peer that has just come is brought up to date by anti-entropy."""

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
