"""What libp2p tells of connections, in the words of the network, and where their other ends are."""

from __future__ import annotations

from typing import Any, Protocol

from libp2p.abc import INotifee

from wire.ids import PeerId


class LinkEvents(Protocol):
    """Who is told; neither call may block."""

    def link_up(self, peer: PeerId, muxed: Any, connection: Any) -> object: ...
    def link_down(self, peer: PeerId) -> None: ...


class Notifee(INotifee):
    """Told by libp2p of connections; must not block."""

    def __init__(self, network: LinkEvents) -> None:
        self._network = network

    async def connected(self, network: Any, conn: Any) -> None:
        self._network.link_up(PeerId(str(conn.muxed_conn.peer_id)), conn.muxed_conn, conn)

    async def disconnected(self, network: Any, conn: Any) -> None:
        self._network.link_down(PeerId(str(conn.muxed_conn.peer_id)))

    async def opened_stream(self, network: Any, stream: Any) -> None:
        pass

    async def closed_stream(self, network: Any, stream: Any) -> None:
        pass

    async def listen(self, network: Any, multiaddr: Any) -> None:
        pass

    async def listen_close(self, network: Any, multiaddr: Any) -> None:
        pass


def remote_address(connection: Any, muxed: Any) -> str:
    """The multiaddr of the other end, "" when the library does not say."""
    try:
        remote = muxed.secured_conn.get_remote_address() if connection is None else None
        if remote is None:
            address = connection.get_transport_addresses()[0]
            return str(address).partition("/p2p/")[0]
        family = "ip6" if ":" in remote[0] else "ip4"
        return f"/{family}/{remote[0]}/tcp/{remote[1]}"
    except Exception:
        return ""
