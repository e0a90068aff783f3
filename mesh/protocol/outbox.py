"""The list of effects under construction, with the few phrases that every machine of the node says.

One `Outbox` lives for one call of `Node.handle` or `Node.tick`; the machines append to it in the order in which the
interpreter must act.
"""

from __future__ import annotations

import msgspec

from mesh.protocol.effects import Disconnect, Effect, Persist, RecordKind, Send, Trace
from mesh.protocol.trace import TraceKind, TraceRecord
from wire import cbor
from wire.errors import Offence
from wire.frame import pack_message
from wire.ids import PeerId
from wire.types import Channel, MessageType


def pack(kind: MessageType, body: msgspec.Struct | bytes) -> bytes:
    """A message of type `kind`; `body` is a typed body, or bytes that already are one."""
    return pack_message(kind, body if isinstance(body, bytes) else cbor.encode_struct(body))


class Outbox:
    """Effects in the order in which they must happen; and who is to be charged for what, once all is done."""

    __slots__ = ("blamed", "effects", "grew")

    def __init__(self) -> None:
        self.effects: list[Effect] = []
        self.blamed: list[tuple[PeerId, Offence, str]] = []
        self.grew = False  # a block was decided here: whoever follows the chain is to be told

    def add(self, effect: Effect) -> None:
        self.effects.append(effect)

    def send(self, peer: PeerId, channel: Channel, kind: MessageType, body: msgspec.Struct | bytes) -> None:
        self.effects.append(Send(peer=peer, channel=channel, message=pack(kind, body)))

    def persist(self, kind: RecordKind, body: bytes) -> None:
        self.effects.append(Persist(kind=kind, body=body))

    def disconnect(self, peer: PeerId, reason: str) -> None:
        self.effects.append(Disconnect(peer=peer, reason=reason))

    def blame(self, peer: PeerId, offence: Offence, detail: str) -> None:
        """Charge `peer` for something that could be dealt with; what could not is raised as a RemoteError."""
        self.blamed.append((peer, offence, detail))

    def trace(self, kind: TraceKind, **fields: str | int | bool | None) -> None:
        self.effects.append(Trace(record=TraceRecord(kind=kind, fields=fields)))
