"""What a node wants done: the closed set of effects that an interpreter carries out, strictly in list order.

`Persist`, `SaveFile(durable=True)` and `Compact` are durable before any later effect of the same list is released:
nothing is sent that could be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from consensus.tickets import Anchor
from mesh.protocol.commands import Failure, FailureKind, Outcome
from mesh.protocol.trace import TraceRecord
from wire.errors import Offence
from wire.ids import PeerId
from wire.time import Instant
from wire.types import Channel


class RecordKind(IntEnum):
    """Kinds of journal records; the number is on disk and never reused."""

    BATCH = 1
    BLOCK = 2
    FORK = 3
    SIGNED_HEAD = 4
    VOTE = 5
    BALLOT = 6
    INCARNATION = 7


class Persist(msgspec.Struct, frozen=True, kw_only=True):
    """Append a record to the journal, fsynced."""

    kind: RecordKind
    body: bytes


class SaveFile(msgspec.Struct, frozen=True, kw_only=True):
    """Replace the file `name` of the home atomically; with `durable`, fsynced."""

    name: str
    data: bytes
    durable: bool = True


class Compact(msgspec.Struct, frozen=True, kw_only=True):
    """Save `snapshots` (name to bytes) durably, then drop the journal written so far, which they cover."""

    snapshots: Mapping[str, bytes]


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Queue `message` for `peer` on `channel`; best effort."""

    peer: PeerId
    channel: Channel
    message: bytes


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Publish `message` on a gossip topic; best effort, lossy."""

    topic: str
    message: bytes


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """Join a gossip topic for the life of the process."""

    topic: str


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """Try to connect to `peer`, one address after another."""

    peer: PeerId
    addresses: tuple[str, ...]


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Close every connection to `peer`."""

    peer: PeerId
    reason: str


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """Lift (or restore) the narrow limits under which a stranger's link is kept."""

    peer: PeerId
    trusted: bool


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to the command `request_id`. After `until`, on the node's clock, it is not to be given: who stood
    still for so long may have been replaced (`mesh.protocol.fence`)."""

    request_id: int
    outcome: Outcome
    until: Instant | None = None

    def at(self, now: Instant) -> Outcome:
        """What is answered at `now`."""
        if self.until is None or now <= self.until:
            return self.outcome
        message = (
            "this node stood still before it could answer, and a backup may have taken over meanwhile: look there"
        )
        return Failure(kind=FailureKind.NO_QUORUM, message=message, retry_after_s=1.0)


class Deliberate(msgspec.Struct, frozen=True, kw_only=True):
    """This queen has a vote on `proposal`, and its policy leaves that to the operator: ask whoever speaks for it.

    `proposal` has the fields that `zenmesh proposals` shows. The answer is a `Vote` command, or none.
    """

    proposal: Mapping[str, object]


class Conclude(msgspec.Struct, frozen=True, kw_only=True):
    """What `Deliberate` asked about `proposal` (its id, hex) needs no answer any more: it is decided, or expired."""

    proposal: str


class Penalize(msgspec.Struct, frozen=True, kw_only=True):
    """`peer` committed `offence`: count it. Scores and bans are the node's own business."""

    peer: PeerId
    offence: Offence
    detail: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """A record of what happened, for logs, checkers and golden files."""

    record: TraceRecord


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A joiner was admitted: the interpreter replaces it by the node of this federation."""

    genesis: bytes
    certificate: bytes
    anchor: Anchor | None  # the block that the ticket names; None where no ticket was needed


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Others have confirmed that nothing this node signed is missing on disk: the store may forget its doubt."""


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Stop the process: going on would be wrong. `reason` is a sentence for the operator."""

    reason: str


Effect = (
    Persist
    | SaveFile
    | Compact
    | Send
    | Publish
    | Subscribe
    | Dial
    | Disconnect
    | Trust
    | Reply
    | Deliberate
    | Conclude
    | Penalize
    | Trace
    | Joined
    | Settle
    | Halt
)
