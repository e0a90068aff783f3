"""Typed bodies of the messages that nodes exchange outside the state, sync and chain layers.

Positional CBOR arrays on the wire (`wire.cbor`). Fields may be appended in later versions: a receiver ignores what
stands behind the fields it knows, so that a federation can be upgraded node by node.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Natural = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Address = Annotated[str, Meta(min_length=1, max_length=255)]
Addresses = Annotated[tuple[Address, ...], Meta(max_length=16)]

PROTOCOL_VERSION = 1
MAX_SOUGHT = 64


class HeldRow(Struct, frozen=True, array_like=True):
    """How far the sender holds one owner log: [swarm, term, seq, head hash]."""

    swarm: Bytes16
    term: Natural
    seq: Natural
    head: Bytes32


class Hello(Struct, frozen=True, array_like=True):
    """The first message on a link, in both directions. `yours`: what I hold of your swarm's log (start-up check)."""

    protocol_version: Natural
    federation: Bytes32
    swarm: Bytes16
    term: Natural
    boot_nonce: Bytes16
    epoch: Natural
    height: Natural
    state_root: Bytes32
    wall_ms: Natural
    yours: HeldRow | None
    name: Name
    software: Annotated[str, Meta(max_length=64)]


class Refusal(Struct, frozen=True, array_like=True):
    """Why the sender is about to close the link; said once, politely: [code, sentence]."""

    code: Annotated[str, Meta(max_length=32)]
    reason: Annotated[str, Meta(max_length=512)]


class Ping(Struct, frozen=True, array_like=True):
    """A probe; PONG has the same shape and repeats the nonce. Height and root show a gap without asking."""

    nonce: Natural
    wall_ms: Natural
    height: Natural
    state_root: Bytes32


class Heartbeat(Struct, frozen=True, array_like=True):
    """The signed digest of a swarm's state (COSE payload, content type `heartbeat`)."""

    federation: Bytes32
    epoch: Natural
    swarm: Bytes16
    term: Natural
    incarnation: Natural
    seq: Natural
    hlc: Natural
    height: Natural
    view: Natural
    head: Bytes32
    state_root: Bytes32
    load_permille: Annotated[int, Meta(ge=0, le=1000)]
    chain_head: Bytes32 | None = None  # of the block at `height`; an older version does not say


class Capabilities(Struct, frozen=True, array_like=True):
    """What a swarm offers: worker types, workers at most, load in thousandths, free memory in bytes."""

    worker_types: Annotated[tuple[Name, ...], Meta(max_length=64)] = ()
    max_workers: Natural = 0
    current_load_permille: Annotated[int, Meta(ge=0, le=1000)] = 0
    memory_available: Natural = 0


class Discovery(Struct, frozen=True, array_like=True):
    """DISCOVERY: a swarm announces itself (COSE payload). `addresses` are multiaddrs with their `/p2p/` part."""

    swarm: Bytes16
    term: Natural
    project_id: Annotated[str, Meta(max_length=128)]
    addresses: Addresses
    capabilities: Capabilities
    timestamp_ms: Natural


class Sought(Struct, frozen=True, array_like=True):
    """A member that the sender cannot reach, and the `timestamp_ms` of its newest DISCOVERY held; 0 without one."""

    swarm: Bytes16
    timestamp_ms: Natural


class Seek(Struct, frozen=True, array_like=True):
    """Where are these members? Each newer DISCOVERY that the receiver holds is the answer."""

    members: Annotated[tuple[Sought, ...], Meta(max_length=MAX_SOUGHT)]


class ProbeRequest(Struct, frozen=True, array_like=True):
    """Do you reach this member? The sender does not; the receiver pings it, and reports an answer."""

    swarm: Bytes16


class ProbeReport(Struct, frozen=True, array_like=True):
    """The member that was asked after has answered the sender since."""

    swarm: Bytes16


class Leaps(IntEnum):
    """Whether the asker takes the image of a state in place of the blocks that made it."""

    NONE = 0
    FAR = 1  # where it lacks many
    WANTED = 2  # it has leaped already, and stands on an image that is light


class ChainRequest(Struct, frozen=True, array_like=True):
    """Send me blocks from `from_height` on, or what leads over them: over no more than the block of `pass_not`."""

    from_height: Natural
    leaps: Leaps = Leaps.NONE
    pass_not: Natural | None = None


class BlockRecord(Struct, frozen=True, array_like=True):
    """A block and the COMMIT_CERT that decided it; with the image of the state before it, where blocks before it are
    left out. Also the body of a BLOCK record on disk."""

    block: bytes
    certificate: bytes
    state: bytes | None = None


class ChainBlocks(Struct, frozen=True, array_like=True):
    """Blocks, lowest first, each the next one, or with the state before it. `height` is the sender's own."""

    height: Natural
    blocks: Annotated[tuple[BlockRecord, ...], Meta(max_length=256)]


class JoinForward(Struct, frozen=True, array_like=True):
    """A member hands a stranger's JOIN_REQUEST to the one that can admit."""

    correlation: Bytes16
    request: bytes


class JoinOutcome(Struct, frozen=True, array_like=True):
    """The answer to JOIN_FORWARD: a whole JOIN_RESPONSE to pass on."""

    correlation: Bytes16
    response: bytes


class Held(Struct, frozen=True, array_like=True):
    """Acknowledgement: the sender holds these owner logs durably up to these sequence numbers."""

    rows: Annotated[tuple[HeldRow, ...], Meta(max_length=512)]


MESSAGE_STRUCTS: tuple[type[msgspec.Struct], ...] = (
    Hello,
    Refusal,
    Ping,
    Heartbeat,
    Discovery,
    Sought,
    Seek,
    ProbeRequest,
    ProbeReport,
    ChainRequest,
    ChainBlocks,
    JoinForward,
    JoinOutcome,
    Held,
)
