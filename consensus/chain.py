"""The chain: blocks from the genesis on, each with the certificate that decided it, and the membership they make.

While the creator governs, the validator set of every height is the creator's current queen. One exception: a block
with the creator's own TERM_BUMP is certified by the new queen, whom the root-signed certificate in that very block
names: a creator that lost its queen key could never go on otherwise.

A swarm that came by ticket knows one block from its inviter, the anchor: a chain that has another there is refused,
and one that does not reach it is not believed yet.

    chain = Chain.from_genesis(raw)
    chain.append(block, certificate)         # verifies everything; RemoteError leaves the chain as it was
    block, certificate = chain.propose([tx], wall_ms, queen_key)
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus import transactions
from consensus.blocks import (
    MAX_BLOCK,
    MAX_TX,
    Block,
    Core,
    block_hash,
    commit_cert,
    decode_tx,
    open_commit_cert,
    seal_commit,
)
from consensus.genesis import Genesis, parse_genesis
from consensus.membership import Member, Membership, MemberState
from consensus.quorum import QuorumRule
from consensus.tickets import Anchor
from wire import cbor, keys
from wire.errors import Equivocation, Offence, ProtocolViolation
from wire.ids import Digest, FederationId, PeerId, PublicKey, SwarmId


class Chain:
    """One federation's chain, as far as it is known here. A `KeyRing` for the replicated state."""

    def __init__(self, genesis: Genesis, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> None:
        self.genesis = genesis
        self.federation_id: FederationId = genesis.federation_id
        self._verify = verify
        self._anchor = anchor
        self._blocks: list[tuple[bytes, bytes]] = []
        self._last: Block | None = None
        self._membership = _founders(genesis)
        self.head_hash = Digest(genesis.federation_id)

    @classmethod
    def from_genesis(cls, raw: bytes, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> Chain:
        """A chain of height 0; raises RemoteError when the genesis is malformed or forged."""
        return cls(parse_genesis(raw, verify), verify, anchor)

    def copy(self, verify: keys.Verify) -> Chain:
        """The same chain, to grow on its own; what it is made of never changes, so nothing is verified again."""
        twin = Chain(self.genesis, verify, self._anchor)
        twin._blocks = list(self._blocks)
        twin._last, twin._membership, twin.head_hash = self._last, self._membership, self.head_hash
        return twin

    # reading

    @property
    def height(self) -> int:
        return len(self._blocks)

    @property
    def anchored(self) -> bool:
        """It reaches the block that this swarm's ticket names, or came without one: it may be believed."""
        return self._anchor is None or self.height >= self._anchor.height

    @property
    def epoch(self) -> int:
        """Every block changes membership, so each begins an epoch."""
        return len(self._blocks)

    @property
    def state_hash(self) -> Digest:
        return self._membership.state_hash

    @property
    def creator(self) -> Member:
        """The governor, in its current term."""
        return self._membership.everyone[self.genesis.members[0].swarm]

    def members(self) -> tuple[Member, ...]:
        """Who belongs, ascending by swarm id."""
        return self._membership.members()

    def member(self, swarm: SwarmId) -> Member | None:
        return self._membership.member(swarm)

    def member_by_peer(self, peer: PeerId) -> Member | None:
        return self._membership.by_peer(peer)

    def member_by_name(self, name: str) -> Member | None:
        return self._membership.by_name(name)

    def quorum_rule(self) -> QuorumRule:
        return self._membership.rule()

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        """The key that signs for `swarm` in `term`, past members included."""
        member = self._membership.everyone.get(swarm)
        known = member.terms.get(term) if member else None
        return known.queen_key if known else None

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        """(seq, hash) of the last batch that counts of a closed term."""
        member = self._membership.everyone.get(swarm)
        known = member.terms.get(term) if member else None
        return known.close if known else None

    def blocks(self, from_height: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """(block, certificate) from `from_height` on, up to `max_bytes` and 256 blocks, at least one."""
        found: list[tuple[bytes, bytes]] = []
        size = 0
        for block, certificate in self._blocks[max(from_height, 1) - 1 :][:256]:
            size += len(block) + len(certificate)
            if found and size > max_bytes:
                break
            found.append((block, certificate))
        return found

    def all_blocks(self) -> list[tuple[bytes, bytes]]:
        """Every (block, certificate), lowest first."""
        return list(self._blocks)

    # growing

    def append(self, raw: bytes, certificate: bytes) -> bool:
        """Append the next block; False when it is one that we have.

        Raises:
            Equivocation: another validly certified block stands at its height: a fork of the chain itself.
            RemoteError: it does not follow, is not certified, or breaks a rule.
        """
        block = cbor.decode_as(raw, Block, MAX_BLOCK)
        if block.height <= self.height:
            known, known_certificate = self._blocks[block.height - 1]
            if known == raw:
                return False
            self._check_certificate(block, raw, certificate, self._membership_before(block.height))
            raise Equivocation(
                f"two blocks are certified for height {block.height}", (known + known_certificate, raw + certificate)
            )
        membership = self._next(block)
        self._check_certificate(block, raw, certificate, self._membership)
        self._check_anchor(block, raw)
        self._blocks.append((raw, certificate))
        self._last, self._membership, self.head_hash = block, membership, block_hash(raw)
        return True

    def propose(self, txs: Sequence[bytes], time_ms: int, key: keys.SigningKey) -> tuple[bytes, bytes]:
        """The next block with `txs`, certified by the governor's `key`; append it yourself.

        Raises:
            ProtocolViolation: a transaction may not be, or `key` does not govern.
        """
        time_ms = max(time_ms, self._last.time_ms + 1 if self._last else 0)
        block = Block(self.height + 1, self.epoch, self.head_hash, time_ms, self.state_hash, tuple(txs))
        raw = cbor.encode_struct(block)
        self._next(block)
        core = Core(self.federation_id, block.epoch, 0, block.height, block_hash(raw))
        certificate = commit_cert(core, [0], [seal_commit(core, key)], 1)
        self._check_certificate(block, raw, certificate, self._membership)
        return raw, certificate

    def check_transaction(self, tx: bytes, time_ms: int) -> None:
        """Raises RemoteError, with a sentence for a person, unless `tx` could be in the next block."""
        if len(tx) > MAX_TX:
            raise ProtocolViolation(f"a transaction has at most {MAX_TX} bytes", Offence.OVERSIZE)
        transactions.apply(self._view(self._membership, time_ms), decode_tx(tx))

    # rules

    def _next(self, block: Block) -> Membership:
        """The membership after `block`; raises where the block does not fit."""
        if block.height != self.height + 1 or block.parent_hash != self.head_hash or block.epoch != self.epoch:
            raise ProtocolViolation("a block that does not follow the head of the chain", Offence.CHAIN)
        if self._last is not None and block.time_ms <= self._last.time_ms:
            raise ProtocolViolation("a block whose time does not advance", Offence.CHAIN)
        if block.prev_state_hash != self.state_hash:
            raise ProtocolViolation("a block over another membership than ours at its height", Offence.CHAIN)
        membership = self._membership
        for tx in block.txs:
            membership = transactions.apply(self._view(membership, block.time_ms), decode_tx(tx))
        return membership.weighed()

    def _view(self, membership: Membership, time_ms: int) -> transactions.View:
        return transactions.View(
            genesis=self.genesis,
            membership=membership,
            height=self.height,
            time_ms=time_ms,
            block_hash_at=self._hash_at,
            verify=self._verify,
        )

    def _check_certificate(self, block: Block, raw: bytes, certificate: bytes, membership: Membership) -> None:
        core, _ = open_commit_cert(certificate, [self._governor(block, membership)], self.federation_id, self._verify)
        if (core.height, core.epoch, core.block_hash) != (block.height, block.epoch, block_hash(raw)):
            raise ProtocolViolation("a certificate of another block", Offence.CHAIN)

    def _check_anchor(self, block: Block, raw: bytes) -> None:
        """Whoever holds the creator's key can certify two chains: the ticket says which one its inviter lives on."""
        anchor = self._anchor
        if anchor is None or block.height != anchor.height:
            return
        if (block.epoch + 1, block_hash(raw)) != (anchor.epoch, anchor.block_hash):
            raise ProtocolViolation(f"block {block.height} is not the one that our ticket names", Offence.CHAIN)

    def _governor(self, block: Block, membership: Membership) -> PublicKey:
        creator = membership.everyone[self.genesis.members[0].swarm]
        for tx in block.txs:
            queen = transactions.new_queen_of(decode_tx(tx), creator.swarm, self.federation_id, self._verify)
            if queen is not None:
                return queen
        return creator.queen_key

    def _membership_before(self, height: int) -> Membership:
        """The membership that a block at an earlier height was decided by (rare: only to judge a chain fork)."""
        past = Chain(self.genesis, self._verify)
        for raw, certificate in self._blocks[: height - 1]:
            past.append(raw, certificate)
        return past._membership

    def _hash_at(self, height: int) -> bytes | None:
        if height == 0:
            return self.federation_id
        return block_hash(self._blocks[height - 1][0]) if height <= self.height else None


def _founders(genesis: Genesis) -> Membership:
    membership = Membership(setting=genesis.params.quorum_setting)
    for cert in genesis.members:
        membership = membership.join(cert, MemberState.ACTIVE, None, None)
    return membership.weighed()
