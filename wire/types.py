"""The registry: every type of message and of signed statement, where it travels, and how large it may be.

Docs and test vectors are generated from this table. Codes are never reused; an unknown code is counted and ignored.
`name` is the one that the message catalogue gives to users.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

KIB = 1024
MIB = 1024 * KIB

# Swarm state is anti-entropy traffic: batches of up to 256 KiB of ops plus their signed header.
BATCH_LIMIT = 300 * KIB


class Channel(StrEnum):
    """A lane between two nodes; the value is the libp2p protocol id, which carries the version."""

    MESH = "/zenmesh/mesh/1"
    PRIORITY = "/zenmesh/priority/1"
    SYNC = "/zenmesh/sync/1"
    JOIN = "/zenmesh/join/1"
    GOSSIP = "gossip"


class MessageType(IntEnum):
    """Type codes of messages in frames and in gossip."""

    HELLO = 1
    HEARTBEAT = 2
    DISCOVERY = 3
    BATCH = 4
    FORK = 5
    PING = 6
    PONG = 7
    CHAIN_REQUEST = 8
    CHAIN_BLOCKS = 9
    JOIN_FORWARD = 10
    JOIN_OUTCOME = 11
    TX_SUBMIT = 12
    HELD = 13
    REFUSAL = 14
    SEEK = 15
    SUPPORT = 16
    SYNC_HELLO = 32
    SYNC_WANT = 33
    SYNC_BATCHES = 34
    SYNC_SNAPSHOT = 35
    SYNC_ENTRIES = 36
    SYNC_TREE_REQUEST = 37
    SYNC_TREE = 38
    SYNC_CREDIT = 39
    SYNC_BYE = 40
    SYNC_HEADER_REQUEST = 41
    SYNC_HEADER = 42
    JOIN_REQUEST = 48
    JOIN_RESPONSE = 49
    PRE_PREPARE = 64
    PREPARE = 65
    COMMIT = 66
    CERTIFICATE = 67
    VIEW_CHANGE = 68
    NEW_VIEW = 69
    HEARD = 70
    ACCUSE = 80
    PROBE_REQUEST = 81
    PROBE_REPORT = 82


class ContentType(StrEnum):
    """Content types of signed statements (COSE_Sign1)."""

    GENESIS = "application/zenmesh.genesis+cbor;v=1"
    MEMBER_CERT = "application/zenmesh.member-cert+cbor;v=1"
    TICKET = "application/zenmesh.ticket+cbor;v=1"
    JOIN = "application/zenmesh.join+cbor;v=1"
    PROMOTE = "application/zenmesh.promote+cbor;v=1"
    TERM_BUMP = "application/zenmesh.term-bump+cbor;v=1"
    LEAVE = "application/zenmesh.leave+cbor;v=1"
    FAILOVER = "application/zenmesh.failover+cbor;v=1"
    SUPPORT = "application/zenmesh.support+cbor;v=1"
    TAKEOVER = "application/zenmesh.takeover+cbor;v=1"
    PROPOSAL = "application/zenmesh.proposal+cbor;v=1"
    BALLOT = "application/zenmesh.ballot+cbor;v=1"
    PRE_PREPARE = "application/zenmesh.pre-prepare+cbor;v=1"
    PREPARE = "application/zenmesh.prepare+cbor;v=1"
    COMMIT = "application/zenmesh.commit+cbor;v=1"
    VIEW_CHANGE = "application/zenmesh.view-change+cbor;v=1"
    NEW_VIEW = "application/zenmesh.new-view+cbor;v=1"
    ACCUSE = "application/zenmesh.accuse+cbor;v=1"
    BATCH = "application/zenmesh.batch+cbor;v=1"
    HEARTBEAT = "application/zenmesh.heartbeat+cbor;v=1"
    DISCOVERY = "application/zenmesh.discovery+cbor;v=1"


@dataclass(frozen=True, slots=True)
class Spec:
    """One row of the registry: lanes it may arrive on, largest payload in bytes, who vouches for it."""

    channels: tuple[Channel, ...]
    limit: int
    signer: str
    stranger: bool = False  # accepted from a peer that is no member (yet)


_LINK = "nobody: the authenticated link"

REGISTRY: dict[MessageType, Spec] = {
    MessageType.HELLO: Spec((Channel.PRIORITY,), 4 * KIB, _LINK, stranger=True),
    MessageType.HEARTBEAT: Spec((Channel.GOSSIP, Channel.MESH), 4 * KIB, "queen key"),
    MessageType.DISCOVERY: Spec((Channel.GOSSIP, Channel.MESH), 16 * KIB, "queen key"),
    MessageType.BATCH: Spec((Channel.GOSSIP, Channel.MESH), BATCH_LIMIT, "queen key of (swarm, term)"),
    MessageType.FORK: Spec((Channel.GOSSIP, Channel.MESH, Channel.SYNC), 4 * KIB, "queen key, twice"),
    MessageType.PING: Spec((Channel.PRIORITY,), 128, _LINK),
    MessageType.PONG: Spec((Channel.PRIORITY,), 128, _LINK),
    MessageType.CHAIN_REQUEST: Spec((Channel.MESH,), 128, _LINK, stranger=True),
    MessageType.CHAIN_BLOCKS: Spec((Channel.MESH,), 3 * MIB + 128 * KIB, "validators", stranger=True),
    MessageType.JOIN_FORWARD: Spec((Channel.MESH,), 64 * KIB, "ticket key and root key"),
    MessageType.JOIN_OUTCOME: Spec((Channel.MESH,), 64 * KIB, "the creator, by its link"),
    MessageType.TX_SUBMIT: Spec((Channel.MESH,), 64 * KIB, "as the transaction says", stranger=True),
    MessageType.HELD: Spec((Channel.MESH,), 64 * KIB, _LINK),
    MessageType.REFUSAL: Spec((Channel.PRIORITY,), 4 * KIB, _LINK, stranger=True),
    MessageType.SEEK: Spec((Channel.MESH,), 4 * KIB, _LINK),
    MessageType.SUPPORT: Spec((Channel.MESH,), 1 * KIB, "queen key"),
    MessageType.SYNC_HELLO: Spec((Channel.SYNC,), 1 * MIB, _LINK),
    MessageType.SYNC_WANT: Spec((Channel.SYNC,), 1 * MIB, _LINK),
    MessageType.SYNC_BATCHES: Spec((Channel.SYNC,), 640 * KIB, "queen key of each (swarm, term)"),
    MessageType.SYNC_SNAPSHOT: Spec((Channel.SYNC,), 4 * KIB, "queen key of (swarm, term)"),
    MessageType.SYNC_ENTRIES: Spec((Channel.SYNC,), 640 * KIB, "the root in the signed head"),
    MessageType.SYNC_TREE_REQUEST: Spec((Channel.SYNC,), 64 * KIB, _LINK),
    MessageType.SYNC_TREE: Spec((Channel.SYNC,), 640 * KIB, "the root in the signed head"),
    MessageType.SYNC_CREDIT: Spec((Channel.SYNC,), 128, _LINK),
    MessageType.SYNC_BYE: Spec((Channel.SYNC,), 1 * KIB, _LINK),
    MessageType.SYNC_HEADER_REQUEST: Spec((Channel.SYNC,), 1 * KIB, _LINK),
    MessageType.SYNC_HEADER: Spec((Channel.SYNC,), 4 * KIB, "queen key of (swarm, term)"),
    MessageType.JOIN_REQUEST: Spec((Channel.JOIN,), 60 * KIB, "ticket key and root key", stranger=True),
    MessageType.JOIN_RESPONSE: Spec((Channel.JOIN,), 60 * KIB, _LINK, stranger=True),
    MessageType.PRE_PREPARE: Spec((Channel.PRIORITY,), 1 * MIB + 4 * KIB, "queen key of the leader"),
    MessageType.PREPARE: Spec((Channel.PRIORITY,), 1 * KIB, "queen key of the voter"),
    MessageType.COMMIT: Spec((Channel.PRIORITY,), 1 * KIB, "queen key of the voter"),
    MessageType.CERTIFICATE: Spec((Channel.PRIORITY,), 80 * KIB, "queen keys of a quorum"),
    MessageType.VIEW_CHANGE: Spec((Channel.PRIORITY,), 1 * MIB + 80 * KIB, "queen key of the voter"),
    MessageType.NEW_VIEW: Spec((Channel.PRIORITY,), 3 * MIB, "queen key of the leader"),
    MessageType.HEARD: Spec((Channel.PRIORITY,), 40 * KIB, "queen key of the receiver, each statement"),
    MessageType.ACCUSE: Spec((Channel.GOSSIP, Channel.MESH, Channel.PRIORITY), 1 * KIB, "queen key of the accuser"),
    MessageType.PROBE_REQUEST: Spec((Channel.PRIORITY,), 128, _LINK),
    MessageType.PROBE_REPORT: Spec((Channel.PRIORITY,), 128, _LINK),
}
