"""The chain: blocks from the genesis on, each with the certificate that decided it, and the state that they make.

While the creator governs, the validator set of every height is the creator's current queen, with two exceptions (see
`consensus.takeover`). From behind the block with GOVERN on, the queens of the epoch's active members certify, by
their weights.

A swarm that came by ticket knows one block from its inviter, the anchor: a chain that has another there is refused,
and one that does not reach it is not believed yet.

Who is far behind need not append every block. Whose votes certify a block of the present epoch is known, and the
block names the state before it: so with an image of that state the chain *leaps* to it, from anywhere in the epoch.
The last block of an epoch, appended like any other, makes the voters of the next one. No epoch can be passed over.

    chain = Chain.from_genesis(raw)
    chain.append(block, certificate)         # verifies everything; RemoteError leaves the chain as it was
    chain.append(block, certificate, image)  # leaps to the state before the block, first
    other.course(chain.height, …)            # the records that bring a chain to where another stands
    block, certificate = chain.propose([tx], wall_ms, queen_key)             # while the creator governs
    draft = chain.draft(txs, wall_ms)                                        # what the queens then agree on
    chain.check_block(draft.block)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from consensus import image, takeover
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
from consensus.genesis import Genesis, parse_genesis
from consensus.history import History, Landmarks, Record, bounded, hash_of
from consensus.reader import Moment, Reader
from consensus.replays import Replays
from consensus.state import Context, State, Step, Surplus
from consensus.tickets import Anchor
from consensus.transactions import PROMOTE_HEIGHTS
from wire import cbor, keys
from wire.errors import Equivocation, Offence, ProtocolViolation, RemoteError
from wire.ids import Digest, FederationId

_HEADROOM = 4096  # bytes of a block that are not transactions
_PAGE = 256  # records that are handed over at once
_JUDGED = 8  # blocks whose outcome is kept between the vote on them and their decision


@dataclass(frozen=True, slots=True)
class Draft:
    """A block that could come next, what is in it, and what may never be, each with its reason."""

    block: bytes
    included: tuple[bytes, ...]
    refused: tuple[tuple[bytes, RemoteError], ...]
    decides: bool  # a proposal is closed by it
    urgent: bool  # something in it needs no ballots, so that nothing is gained by waiting for more


class Chain(Reader):
    """One federation's chain, as far as it is known here."""

    def __init__(self, genesis: Genesis, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> None:
        self.genesis = genesis
        self.federation_id: FederationId = genesis.federation_id
        self._verify = verify
        self._anchor = anchor
        self._history = History()
        self.landmarks = Landmarks()
        self.replays = Replays()
        self._last: Block | None = None
        self._judged: dict[Digest, State] = {}
        self.state = State.founded(genesis)
        self._context = Context(genesis=genesis, block_hash_at=self._hash_at, verify=verify)
        self.head_hash = Digest(genesis.federation_id)
        self._base = self.head_hash  # before the first of the consecutive blocks
        self._remembers = True  # all outcomes that a state has

    @classmethod
    def from_genesis(cls, raw: bytes, verify: keys.Verify = keys.verify, anchor: Anchor | None = None) -> Chain:
        """A chain of height 0; raises RemoteError when the genesis is malformed or forged."""
        return cls(parse_genesis(raw, verify), verify, anchor)

    def copy(self, verify: keys.Verify | None = None) -> Chain:
        """The same chain, to grow on its own; what it is made of never changes, so nothing is verified again."""
        twin = Chain(self.genesis, verify or self._verify, self._anchor)
        twin.adopt(self)
        twin._history, twin.landmarks, twin.replays = (
            self._history.copy(),
            self.landmarks.copy(),
            self.replays.copy(),
        )
        return twin

    def adopt(self, other: Chain) -> None:
        """Be where `other` is, which has grown from a copy of this and is used no more."""
        self._history, self.landmarks, self.replays = other._history, other.landmarks, other.replays
        self._last, self.state, self.head_hash = other._last, other.state, other.head_hash
        self._base, self._remembers = other._base, other._remembers
        self._judged.clear()

    # reading

    @property
    def height(self) -> int:
        return self._history.height

    @property
    def first(self) -> int:
        """From which height on every block is held."""
        return self._history.first

    @property
    def whole(self) -> bool:
        """A node can live on it: it has the outcomes that a state remembers, and so many blocks behind the last leap
        as what comes next may refer to."""
        return self._remembers and (self.first == 1 or self.height - self.first + 1 >= PROMOTE_HEIGHTS)

    @property
    def anchored(self) -> bool:
        """It reaches the block that this swarm's ticket names, or came without one: it may be believed."""
        return self._anchor is None or self.height >= self._anchor.height

    @property
    def anchor_height(self) -> int | None:
        """Of the block that our ticket names, which no leap passes over."""
        return None if self._anchor is None else self._anchor.height

    @property
    def time_ms(self) -> int:
        """Of the last block; 0 at height 0."""
        return self._last.time_ms if self._last else 0

    def blocks(self, from_height: int, max_bytes: int) -> list[tuple[bytes, bytes]]:
        """(block, certificate) from `from_height` on, up to `max_bytes` and 256 blocks, at least one; nothing where
        that is before the first that is held."""
        held = self._history.tail(from_height) if max(from_height, 1) >= self.first else []
        return [record[:2] for record in bounded(held, max_bytes, _PAGE)]

    def all_blocks(self) -> list[tuple[bytes, bytes]]:
        """Every (block, certificate) from the first that is held without a gap on, lowest first."""
        return self.tail(self.first)

    def tail(self, from_height: int) -> list[tuple[bytes, bytes]]:
        """Those of them from `from_height` on."""
        return [record[:2] for record in self._history.tail(from_height)]

    def records(self) -> list[Record]:
        """What makes this chain of its genesis, in order."""
        return self._history.records()

    def way_to(self, height: int) -> list[Record]:
        """What proves the block of `height`, from `first` on, to who has the genesis."""
        return self.landmarks.way(self._history, height)

    def course(self, height: int, pass_not: int | None, max_bytes: int) -> list[Record]:
        """Records by which a chain of `height` comes to the last checkpoint here, and over no more than `pass_not`;
        up to `max_bytes` and 256 of them."""
        end = self.height if pass_not is None else pass_not
        return bounded(self.landmarks.course(self._history, height, end), max_bytes, _PAGE)

    # growing

    def append(self, raw: bytes, certificate: bytes, state: bytes | None = None) -> bool:
        """Append the next block; or leap to one of this epoch, with `state`, the image of what holds before it. False
        for one that we have.

        Raises:
            Equivocation: another validly certified block stands at its height: a fork of the chain itself.
            RemoteError: it does not follow, is not certified, or breaks a rule.
        """
        block = cbor.decode_as(raw, Block, MAX_BLOCK)
        if block.height <= self.height:
            return self._known(block, raw, certificate)
        if state is None:
            self._grow(block, Record(raw, certificate), landed=False)
        else:
            self._leap(block, Record(raw, certificate, state))
        return True

    def _grow(self, block: Block, record: Record, *, landed: bool) -> None:
        digest = block_hash(record.block)
        self._check_place(block)
        # The certificate comes before what takes long: anyone may send a block.
        self._check_certificate(self, block, digest, record.certificate)
        state = self._judge(block, digest)
        self._check_anchor(block.height, digest)
        self.landmarks.note(block.height, self.state, state, record, landed=landed)
        self.replays.note(self.standing, state.standing, block.time_ms)
        self._history.append(record)
        self._last, self.state, self.head_hash = block, state, digest
        self._judged.clear()

    def _leap(self, block: Block, record: Record) -> None:
        """Stand on the state before `block`, which the voters of this very epoch have certified, and append it."""
        assert record.state is not None, "a leap needs somewhere to land"
        if block.epoch != self.epoch:
            raise ProtocolViolation("a leap into another epoch, whose voters are not known", Offence.CHAIN)
        self._check_certificate(self, block, block_hash(record.block), record.certificate)
        if self._anchor is not None and self.height < self._anchor.height < block.height - 1:
            raise ProtocolViolation("a leap over the block that our ticket names", Offence.CHAIN)
        self._check_anchor(block.height - 1, block.parent_hash)
        state, whole = image.decode(record.state, self.genesis, self.epoch)
        if state.hash != block.prev_state_hash:
            raise ProtocolViolation("an image of another state than the one that was certified", Offence.CHAIN)
        landed = self.copy()
        landed.state, landed.head_hash, landed._last = state, Digest(block.parent_hash), None
        landed._base, landed._remembers = landed.head_hash, whole
        landed.replays.note(self.standing, state.standing, block.time_ms)
        landed._history.leap(block.height)
        landed._grow(block, record, landed=whole)
        self.adopt(landed)

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
        self._check_certificate(self, block, digest, certificate)
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
        self._check_place(block)
        state = self.state.after(block, self._context)
        while len(self._judged) >= _JUDGED:
            del self._judged[next(iter(self._judged))]
        self._judged[digest] = state
        return state

    def _check_place(self, block: Block) -> None:
        """Raises unless `block` is said to follow the head of the chain, and says the same of it as we do."""
        if block.height != self.height + 1 or block.parent_hash != self.head_hash or block.epoch != self.epoch:
            raise ProtocolViolation("a block that does not follow the head of the chain", Offence.CHAIN)
        if self._last is not None and block.time_ms <= self._last.time_ms:
            raise ProtocolViolation("a block whose time does not advance", Offence.CHAIN)
        if block.prev_state_hash != self.state_hash:
            raise ProtocolViolation("a block over another state than ours at its height", Offence.CHAIN)

    def _known(self, block: Block, raw: bytes, certificate: bytes) -> bool:
        """A block at a height that is decided: ours, or proof that validators certified two. Anyone may say so, and
        be wrong: who certified there is looked up, and not worked out from the blocks before."""
        known = self._history.at(block.height)
        if known is None or known.block == raw:  # what is held no more proves nothing against anybody
            return False
        then = Moment(self.genesis, self.landmarks.during(block.height) or self.state)
        self._check_certificate(then, block, block_hash(raw), certificate)
        raise Equivocation(
            f"two blocks are certified for height {block.height}",
            (known.block + known.certificate, raw + certificate),
        )

    def _check_certificate(self, at: Reader, block: Block, digest: Digest, certificate: bytes) -> None:
        certifiers, content = takeover.certifiers(at, block, self._verify)
        core = certifiers.open(certificate, content, self.federation_id, self._verify)
        if (core.height, core.epoch, core.block_hash) != (block.height, block.epoch, digest):
            raise ProtocolViolation("a certificate of another block", Offence.CHAIN)

    def _check_anchor(self, height: int, digest: bytes) -> None:
        """Whoever holds the creator's key can certify two chains: the ticket says which one its inviter lives on."""
        anchor = self._anchor
        if anchor is not None and height == anchor.height and digest != anchor.block_hash:
            raise ProtocolViolation(f"block {height} is not the one that our ticket names", Offence.CHAIN)

    def contradicted(self, height: int, digest: bytes | None) -> bool:
        """Another block is held at `height` than the one with this hash."""
        return digest is not None and self._hash_at(height) not in (None, digest)

    def _hash_at(self, height: int) -> bytes | None:
        """Of what is held, and of the block right before; None for what is before that, or not there yet."""
        if height == self.height:
            return self.head_hash  # what is asked for most
        if height == self.first - 1:
            return self._base
        return hash_of(self._history.at(height))
