"""What a replica wants done: the closed set of effects, to be carried out strictly in list order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wire.errors import RemoteError
from wire.ids import SwarmId
from wire.types import MessageType


@dataclass(frozen=True, slots=True)
class Store:
    """Make a record of the vote journal durable, before anything later in the list leaves."""

    record: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """Send a message to one validator, or to every other one."""

    message: MessageType
    body: bytes
    to: SwarmId | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand on to a validator a transaction that waits here, whoever wants it ordered."""

    tx: bytes
    to: SwarmId


@dataclass(frozen=True, slots=True)
class Decided:
    """A block is decided and appended: make it durable, then tell those who do not vote."""

    block: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Fetch:
    """`swarm` is further than we are: ask it for blocks."""

    swarm: SwarmId


@dataclass(frozen=True, slots=True)
class Serve:
    """`swarm` is behind: send it the blocks that it lacks."""

    swarm: SwarmId
    from_height: int


@dataclass(frozen=True, slots=True)
class Convict:
    """A voter contradicted itself: two envelopes that prove it."""

    swarm: SwarmId
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Blame:
    """`swarm` sent what no honest replica sends."""

    swarm: SwarmId
    error: RemoteError


class NoteKind(StrEnum):
    """What a note is about."""

    PROPOSED = "proposed"
    PREPARED = "prepared"
    DECIDED = "decided"
    VIEW_LEFT = "view_left"
    VIEW_ENTERED = "view_entered"
    CLOCK = "clock"  # a leader's block whose time is too far from ours


@dataclass(frozen=True, slots=True)
class Note:
    """Something that people and checkers want to know; nothing follows from it."""

    kind: NoteKind
    view: int
    height: int
    detail: str = ""


Effect = Store | Say | Submit | Decided | Fetch | Serve | Convict | Blame | Note
