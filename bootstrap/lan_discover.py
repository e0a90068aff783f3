"""One look around the LAN: who answers libp2p's mDNS question, and what zenmesh nodes say of themselves.

It asks and listens without telling anything about this machine, needs no home and no running node, and works beside
one. Nothing of libp2p is imported, so that the command line answers at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import trio

from mesh.protocol.events import PeerFound
from mesh.runtime.mdns.service import open_mdns
from wire.errors import Unavailable
from wire.ids import PeerId
from wire.rng import Rng


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A node on the LAN. `federation` is its id in hex, empty outside of any; other programs have `zenmesh` False."""

    peer: PeerId
    addresses: tuple[str, ...]
    zenmesh: bool
    federation: str
    federation_name: str
    swarm: str
    project: str


def _found(event: PeerFound) -> Found:
    attributes = event.attributes
    return Found(
        peer=event.peer,
        addresses=event.addresses,
        zenmesh=any(key.startswith("zm.") for key in attributes),
        federation=attributes.get("zm.fed", ""),
        federation_name=attributes.get("zm.fedname", ""),
        swarm=attributes.get("zm.swarm", ""),
        project=attributes.get("zm.project", ""),
    )


async def discover(timeout_s: float) -> list[Found]:
    """Everyone who answers within `timeout_s` seconds: our own kind first, then by federation, swarm and peer.

    Raises Unavailable when this machine cannot do mDNS at all.
    """
    found: dict[PeerId, Found] = {}

    def note(event: PeerFound) -> None:
        found[event.peer] = _found(event)

    async with open_mdns(lambda: None, note, Rng(os.urandom(32))) as mdns:
        await trio.sleep(timeout_s)
        if not found and mdns.stats.sent == 0:
            raise Unavailable("; ".join(mdns.problems) or "no network interface can send multicast")
    return sorted(found.values(), key=lambda one: (not one.zenmesh, one.federation_name, one.swarm, one.peer))
