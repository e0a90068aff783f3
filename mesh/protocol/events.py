"""What happens to a node: the closed set of events that an interpreter (runtime or simulated world) hands to it.

Addresses are multiaddr strings without their `/p2p/…` part; the peer is named beside them. Times are not in events:
`Node.handle(event, now)` gets the instant as an argument. Events, as effects, are Structs because these are made in a
third of a dataclass's time, and everything that happens makes some.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mesh.protocol.commands import Operation
from wire.errors import Offence
from wire.ids import PeerId
from wire.types import Channel


class PeerUp(msgspec.Struct, frozen=True, kw_only=True):
    """The first secured connection to `peer` stands; the link has proven the peer id."""

    peer: PeerId
    address: str
    inbound: bool


class PeerDown(msgspec.Struct, frozen=True, kw_only=True):
    """The last connection to `peer` is gone."""

    peer: PeerId
    reason: str


class MessageReceived(msgspec.Struct, frozen=True, kw_only=True):
    """One message ([type code, payload], see `wire.frame`) arrived on a channel of the link to `peer`."""

    peer: PeerId
    channel: Channel
    message: bytes


class GossipReceived(msgspec.Struct, frozen=True, kw_only=True):
    """One message was published on `topic`; `forwarder` handed it on and need not be its author."""

    forwarder: PeerId
    topic: str
    message: bytes


class DialFailed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt to reach `peer` at `address` failed for `cause`; the last address of an attempt has `final`."""

    peer: PeerId
    address: str
    cause: str
    final: bool


class PeerFound(msgspec.Struct, frozen=True, kw_only=True):
    """Discovery (`source` is "mdns", "bootstrap", …) says that `peer` listens at `addresses`."""

    source: str
    peer: PeerId
    addresses: tuple[str, ...]
    attributes: Mapping[str, str] = msgspec.field(default_factory=dict)


class StreamOffence(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime saw `peer` break framing rules: garbage, oversize, too slow, a flood."""

    peer: PeerId
    offence: Offence
    detail: str


class AddressesChanged(msgspec.Struct, frozen=True, kw_only=True):
    """This node now listens at `addresses` (dialable by others)."""

    addresses: tuple[str, ...]


class WallClock(msgspec.Struct, frozen=True, kw_only=True):
    """The wall clock reads `ms` milliseconds since 1970."""

    ms: int


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A local user asks for something; exactly one `Reply` with `request_id` answers it."""

    request_id: int
    operation: Operation


class DamageFound(msgspec.Struct, frozen=True, kw_only=True):
    """The background scrub found bytes on disk that are not what was written."""

    path: str
    detail: str


NetworkEvent = (
    PeerUp | PeerDown | MessageReceived | GossipReceived | DialFailed | PeerFound | StreamOffence | AddressesChanged
)
InEvent = NetworkEvent | WallClock | Command | DamageFound


def culprit(event: InEvent) -> PeerId | None:
    """Who is to blame for a RemoteError that `event` led to."""
    match event:
        case MessageReceived(peer=peer):
            return peer
        case GossipReceived(forwarder=forwarder):
            return forwarder
        case _:
            return None
