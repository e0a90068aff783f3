"""A federation of named swarms whose chain a test writes by hand: keys from names, time that it alone moves.

realm = Realm()                                   # alpha created it and governs
realm.order(realm.join("beta"))                   # a block with beta's admission, certified and appended
realm.order(realm.promote("beta"), realm.bump("beta", 2))
"""

from __future__ import annotations

from typing import Any

from consensus.blocks import (
    Block,
    Core,
    block_hash,
    join_tx,
    leave_tx,
    make_certificate,
    promote_tx,
    sign_core,
    term_bump_tx,
)
from consensus.certificates import YEAR_MS, MemberCert, make_member_cert, parse_member_cert
from consensus.chain import Chain
from consensus.genesis import Params, make_genesis
from consensus.tickets import Anchor, Ticket, make_ticket, parse_ticket, seal_join
from wire import cbor
from wire.ids import PeerId, SwarmId, peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey

CREATED_MS = 1_800_000_000_000
DAY_MS = 24 * 3600 * 1000
CREATOR = "alpha"


def key(*labels: object) -> SigningKey:
    """The key that these labels always name."""
    return SigningKey(sha256("/".join(map(str, labels)).encode()))


def root(name: str) -> SigningKey:
    return key(name, "root")


def queen(name: str, term: int = 1) -> SigningKey:
    return key(name, "queen", term)


def peer(name: str) -> PeerId:
    return peer_id_of(key(name, "node").public)


def swarm(name: str) -> SwarmId:
    return swarm_id_of(root(name).public)


def certificate(federation: bytes | None, name: str, /, term: int = 1, **changes: Any) -> bytes:
    """The certificate of a swarm's term; `changes` replace what it says."""
    says: dict[str, Any] = {
        "name": name,
        "project": "demo",
        "root": root(name),
        "term": term,
        "queen_key": queen(name, term).public,
        "peer": peer(name),
        "not_after_ms": CREATED_MS + YEAR_MS,
    }
    return make_member_cert(federation=federation, **{**says, **changes})


def founding(params: Params | None = None, name: str = "meadow") -> bytes:
    """A genesis by alpha."""
    return make_genesis(name, params or Params(), certificate(None, CREATOR), CREATED_MS, root(CREATOR))


class Realm:
    """One chain, as its governor writes it."""

    def __init__(self, params: Params | None = None) -> None:
        self.chain = Chain.from_genesis(founding(params))
        self.federation = self.chain.federation_id
        self.now_ms = CREATED_MS
        self.governor = queen(CREATOR)
        self._tickets = 0

    def order(self, *txs: bytes) -> tuple[bytes, bytes]:
        """The next block and its certificate, a second later, appended."""
        self.now_ms += 1000
        block, proof = self.chain.propose(txs, self.now_ms, self.governor)
        assert self.chain.append(block, proof)
        return block, proof

    def check(self, tx: bytes) -> None:
        """Raises what stands against `tx` in the next block."""
        self.chain.check_transaction(tx, self.now_ms)

    # what blocks are made of

    def certificate(self, name: str, /, term: int = 1, **changes: Any) -> bytes:
        return certificate(self.federation, name, **{"term": term, **changes})

    def parsed(self, name: str, /, term: int = 1, **changes: Any) -> MemberCert:
        return parse_member_cert(self.certificate(name, term, **changes), self.federation)

    def ticket(self, inviter: str = CREATOR, **changes: Any) -> Ticket:
        """A fresh ticket; `changes` replace what it is made of."""
        self._tickets += 1
        member = self.chain.member(swarm(inviter))
        term = member.term if member else 1
        made_of: dict[str, Any] = {
            "federation": self.federation,
            "federation_name": "meadow",
            "inviter": swarm(inviter),
            "inviter_term": term,
            "inviter_key": queen(inviter, term),
            "seed": sha256(b"ticket %d" % self._tickets),
            "ticket_id": sha256(b"id %d" % self._tickets)[:16],
            "expires_ms": CREATED_MS + DAY_MS,
            "addresses": [f"/ip4/10.0.0.1/tcp/4150/p2p/{peer(inviter)}"],
            "anchor": Anchor(self.chain.epoch, self.chain.height, self.chain.head_hash),
        }
        return parse_ticket(make_ticket(**{**made_of, **changes}))

    def join(self, name: str, inviter: str = CREATOR, /, term: int = 1, **changes: Any) -> bytes:
        """An admission by a fresh ticket."""
        ticket, proof = self.ticket(inviter), self.certificate(name, term, **changes)
        return join_tx(ticket.grant, proof, seal_join(ticket, proof))

    def approve(self, name: str, /, term: int = 1, **changes: Any) -> bytes:
        """An admission by the governor's yes."""
        return join_tx(None, self.certificate(name, term, **changes), None, approved=True)

    def promote(self, name: str, term: int = 1) -> bytes:
        chain = self.chain
        return promote_tx(self.federation, swarm(name), chain.height, chain.head_hash, queen(name, term))

    def bump(self, name: str, /, term: int, close: tuple[int, bytes] = (0, bytes(32)), **changes: Any) -> bytes:
        return term_bump_tx(self.federation, self.certificate(name, term, **changes), queen(name, term), *close)

    def leave(self, name: str, term: int = 1) -> bytes:
        return leave_tx(self.federation, swarm(name), term, queen(name, term))

    # blocks that nobody honest would make

    def block(self, *txs: bytes, **changes: Any) -> bytes:
        """The next block with `changes`, unjudged."""
        chain = self.chain
        says = {
            "height": chain.height + 1,
            "epoch": chain.epoch,
            "parent_hash": chain.head_hash,
            "time_ms": self.now_ms + 1000,
            "prev_state_hash": chain.state_hash,
            "txs": txs,
        }
        return cbor.encode_struct(Block(**{**says, **changes}))

    def proof(self, raw: bytes, signer: SigningKey | None = None, **changes: Any) -> bytes:
        """A certificate of `raw` by one signer; `changes` replace fields of what is signed."""
        block = cbor.decode_as(raw, Block)
        says = {
            "federation": self.federation,
            "epoch": block.epoch,
            "view": 0,
            "height": block.height,
            "block_hash": block_hash(raw),
        }
        core = Core(**{**says, **changes})
        return make_certificate(core, [0], [sign_core(core, signer or self.governor)], 1)
