"""The chain: blocks from the genesis on, each with the certificate that decided it, and the state that they make.

While the creator governs, the validator set of every height is the creator's current queen. One exception: a block
with the creator's own TERM_BUMP is certified by the new queen, whom the root-signed certificate in that very block
names: a creator that lost its queen key could never go on otherwise. From the block with GOVERN on, the queens of the
epoch's active members certify, by their weights.

A swarm that came by ticket knows one block from its inviter, the anchor: a chain that has another there is refused,
and one that does not reach it is not believed yet.

    chain = Chain.from_genesis(raw)
    chain.append(block, certificate)         # verifies everything; RemoteError leaves the chain as it was
    block, certificate = chain.propose([tx], wall_ms, queen_key)             # while the creator governs
    draft = chain.draft(txs, wall_ms)                                        # what the queens then agree on
    chain.check_block(draft.block)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus import transactions
from consensus.blocks import (
    MAX_BLOCK,
    MAX_TX,
    MAX_TXS,
    BallotTx,
    Block,
    Core,
    ProposalTx,
    block_hash,
    decode_tx,
    sign_core,
)
from consensus.genesis import Genesis, Params, parse_genesis
from consensus.governance.standing import Standing
from consensus.membership import Member, MemberState
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.state import Context, State, Step, Surplus
from consensus.tickets import Anchor
from consensus.validators import Validator, ValidatorSet
from wire import cbor, keys
from wire.errors import Equivocation, Offence, ProtocolViolation, RemoteError
from wire.ids import Digest, FederationId, PeerId, PublicKey, SwarmId
from wire.types import ContentType

_HEADROOM = 4096  # bytes of a block that are not transactions
_JUDGED = 8  # blocks whose outcome is kept between the vote on them and their decision


@dataclass(frozen=True, slots=True)
class Draft:
    """A block that could come next, what is in it, and what may never be, each with its reason."""

    block: bytes
    included: tuple[bytes, ...]
    refused: tuple[tuple[bytes, RemoteError], ...]
    decides: bool  # a proposal is closed by it
    urgent: bool  # something in it needs no ballots, so that nothing is gained by waiting for more


class Chain:
    """One federation's chain, as far as it is known here. A `KeyRing` for the replicated state."""

    def __init__(self, genesis: Genesis, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> None:
        self.genesis = genesis
        self.federation_id: FederationId = genesis.federation_id
        self._verify = verify
        self._anchor = anchor
        self._blocks: list[tuple[bytes, bytes]] = []
        self._last: Block | None = None
        self._judged: dict[Digest, State] = {}
        self.state = State.founded(genesis)
        self._context = Context(genesis=genesis, block_hash_at=self._hash_at, verify=verify)
        self.head_hash = Digest(genesis.federation_id)

    @classmethod
    def from_genesis(cls, raw: bytes, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> Chain:
        """A chain of height 0; raises RemoteError when the genesis is malformed or forged."""
        return cls(parse_genesis(raw, verify), verify, anchor)

    def copy(self, verify: keys.Verify) -> Chain:
        """The same chain, to grow on its own; what it is made of never changes, so nothing is verified again."""
        twin = Chain(self.genesis, verify, self._anchor)
        twin._blocks = list(self._blocks)
        twin._last, twin.state, twin.head_hash = self._last, self.state, self.head_hash
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
        """How often the membership, and so who votes, has changed."""
        return self.state.epoch

    @property
    def time_ms(self) -> int:
        """Of the last block; 0 at height 0."""
        return self._last.time_ms if self._last else 0

    @property
    def state_hash(self) -> Digest:
        return self.state.hash

    @property
    def params(self) -> Params:
        """The federation's parameters, as decided."""
        return self.state.standing.params

    @property
    def standing(self) -> Standing:
        """What the queens decided, and what is open."""
        return self.state.standing

    @property
    def governed(self) -> bool:
        """The queens govern; else the creator does, alone."""
        return self.state.standing.governed

    def validators(self) -> ValidatorSet:
        """Who certifies the next block."""
        if self.governed:
            return self.state.validators
        return _alone(self.creator, self.creator.queen_key, self.epoch)

    @property
    def creator(self) -> Member:
        """The governor, in its current term."""
        return self.state.membership.everyone[self.genesis.members[0].swarm]

    def members(self) -> tuple[Member, ...]:
        """Who belongs, ascending by swarm id."""
        return self.state.membership.members()

    def member(self, swarm: SwarmId) -> Member | None:
        return self.state.membership.member(swarm)

    def member_by_peer(self, peer: PeerId) -> Member | None:
        return self.state.membership.by_peer(peer)

    def belonged(self, peer: PeerId) -> bool:
        """Whether `peer` speaks, or spoke last, for a swarm that belongs or did."""
        return any(member.peer == peer for member in self.state.membership.everyone.values())

    def standing_of(self, swarm: SwarmId) -> MemberState | None:
        """What became of a swarm, past members included."""
        member = self.state.membership.everyone.get(swarm)
        return None if member is None else member.state

    def member_by_name(self, name: str) -> Member | None:
        return self.state.membership.by_name(name)

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        """The key that signs for `swarm` in `term`, past members included."""
        member = self.state.membership.everyone.get(swarm)
        known = member.terms.get(term) if member else None
        return known.queen_key if known else None

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        """(seq, hash) of the last batch that counts of a closed term."""
        member = self.state.membership.everyone.get(swarm)
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
            return self._known(block, raw, certificate)
        digest = block_hash(raw)
        state = self._judge(block, digest)
        self._check_certificate(block, digest, certificate)
        self._check_anchor(block, digest)
        self._blocks.append((raw, certificate))
        self._last, self.state, self.head_hash = block, state, digest
        self._judged.clear()
        return True

    def propose(self, txs: Sequence[bytes], time_ms: int, key: keys.SigningKey) -> tuple[bytes, bytes]:
        """The next block with `txs`, certified by the creator's `key` while it governs; append it yourself.

        Raises:
            RemoteError: a transaction may not be, or `key` does not govern.
        """
        block = self._block(txs, time_ms)
        raw = cbor.encode_struct(block)
        digest = block_hash(raw)
        self._judge(block, digest)
        core = self.core(digest, view=0)
        swarm = self.creator.swarm
        certificate = self.validators().certify(core, {swarm: sign_core(core, key)})
        self._check_certificate(block, digest, certificate)
        return raw, certificate

    def draft(self, candidates: Iterable[bytes], time_ms: int) -> Draft:
        """The next block with those of `candidates`, in their order, that may be in it."""
        time_ms = max(time_ms, self.time_ms + 1)
        step = self.next_step(time_ms)
        included: list[bytes] = []
        urgent = False
        refused: list[tuple[bytes, RemoteError]] = []
        size = _HEADROOM
        for tx in candidates:
            if size + len(tx) + 5 > MAX_BLOCK or len(included) == MAX_TXS:
                break
            try:
                step.transact(tx)
            except Surplus:
                continue
            except RemoteError as error:
                refused.append((tx, error))
                continue
            included.append(tx)
            size += len(tx) + 5
            urgent = urgent or not isinstance(decode_tx(tx), ProposalTx | BallotTx)
        step.tally()
        raw = cbor.encode_struct(self._block(included, time_ms))
        return Draft(raw, tuple(included), tuple(refused), step.decided > 0, urgent)

    def check_block(self, raw: bytes) -> Block:
        """The block in `raw`, which may come next; raises RemoteError, with the rule that it breaks, when not."""
        block = cbor.decode_as(raw, Block, MAX_BLOCK)
        self._judge(block, block_hash(raw))
        return block

    def core(self, digest: Digest, view: int) -> Core:
        """What is voted on for the next block, `digest`, in `view`."""
        return Core(self.federation_id, self.epoch, view, self.height + 1, digest)

    def check_transaction(self, tx: bytes, time_ms: int) -> None:
        """Raises RemoteError, with a sentence for a person, unless `tx` could be in the next block."""
        if len(tx) > MAX_TX:
            raise ProtocolViolation(f"a transaction has at most {MAX_TX} bytes", Offence.OVERSIZE)
        self.next_step(time_ms).transact(tx)

    def next_step(self, time_ms: int) -> Step:
        """The state on its way into the next block, nothing in it yet but what its time does."""
        step = Step(self.state, self.height + 1, max(time_ms, self.time_ms + 1), self._context)
        step.expire()
        return step

    # rules

    def _block(self, txs: Sequence[bytes], time_ms: int) -> Block:
        time_ms = max(time_ms, self.time_ms + 1)
        return Block(self.height + 1, self.epoch, self.head_hash, time_ms, self.state_hash, tuple(txs))

    def _judge(self, block: Block, digest: Digest) -> State:
        """The state after `block`; raises where the block does not fit."""
        known = self._judged.get(digest)
        if known is not None:
            return known
        if block.height != self.height + 1 or block.parent_hash != self.head_hash or block.epoch != self.epoch:
            raise ProtocolViolation("a block that does not follow the head of the chain", Offence.CHAIN)
        if self._last is not None and block.time_ms <= self._last.time_ms:
            raise ProtocolViolation("a block whose time does not advance", Offence.CHAIN)
        if block.prev_state_hash != self.state_hash:
            raise ProtocolViolation("a block over another state than ours at its height", Offence.CHAIN)
        state = self.state.after(block, self._context)
        while len(self._judged) >= _JUDGED:
            del self._judged[next(iter(self._judged))]
        self._judged[digest] = state
        return state

    def _known(self, block: Block, raw: bytes, certificate: bytes) -> bool:
        """A block at a height that is decided: ours, or proof that validators certified two."""
        known, known_certificate = self._blocks[block.height - 1]
        if known == raw:
            return False
        self._before(block.height)._check_certificate(block, block_hash(raw), certificate)
        raise Equivocation(
            f"two blocks are certified for height {block.height}", (known + known_certificate, raw + certificate)
        )

    def _check_certificate(self, block: Block, digest: Digest, certificate: bytes) -> None:
        validators = self.validators() if self.governed else self._governor(block)
        core = validators.open(certificate, ContentType.COMMIT, self.federation_id, self._verify)
        if (core.height, core.epoch, core.block_hash) != (block.height, block.epoch, digest):
            raise ProtocolViolation("a certificate of another block", Offence.CHAIN)

    def _check_anchor(self, block: Block, digest: Digest) -> None:
        """Whoever holds the creator's key can certify two chains: the ticket says which one its inviter lives on."""
        anchor = self._anchor
        if anchor is None or block.height != anchor.height:
            return
        if digest != anchor.block_hash:
            raise ProtocolViolation(f"block {block.height} is not the one that our ticket names", Offence.CHAIN)

    def _governor(self, block: Block) -> ValidatorSet:
        """The creator alone; with its own new term in the block, already by the key of that term."""
        creator = self.creator
        for tx in block.txs:
            queen = transactions.new_queen_of(decode_tx(tx), creator.swarm, self.federation_id, self._verify)
            if queen is not None:
                return _alone(creator, queen, self.epoch)
        return self.validators()

    def _before(self, height: int) -> Chain:
        """As it was before the block at an earlier height (rare: only to judge a chain fork)."""
        past = Chain(self.genesis, self._verify)
        for raw, certificate in self._blocks[: height - 1]:
            past.append(raw, certificate)
        return past

    def _hash_at(self, height: int) -> bytes | None:
        if height == 0:
            return self.federation_id
        return block_hash(self._blocks[height - 1][0]) if height <= self.height else None


def _alone(creator: Member, key: PublicKey, epoch: int) -> ValidatorSet:
    """The creator as the only validator."""
    validator = Validator(swarm=creator.swarm, term=creator.term, key=key, weight=1)
    return ValidatorSet(epoch, (validator,), QuorumRule(QuorumSetting.AUTO, 1))
