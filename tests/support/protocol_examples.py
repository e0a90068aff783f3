"""The worked examples of the protocol's documents: one small federation, made from fixed seeds.

Ed25519 signs deterministically, so whoever follows the documents with the same seeds gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from consensus import tickets
from consensus.blocks import join_tx, promote_tx
from consensus.certificates import make_member_cert
from consensus.chain import Chain
from consensus.genesis import Params, make_genesis
from consensus.membership import MemberState
from consensus.tickets import Anchor, make_ticket, parse_ticket, seal_join
from crdt import batch
from crdt.ops import Author, Op, OpKind, encode_entry, encode_op, entry_digest, key_path
from crdt.replica import Replica
from crdt.trie import EMPTY, Trie
from mesh.protocol.messages import Ping
from wire import cbor, cose
from wire.frame import encode_frame, pack_message
from wire.ids import peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey
from wire.time import hlc_of
from wire.types import MessageType

CREATED_MS = 1_800_000_000_000
YEAR_MS = 365 * 24 * 3600 * 1000

ROOT, NODE, QUEEN = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
JOINER_ROOT, JOINER_NODE, JOINER_QUEEN = (SigningKey(bytes([n]) * 32) for n in (4, 5, 6))
TICKET_SEED = bytes([7]) * 32

Values = Mapping[str, bytes | str]


@cache
def _certificate() -> bytes:
    return make_member_cert(
        federation=None,
        name="alpha",
        project="shop",
        root=ROOT,
        term=1,
        queen_key=QUEEN.public,
        peer=peer_id_of(NODE.public),
        not_after_ms=CREATED_MS + YEAR_MS,
    )


@cache
def _chain() -> Chain:
    return Chain.from_genesis(make_genesis("acme", Params(), _certificate(), CREATED_MS, ROOT))


@cache
def _ticket() -> tickets.Ticket:
    chain = _chain()
    text = make_ticket(
        federation=chain.federation_id,
        federation_name="acme",
        inviter=swarm_id_of(ROOT.public),
        inviter_term=1,
        inviter_key=QUEEN,
        seed=TICKET_SEED,
        ticket_id=bytes([8]) * 16,
        expires_ms=CREATED_MS + 86_400_000,
        addresses=[f"/ip4/192.0.2.1/tcp/4150/p2p/{peer_id_of(NODE.public)}"],
        anchor=Anchor(chain.epoch, chain.height, chain.head_hash),
    )
    return parse_ticket(text)


@cache
def _joiner_certificate() -> bytes:
    return make_member_cert(
        federation=_chain().federation_id,
        name="beta",
        project="search",
        root=JOINER_ROOT,
        term=1,
        queen_key=JOINER_QUEEN.public,
        peer=peer_id_of(JOINER_NODE.public),
        not_after_ms=CREATED_MS + YEAR_MS,
    )


def _keys() -> Values:
    return {
        "root seed": ROOT.seed,
        "root key": ROOT.public,
        "swarm id": swarm_id_of(ROOT.public),
        "node seed": NODE.seed,
        "node key": NODE.public,
        "peer id": peer_id_of(NODE.public),
        "queen seed": QUEEN.seed,
        "queen key": QUEEN.public,
    }


def _envelope() -> Values:
    envelope = cose.parse(_certificate())
    parts = cbor.encode(["Signature1", envelope.protected, b"zenmesh/1\0genesis", envelope.payload])
    return {
        "payload": envelope.payload,
        "protected": envelope.protected,
        "Sig_structure": parts,
        "signature": envelope.signature,
        "envelope": envelope.raw,
    }


def _genesis() -> Values:
    genesis = _chain().genesis
    return {
        "payload": cose.parse(genesis.raw).payload,
        "genesis": genesis.raw,
        "federation id": genesis.federation_id,
        "state hash at height 0": _chain().state_hash,
    }


def _tickets() -> Values:
    ticket = _ticket()
    return {
        "ticket": ticket.text,
        "ticket key": ticket.key.public,
        "payload of the grant": cose.parse(ticket.grant).payload,
        "certificate of the joiner": _joiner_certificate(),
        "SHA-256 of the certificate": sha256(_joiner_certificate()),
        "join": seal_join(ticket, _joiner_certificate()),
    }


def _block() -> Values:
    """Both admissions: the JOIN, and the PROMOTE that follows it."""
    chain = Chain.from_genesis(_chain().genesis.raw)
    ticket = _ticket()
    transaction = join_tx(ticket.grant, _joiner_certificate(), seal_join(ticket, _joiner_certificate()))
    block, certificate = chain.propose([transaction], CREATED_MS + 1_000, QUEEN)
    chain.append(block, certificate)
    hash_1, state_1 = chain.head_hash, chain.state_hash
    swarm = swarm_id_of(JOINER_ROOT.public)
    promotion = promote_tx(chain.federation_id, swarm, chain.height, chain.head_hash, JOINER_QUEEN)
    chain.append(*chain.propose([promotion], CREATED_MS + 2_000, QUEEN))
    member = chain.member(swarm)
    assert member is not None
    assert member.state is MemberState.ACTIVE
    return {
        "block 1": block,
        "hash of block 1": hash_1,
        "commit certificate of block 1": certificate,
        "state hash at height 1": state_1,
        "transaction of block 2": promotion,
        "hash of block 2": chain.head_hash,
        "state hash at height 2": chain.state_hash,
    }


def _frame() -> Values:
    ping = cbor.encode_struct(Ping(nonce=1, wall_ms=CREATED_MS, height=2, state_root=bytes(32)))
    message = pack_message(MessageType.PING, ping)
    return {"payload": ping, "message": message, "frame": encode_frame([message], compress=False)}


def _batch() -> Values:
    chain = _chain()
    author = Author(swarm_id_of(ROOT.public), 1)
    replica = Replica(chain.federation_id, chain)
    op = Op(collection="memory", key="plan", kind=OpKind.PUT, value=b'{"goal": "ship"}', observed=())
    stamp = hlc_of(CREATED_MS + 3_000)
    raw = replica.compose(author, [op], stamp, QUEEN)
    parsed = batch.parse(raw)
    path = key_path(op.collection, op.key)
    entry = encode_entry(1, 0, stamp, encode_op(op))
    return {
        "op": encode_op(op),
        "ops": batch.encode_ops([encode_op(op)]),
        "address": cbor.encode([op.collection, op.key]),
        "path": path,
        "entry": entry,
        "digest": entry_digest(entry),
        "state root": parsed.signed.header.state_root,
        "header": parsed.signed.envelope.payload,
        "hash": parsed.signed.hash,
        "batch": raw,
        "federation root": replica.root(),
    }


def _trie() -> Values:
    """Seventeen entries: one more than a bucket holds."""
    items = [(sha256(b"path %d" % n), sha256(b"digest %d" % n)) for n in range(17)]
    by_path = sorted(items)
    return {
        "empty": EMPTY,
        "root of the first entry alone": Trie(items[:1]).root,
        "root of the first 16": Trie(items[:16]).root,
        "root of all 17": Trie(items).root,
        "lowest path of the 17": by_path[0][0],
        "highest path of the 17": by_path[-1][0],
    }


EXAMPLES: dict[str, Callable[[], Values]] = {
    "keys": _keys,
    "envelope": _envelope,
    "genesis": _genesis,
    "ticket": _tickets,
    "block": _block,
    "frame": _frame,
    "batch": _batch,
    "trie": _trie,
}
