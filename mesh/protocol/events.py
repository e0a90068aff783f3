"""What happens to a node: the closed set of events that an interpreter (runtime or simulated world) hands to it.

Addresses are multiaddr strings without their `/p2p/…` part; the peer is named beside them. Times are not in events:
`Node.handle(event, now)` gets the instant as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.protocol.commands import Operation
from wire.errors import Offence
from wire.ids import PeerId
from wire.types import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUp:
    """The first secured connection to `peer` stands; the link has proven the peer id."""

    peer: PeerId
    address: str
    inbound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDown:
    """The last connection to `peer` is gone."""

    peer: PeerId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """One message ([type code, payload], see `wire.frame`) arrived on a channel of the link to `peer`."""

    peer: PeerId
    channel: Channel
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipReceived:
    """One message was published on `topic`; `forwarder` handed it on and need not be its author."""

    forwarder: PeerId
    topic: str
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFailed:
    """An attempt to reach `peer` at `address` failed for `cause`; the last address of an attempt has `final`."""

    peer: PeerId
    address: str
    cause: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFound:
    """Discovery (`source` is "mdns", "bootstrap", …) says that `peer` listens at `addresses`."""

    source: str
    peer: PeerId
    addresses: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOffence:
    """The runtime saw `peer` break framing rules: garbage, oversize, too slow, a flood."""

    peer: PeerId
    offence: Offence
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressesChanged:
    """This node now listens at `addresses` (dialable by others)."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock:
    """The wall clock reads `ms` milliseconds since 1970."""

    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A local user asks for something; exactly one `Reply` with `request_id` answers it."""

    request_id: int
    operation: Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class DamageFound:
    """The background scrub found bytes on disk that are not what was written."""

    path: str
    detail: str


NetworkEvent = (
    PeerUp | PeerDown | MessageReceived | GossipReceived | DialFailed | PeerFound | StreamOffence | AddressesChanged
)
InEvent = NetworkEvent | WallClock | Command | DamageFound
