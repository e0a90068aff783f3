"""Vectors of messages: every type of the registry, from its fields to the message that stands in a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from consensus.accusations import Accusation
from consensus.admission import JoinRequest, JoinResponse, JoinStatus
from consensus.bft import messages as bft
from consensus.bft.replica import BODIES
from consensus.bft.safety import SafetyRules
from consensus.blocks import Core, block_hash, sign_core, support
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.validators import Validator, ValidatorSet
from crdt.sync import messages as sync
from crdt.trie import Inner, Trie
from mesh.protocol.messages import (
    BlockRecord,
    Capabilities,
    ChainBlocks,
    ChainRequest,
    Discovery,
    Heartbeat,
    Held,
    HeldRow,
    Hello,
    JoinForward,
    JoinOutcome,
    Ping,
    ProbeReport,
    ProbeRequest,
    Refusal,
    Seek,
    Sought,
)
from tests.support.protocol_examples import CREATED_MS, NODE, QUEEN
from tests.support.vectors.form import File, Section, Vector
from tests.support.vectors.scene import AUTHOR, STAMP, SWARM, fork_proof, genesis, raw, ticket, written
from wire import cbor, cose
from wire.errors import Offence
from wire.frame import pack_message
from wire.ids import peer_id_of, sha256
from wire.types import REGISTRY, ContentType, MessageType

_ADDRESS = f"/ip4/192.0.2.1/tcp/4150/p2p/{peer_id_of(NODE.public)}"
_NONCE, _NOW = bytes(range(16)), CREATED_MS + 5_000
_OTHER = bytes(range(1, 17))
SIGNED: Mapping[MessageType, ContentType] = {
    MessageType.HEARTBEAT: ContentType.HEARTBEAT,
    MessageType.DISCOVERY: ContentType.DISCOVERY,
    MessageType.ACCUSE: ContentType.ACCUSE,
}


def messages() -> File:
    """Every message."""
    vectors = {
        MessageType(kind): [_vector(kind, index, body) for index, body in enumerate(bodies)]
        for kind, bodies in _bodies().items()
    } | {kind: [_opaque(kind, payload, where)] for kind, payload, where in _statements()}
    assert set(vectors) == set(REGISTRY)
    return File(
        name="messages",
        about="Every type of message, with a payload for each and the message as it stands in a frame.",
        sections=[
            *(
                Section(
                    name=kind.name,
                    about=f"Code {int(kind)}, on {' and '.join(lane.name for lane in REGISTRY[kind].channels)}.",
                    vectors=vectors[kind],
                )
                for kind in REGISTRY
            ),
            Section(
                name="later versions",
                about="Payloads with fields behind those known: they are read as if nothing more was there.",
                vectors=list(_later()),
            ),
            Section(
                name="refused",
                about="Payloads that are refused: each is an offence of its sender. "
                "`limit` is the bound of the type, counted before anything is decoded.",
                vectors=list(_unsound()),
            ),
        ],
    )


def _vector(kind: MessageType, index: int, body: Struct) -> Vector:
    """The body alone, or sealed where the registry says so."""
    encoded = cbor.encode_struct(body)
    given: dict[str, object] = {"code": int(kind), "fields": body}
    out: dict[str, object] = {"body": encoded}
    payload = encoded
    if kind in SIGNED:
        payload = cose.seal(SIGNED[kind], encoded, QUEEN, genesis().federation_id)
        given |= {"seed": QUEEN.seed, "content_type": SIGNED[kind], "federation": genesis().federation_id}
        out["envelope"] = payload
    return Vector(
        name=f"{kind.name} {index + 1}",
        about=_ABOUT.get((kind, index), "The fields in order, and what they become."),
        given=given,
        out={**out, "message": pack_message(kind, payload)},
    )


_ABOUT = {
    (MessageType.HELLO, 1): "`yours` is null: nothing of the receiver's log is held.",
    (MessageType.DISCOVERY, 1): "No address, and no more than the least of capabilities.",
    (MessageType.JOIN_REQUEST, 1): "Who are you? All four are null.",
    (MessageType.SYNC_TREE, 0): "The root of the trie of 17 entries, and one of its buckets.",
    (MessageType.SYNC_HEADER, 1): "Not known any more.",
}


def _opaque(kind: MessageType, payload: bytes, where: str) -> Vector:
    return Vector(
        name=f"{kind.name} 1",
        about=f"The payload stands in {where}, with what it is made of.",
        given={"code": int(kind), "payload": payload},
        out={"message": pack_message(kind, payload)},
    )


def _statements() -> list[tuple[MessageType, bytes, str]]:
    return [
        (MessageType.BATCH, written()[1][0].raw, "logs.json"),
        (MessageType.FORK, fork_proof().raw, "logs.json"),
        (MessageType.TX_SUBMIT, raw("block", "transaction of block 2"), "chain.json"),
        (MessageType.SUPPORT, support(genesis().federation_id, SWARM, 1, QUEEN), "consensus.md"),
    ]


def _bodies() -> dict[MessageType, list[Struct]]:
    federation = genesis().federation_id
    held = HeldRow(SWARM, 1, 3, written()[1][2].signed.hash)
    root = written()[0].root()
    hello = Hello(1, federation, SWARM, 1, _NONCE, 0, 2, root, _NOW, held, "alpha", "zenmesh/0.1")
    alone = Hello(1, federation, SWARM, 1, _NONCE, 0, 0, sha256(b"zenmesh/federation\0"), _NOW, None, "alpha", "")
    load = Capabilities(("python", "review"), 8, 125, 4 << 30)
    record = BlockRecord(raw("block", "block 1"), raw("block", "commit certificate of block 1"))
    request = JoinRequest(
        federation,
        ticket().grant,
        raw("ticket", "certificate of the joiner"),
        raw("ticket", "join"),
    )
    accepted = JoinResponse(JoinStatus.ACCEPTED, "", genesis().raw, 1, 0, (_ADDRESS,))
    return {
        MessageType.HELLO: [hello, alone],
        MessageType.HEARTBEAT: [
            Heartbeat(federation, 0, SWARM, 1, 0, 3, STAMP + 2, 2, 0, held.head, root, 125, sha256(b"block 2")),
            Heartbeat(federation, 0, SWARM, 1, 0, 3, STAMP + 3, 2, 0, held.head, root, 125),
        ],
        MessageType.DISCOVERY: [
            Discovery(SWARM, 1, "shop", (_ADDRESS,), load, _NOW),
            Discovery(SWARM, 1, "", (), Capabilities(), _NOW + 1),
        ],
        MessageType.PING: [Ping(1, _NOW, 2, root)],
        MessageType.PONG: [Ping(1, _NOW + 1, 2, root)],
        MessageType.CHAIN_REQUEST: [ChainRequest(1)],
        MessageType.CHAIN_BLOCKS: [ChainBlocks(1, (record,)), ChainBlocks(0, ())],
        MessageType.JOIN_FORWARD: [JoinForward(_NONCE, cbor.encode_struct(request))],
        MessageType.JOIN_OUTCOME: [JoinOutcome(_NONCE, cbor.encode_struct(accepted))],
        MessageType.HELD: [Held((held,)), Held(())],
        MessageType.REFUSAL: [Refusal("not-a-member", "this node serves members of acme only")],
        MessageType.SEEK: [Seek((Sought(bytes(range(16)), _NOW), Sought(_OTHER, 0))), Seek(())],
        MessageType.JOIN_REQUEST: [request, JoinRequest(None, None, None, None)],
        MessageType.JOIN_RESPONSE: [
            accepted,
            JoinResponse(JoinStatus.PENDING, "the creator of the federation is out of reach", None, 0, 5_000, ()),
        ],
        **_sync_bodies(),
        **_consensus_bodies(),
    }


def _consensus_bodies() -> dict[MessageType, list[Struct]]:
    """What one validator says at height 1: it proposes, votes, leaves view 0 with its lock, and begins view 1."""
    block = raw("block", "block 1")
    core = Core(genesis().federation_id, 0, 0, 1, block_hash(block))
    alone = Validator(swarm=SWARM, term=1, key=QUEEN.public, weight=1)
    validators = ValidatorSet(0, (alone,), QuorumRule(QuorumSetting.AUTO, 1))
    certificate = validators.certify(core, {SWARM: sign_core(core, QUEEN, ContentType.PREPARE)})
    rules = SafetyRules(QUEEN, genesis().federation_id, SWARM)
    said = [
        rules.pre_prepare(core, block),
        rules.prepare(core, block),
        rules.commit(core, certificate, block),
        rules.view_change(1, 0, genesis().federation_id),
    ]
    change = cbor.decode_as(said[-1].body, bft.ViewChange)
    said.append(rules.new_view(1, (change.header,), certificate, block))
    kinds = {kind: cbor.decode_as(signed.body, BODIES[kind]) for signed in said for kind in [signed.message]}
    news = bft.CertificateNews(bft.Phase.PREPARE, certificate)
    accusation = Accusation(genesis().federation_id, 0, SWARM, _OTHER, 1, 0, 3, sha256(b"a batch"), _NOW)
    return {
        **{kind: [body] for kind, body in kinds.items()},
        MessageType.CERTIFICATE: [news],
        MessageType.HEARD: [bft.Heard((change.header,)), bft.Heard(())],
        MessageType.ACCUSE: [accusation],
        MessageType.PROBE_REQUEST: [ProbeRequest(_OTHER)],
        MessageType.PROBE_REPORT: [ProbeReport(_OTHER)],
    }


def _sync_bodies() -> dict[MessageType, list[Struct]]:
    replica, batches = written()
    (newest,) = replica.rows()
    row = sync.VectorRow(newest.swarm, newest.term, newest.seq, newest.hash, newest.root, int(newest.flag))
    head = batches[2].signed.envelope.raw
    log = replica.logs[AUTHOR]
    trie = Trie([(sha256(b"path %d" % n), sha256(b"digest %d" % n)) for n in range(17)])
    top, path = trie.below(()), next(trie.walk())[0]
    assert isinstance(top, Inner)
    first = path[0] >> 4
    bucket = tuple(trie.under((first,)))
    return {
        MessageType.SYNC_HELLO: [
            sync.Hello(7, 0, 0, 2, replica.root(), (row,)),
            sync.Hello(8, 7, 0, 0, sha256(b"zenmesh/federation\0"), ()),
        ],
        MessageType.SYNC_WANT: [
            sync.Wants(
                (
                    sync.Want(SWARM, 1, 1, batches[0].signed.hash, False, False, b""),
                    sync.Want(SWARM, 2, 0, bytes(32), True, True, path),
                )
            )
        ],
        MessageType.SYNC_BATCHES: [sync.Batches(tuple(one.raw for one in batches[1:]), 1)],
        MessageType.SYNC_SNAPSHOT: [sync.Snapshot(head, len(log.entries), True)],
        MessageType.SYNC_ENTRIES: [sync.Entries(SWARM, 1, 3, True, tuple(log.entries.values()))],
        MessageType.SYNC_TREE_REQUEST: [sync.TreeRequest(SWARM, 1, 3, (b"", bytes([first])), (path,))],
        MessageType.SYNC_TREE: [
            sync.Tree(SWARM, 1, 3, (sync.TreeNode(b"", top.children, ()), sync.TreeNode(bytes([first]), (), bucket)))
        ],
        MessageType.SYNC_CREDIT: [sync.Credit(4)],
        MessageType.SYNC_BYE: [sync.Bye(7)],
        MessageType.SYNC_HEADER_REQUEST: [sync.HeaderRequest(SWARM, 1, 3)],
        MessageType.SYNC_HEADER: [sync.HeaderReply(SWARM, 1, 3, head, 1), sync.HeaderReply(SWARM, 1, 1, None, 1)],
    }


def _later() -> Iterator[Vector]:
    known = {
        MessageType.SYNC_BYE: sync.Bye(7),
        MessageType.PING: Ping(1, _NOW, 2, bytes(32)),
        MessageType.REFUSAL: Refusal("upgrade", "this node speaks a later version"),
    }
    for kind, body in known.items():
        payload = cbor.encode([*cbor.decode(cbor.encode_struct(body)), "more", 1])  # type: ignore[misc]
        given = {"code": int(kind), "payload": payload}
        yield Vector(name=f"{kind.name}, longer", about="Two fields more.", given=given, out={"fields": body})


def _unsound() -> Iterator[Vector]:
    ping: list[object] = [1, _NOW, 2, bytes(32)]
    signed = [SWARM, 1, "shop", [_ADDRESS], [], _NOW]
    cases = [
        ("a field missing", MessageType.PING, cbor.encode(ping[:3]), Offence.DECODE, "A PING has 4 fields."),
        ("a short root", MessageType.PING, cbor.encode([*ping[:3], bytes(31)]), Offence.DECODE, "It has 32 bytes."),
        ("text for bytes", MessageType.PING, cbor.encode([*ping[:3], "r" * 32]), Offence.DECODE, "Types are strict."),
        ("below zero", MessageType.PING, cbor.encode([-1, *ping[1:]]), Offence.DECODE, "A uint is none."),
        ("beyond 63 bits", MessageType.PING, cbor.encode([1 << 63, *ping[1:]]), Offence.DECODE, "A uint ends there."),
        ("true for 1", MessageType.PING, cbor.encode([True, *ping[1:]]), Offence.DECODE, "A bool is no number."),
        ("a map", MessageType.PING, cbor.encode({"nonce": 1}), Offence.DECODE, "Bodies are arrays."),
        ("too long", MessageType.PING, cbor.encode([*ping, bytes(100)]), Offence.OVERSIZE, "Over its type's bound."),
        ("no envelope", MessageType.DISCOVERY, cbor.encode(signed), Offence.DECODE, "DISCOVERY is signed."),
        ("too much credit", MessageType.SYNC_CREDIT, cbor.encode([9]), Offence.DECODE, "8 at most."),
        ("no credit", MessageType.SYNC_CREDIT, cbor.encode([0]), Offence.DECODE, "1 at least."),
        ("an unknown status", MessageType.JOIN_RESPONSE, cbor.encode([9, "", None, 0, 0, []]), Offence.DECODE,
         "There are four."),
    ]  # fmt: skip
    for name, kind, payload, offence, why in cases:
        given = {"code": int(kind), "limit": REGISTRY[kind].limit, "payload": payload}
        yield Vector(name=name, about=why, given=given, refused=offence)
