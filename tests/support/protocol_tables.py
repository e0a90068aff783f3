"""Tables of the protocol's documents, each worked out from the code that it speaks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consensus import blocks, certificates, genesis, tickets
from crdt import batch, ops
from crdt import fork as forks
from crdt.owner_log import Flag, Limits
from crdt.sync import messages as sync
from crdt.sync import server as sync_server
from crdt.sync import session as sync_session
from mesh.protocol import config as node_config
from mesh.protocol import scores
from mesh.protocol.announcing import FUTURE_TOLERANCE_MS
from mesh.runtime import lanes
from mesh.runtime import network as links
from mesh.runtime import reader as readers
from mesh.runtime.hardening import guard, pubsub, yamux
from wire import cbor, frame
from wire.time import MILLISECOND, SECOND
from wire.types import KIB, MIB, REGISTRY, ContentType, MessageType


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" if line[0] != "---" else "|---" * len(line) + "|\n" for line in lines)


_BODIES: dict[MessageType, str] = {
    MessageType.HELLO: "[Hello](messages.md#hello)",
    MessageType.HEARTBEAT: "envelope of [Heartbeat](messages.md#heartbeat)",
    MessageType.DISCOVERY: "envelope of [Discovery](messages.md#discovery)",
    MessageType.BATCH: "[batch](logs.md#batches)",
    MessageType.FORK: "[fork proof](logs.md#forks)",
    MessageType.PING: "[Ping](messages.md#ping-and-pong)",
    MessageType.PONG: "[Ping](messages.md#ping-and-pong)",
    MessageType.CHAIN_REQUEST: "[ChainRequest](messages.md#chain_request)",
    MessageType.CHAIN_BLOCKS: "[ChainBlocks](messages.md#chain_blocks)",
    MessageType.JOIN_FORWARD: "[JoinForward](messages.md#join_forward-and-join_outcome)",
    MessageType.JOIN_OUTCOME: "[JoinOutcome](messages.md#join_forward-and-join_outcome)",
    MessageType.TX_SUBMIT: "[transaction](chain.md#transactions)",
    MessageType.HELD: "[Held](messages.md#held)",
    MessageType.REFUSAL: "[Refusal](messages.md#refusal)",
    MessageType.SEEK: "[Seek](messages.md#seek)",
    MessageType.SUPPORT: "[statement](consensus.md#handing-over)",
    MessageType.SYNC_HELLO: "[Hello](sync.md#sync_hello)",
    MessageType.SYNC_WANT: "[Wants](sync.md#sync_want)",
    MessageType.SYNC_BATCHES: "[Batches](sync.md#sync_batches)",
    MessageType.SYNC_SNAPSHOT: "[Snapshot](sync.md#sync_snapshot)",
    MessageType.SYNC_ENTRIES: "[Entries](sync.md#sync_entries)",
    MessageType.SYNC_TREE_REQUEST: "[TreeRequest](sync.md#sync_tree_request)",
    MessageType.SYNC_TREE: "[Tree](sync.md#sync_tree)",
    MessageType.SYNC_CREDIT: "[Credit](sync.md#sync_credit)",
    MessageType.SYNC_BYE: "[Bye](sync.md#sync_bye)",
    MessageType.SYNC_HEADER_REQUEST: "[HeaderRequest](sync.md#sync_header_request)",
    MessageType.SYNC_HEADER: "[HeaderReply](sync.md#sync_header)",
    MessageType.JOIN_REQUEST: "[JoinRequest](chain.md#join_request)",
    MessageType.JOIN_RESPONSE: "[JoinResponse](chain.md#join_response)",
    MessageType.PRE_PREPARE: "[PrePrepare](consensus.md#pre_prepare)",
    MessageType.PREPARE: "[Vote](consensus.md#prepare-and-commit)",
    MessageType.COMMIT: "[Vote](consensus.md#prepare-and-commit)",
    MessageType.CERTIFICATE: "[CertificateNews](consensus.md#certificate)",
    MessageType.VIEW_CHANGE: "[ViewChange](consensus.md#view_change)",
    MessageType.NEW_VIEW: "[NewView](consensus.md#new_view)",
    MessageType.HEARD: "[Heard](consensus.md#heard)",
    MessageType.ACCUSE: "envelope of [Accusation](consensus.md#accuse)",
    MessageType.PROBE_REQUEST: "[ProbeRequest](consensus.md#probe_request-and-probe_report)",
    MessageType.PROBE_REPORT: "[ProbeReport](consensus.md#probe_request-and-probe_report)",
}


def _registry() -> str:
    rows = [
        [
            str(int(kind)),
            kind.name,
            ", ".join(channel.name for channel in spec.channels),
            _bytes(spec.limit),
            "yes" if spec.stranger else "no",
            spec.signer,
            _BODIES[kind],
        ]
        for kind, spec in REGISTRY.items()
    ]
    return table(["code", "name", "lanes", "payload ≤", "from strangers", "vouched for by", "payload"], rows)


def _channels() -> str:
    rows = [
        [
            channel.name,
            f"`{channel.value}`",
            _bytes(policy.size),
            f"{policy.messages}",
            "drops the oldest" if policy.lossy else "ends the link",
            "yes" if policy.compress else "no",
        ]
        for channel, policy in lanes.POLICIES.items()
    ]
    return table(["lane", "protocol id", "queue ≤", "messages ≤", "when full", "compressed"], rows)


def _content_types() -> str:
    signers = {
        ContentType.GENESIS: ("root key of the first member", "[genesis](chain.md#genesis)"),
        ContentType.MEMBER_CERT: ("root key of the swarm", "[certificate](chain.md#member-certificate)"),
        ContentType.TICKET: ("queen key of the inviter", "[grant](chain.md#tickets)"),
        ContentType.JOIN: ("ticket key", "SHA-256 of the certificate, [32 bytes](chain.md#tickets)"),
        ContentType.PROMOTE: ("queen key of the learner", "[statement](chain.md#promote)"),
        ContentType.TERM_BUMP: ("queen key of the new term", "[statement](chain.md#term_bump)"),
        ContentType.LEAVE: ("queen key of the member", "[statement](chain.md#leave)"),
        ContentType.FAILOVER: ("queen key of the backup", "[statement](consensus.md#failover)"),
        ContentType.SUPPORT: ("queen key of the member", "[statement](consensus.md#handing-over)"),
        ContentType.TAKEOVER: ("root key of a member", "[core](chain.md#commit-certificate)"),
        ContentType.PROPOSAL: ("queen key of the proposer", "[proposal](consensus.md#proposals)"),
        ContentType.BALLOT: ("queen key of the voter", "[ballot](consensus.md#ballots)"),
        ContentType.PRE_PREPARE: ("leader", "[core](chain.md#commit-certificate)"),
        ContentType.PREPARE: ("validator", "[core](chain.md#commit-certificate)"),
        ContentType.COMMIT: ("validator", "[core](chain.md#commit-certificate)"),
        ContentType.VIEW_CHANGE: ("validator", "[header](consensus.md#view_change)"),
        ContentType.NEW_VIEW: ("leader", "[header](consensus.md#new_view)"),
        ContentType.ACCUSE: ("queen key of the accuser", "[Accusation](consensus.md#accuse)"),
        ContentType.BATCH: ("queen key of (swarm, term)", "[header](logs.md#batches)"),
        ContentType.HEARTBEAT: ("queen key of the current term", "[Heartbeat](messages.md#heartbeat)"),
        ContentType.DISCOVERY: ("queen key of the current term", "[Discovery](messages.md#discovery)"),
    }
    return table(
        ["content type", "signed by", "payload"],
        [[f"`{kind.value}`", *signers[kind]] for kind in ContentType],
    )


def _offences() -> str:
    return table(
        ["offence", "points"],
        [[offence.value, f"{points:g}"] for offence, points in scores.PENALTY.items()],
    )


def _bounds() -> str:
    rows = {
        "body of a frame, from a member": _bytes(frame.MAX_BODY),
        "body of a frame, from a stranger": _bytes(readers.STRANGER_FRAME),
        "body of a frame on JOIN": _bytes(readers.JOIN_FRAME),
        "messages of one frame, read": f"{frame.MAX_MESSAGES}",
        "messages of one frame, written": f"{lanes.MESSAGES_PER_FRAME}, and {_bytes(lanes.BYTES_PER_FRAME)}",
        "content above which a sender tries zstd": _bytes(frame.COMPRESS_ABOVE),
        "time from the first byte of a frame to its last": f"{readers.FRAME_S:g} s",
        "life of a stream on JOIN": f"{readers.JOIN_S:g} s",
        "join streams at once, from everybody": f"{links.MAX_JOINS}",
        **{
            f"inbound streams at once on {channel.name}, of one link": f"{count}"
            for channel, count in links.STREAMS_PER_LANE.items()
        },
        "streams at once, of one peer, of any protocol": f"{guard.MAX_STREAMS_PER_PEER}",
        "a stranger's bytes: burst, then per second": f"{_bytes(readers.STRANGER_BURST)}, "
        f"{_bytes(readers.STRANGER_BYTES_S)}",
        "a member's messages, not on SYNC: burst, then per second": f"{readers.MEMBER_BURST}, "
        f"{readers.MEMBER_MESSAGES_S}",
        "a Yamux stream's window": _bytes(yamux.MAX_WINDOW),
        "unread bytes of one connection": _bytes(yamux.MAX_UNREAD),
        "a gossip RPC": _bytes(pubsub.MAX_RPC),
        "gossip messages of one forwarder: burst, then per second": f"{pubsub.BURST}, {pubsub.MESSAGES_S}",
        "nesting of CBOR": f"{cbor.MAX_DEPTH}",
        "an op": _bytes(ops.MAX_ENTRY),
        "a key": f"{ops.MAX_KEY} B of UTF-8",
        "a collection": f"{ops.MAX_COLLECTION} characters",
        "observed dots of one op": f"{ops.MAX_OBSERVED}",
        "ops of one batch": f"{batch.MAX_OPS}, and {_bytes(batch.MAX_OPS_BYTES)}",
        "a sealed batch header": _bytes(batch.MAX_HEADER),
        "a fork proof": _bytes(forks.MAX_PROOF),
        "a genesis": _bytes(genesis.MAX_GENESIS),
        "a member certificate": _bytes(certificates.MAX_CERT),
        "a ticket": _bytes(tickets.MAX_TICKET),
        "a block": _bytes(blocks.MAX_BLOCK),
        "a transaction": _bytes(blocks.MAX_TX),
        "a commit certificate": _bytes(blocks.MAX_CERTIFICATE),
        "a batch or DISCOVERY from the future": f"{Limits().future_ms} ms, {FUTURE_TOLERANCE_MS} ms",
        "logs that a node keeps": f"{Limits().owners}",
        "data of one sync message": _bytes(sync.DATA_BYTES),
        "sync data messages without credit": f"{sync.CREDIT}",
        "wants, and requests, waiting in a session": f"{sync_server.MAX_WANTS}, {sync_server.MAX_REQUESTS}",
        "restarts of one session": f"{sync_session.MAX_RESTARTS}",
    }
    return table(["what", "bound"], list(map(list, rows.items())))


def _profiles() -> str:
    names = ["probe", "missed_probes", "heartbeat", "announce", "contact_window", "redial_cap", "sync_round"]
    names += ["fence", "rank_delay"]
    rows = [
        [
            name.value,
            *(
                f"{value}" if field == "missed_probes" else f"{value / SECOND:g} s"
                for field in names
                if (value := getattr(profile, field)) is not None
            ),
        ]
        for name, profile in node_config.PROFILES.items()
    ]
    header = [
        "profile",
        "probe",
        "missed in a row",
        "heartbeat",
        "DISCOVERY",
        "contact window",
        "redial pause ≤",
        "sync round",
        "fence",
        "rank delay",
    ]
    return table(header, rows)


def _timers() -> str:
    config = node_config.NodeConfig()
    rows = {
        "own writes closer together share a batch": config.flush_interval,
        "between two batches of one owner on gossip": config.gossip_interval,
        "a stranger's time to greet or to ask for admission": config.stranger_deadline,
        "a sync session without progress": config.sync_deadline,
        "between two sessions with one peer": config.sync_pause,
        "a forwarded join request": config.forward_deadline,
        "before a join is asked for again": config.join_retry,
        "before PROMOTE or TERM_BUMP is sent again": config.promote_retry,
        "first pause before a lost link is dialled again": config.dial_base,
    }
    return table(["what", "time"], [[what, _duration(time)] for what, time in rows.items()])


def _flags() -> str:
    return table(["flag", "name"], [[str(int(flag)), flag.name] for flag in Flag])


PROTOCOL_TABLES: dict[str, Callable[[], str]] = {
    "registry": _registry,
    "lanes": _channels,
    "content-types": _content_types,
    "offences": _offences,
    "bounds": _bounds,
    "profiles": _profiles,
    "timers": _timers,
    "flags": _flags,
}


def _bytes(size: int) -> str:
    if size % MIB == 0:
        return f"{size // MIB} MiB"
    return f"{size // KIB} KiB" if size % KIB == 0 else f"{size} B"


def _duration(microseconds: int) -> str:
    return f"{microseconds // MILLISECOND} ms" if microseconds < SECOND else f"{microseconds / SECOND:g} s"
