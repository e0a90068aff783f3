"""Lies of a queen: what she says where her vote counts is sealed with her own key, and is not so.

    liar = Deceiver(swarm, key, federation, chain, wall_ms)
    liar.lies[Deceit.TWO_BLOCKS] = 0.5              # half of what that lie is about
    list(liar.told(message, chance))                # what she says instead: nothing, this, another, or several

Her node is the real one and believes itself honest; only its words are twisted on their way out, for each listener
anew. So one may hear one thing and its neighbour another. `LIES` says which messages a lie is about and what becomes
of them; lies that are told at once are told one after the other, each about what the one before it made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from chaos.actions import Deceit
from consensus.accusations import Accusation, seal_accusation
from consensus.bft.messages import (
    CONTENT,
    NewView,
    NewViewHeader,
    Phase,
    PrePrepare,
    ViewChange,
    ViewChangeHeader,
    Vote,
    hash_of_changes,
)
from consensus.blocks import BallotTx, Block, Core, block_hash, decode_tx, encode_tx, sign_core
from consensus.chain import Chain
from consensus.governance.proposals import BallotBody, Choice, peek_ballot, seal_ballot
from wire import cbor, cose
from wire.frame import code_of, pack_message, unpack_message
from wire.ids import ZERO_DIGEST, FederationId, SwarmId, sha256
from wire.keys import SigningKey
from wire.rng import Rng
from wire.types import ContentType, MessageType

BOAST = 1_000  # what a ballot claims to weigh
_KEPT = 8  # beginnings of views that a liar remembers
_FAR = 4  # views and heights by which she may be off
_LIMIT = 4 * 1024 * 1024
_PHASES = {MessageType.PREPARE: Phase.PREPARE, MessageType.COMMIT: Phase.COMMIT}


@dataclass(eq=False)
class Deceiver:
    """A liar: what she signs with, what her node knows, and the lies that she tells, each at its rate."""

    swarm: SwarmId
    key: SigningKey
    federation: FederationId
    chain: Callable[[], Chain | None] = lambda: None  # of her node; None while it is down
    wall_ms: Callable[[], int] = lambda: 0
    lies: dict[Deceit, float] = field(default_factory=dict)
    begun: deque[bytes] = field(default_factory=lambda: deque(maxlen=_KEPT))  # bodies of NEW_VIEWs that she said

    def told(self, message: bytes, chance: Callable[[str], Rng]) -> Iterator[bytes]:
        """What she says for `message` to one listener; `chance` is the randomness of a purpose."""
        said = [message]
        for lie, rate in self.lies.items():
            said = [word for one in said for word in self._twisted(lie, rate, one, chance(lie))]
        if code_of(message) == MessageType.NEW_VIEW:
            self.begun.append(unpack_message(message)[1])
        yield from said

    def _twisted(self, lie: Deceit, rate: float, message: bytes, rng: Rng) -> Iterator[bytes]:
        about, tell = LIES[lie]
        code = code_of(message)
        if code in about and rng.random() < rate:
            yield from tell(self, MessageType(code), message, rng)
        else:
            yield message

    # sealing

    def proposal(self, core: Core, block: bytes) -> bytes:
        """A PRE_PREPARE of hers."""
        signature = sign_core(core, self.key, CONTENT[Phase.PRE_PREPARE])
        return _packed(MessageType.PRE_PREPARE, PrePrepare(cbor.encode_struct(core), signature, block))

    def change(self, header: ViewChangeHeader, certificate: bytes | None, block: bytes | None) -> bytes:
        """A VIEW_CHANGE of hers."""
        sealed = cose.seal(ContentType.VIEW_CHANGE, cbor.encode_struct(header), self.key, self.federation)
        return _packed(MessageType.VIEW_CHANGE, ViewChange(sealed, certificate, block))

    def beginning(self, view: NewView, header: NewViewHeader) -> bytes:
        """A NEW_VIEW that she signs, over the changes that `view` shows."""
        header = replace(header, changes_hash=hash_of_changes(view.changes))
        sealed = cose.seal(ContentType.NEW_VIEW, cbor.encode_struct(header), self.key, self.federation)
        return _packed(MessageType.NEW_VIEW, replace(view, header=sealed))


# about blocks and votes


def another_block(liar: Deceiver, message: bytes) -> bytes:
    """A proposal of another block in the place of this one."""
    said = cbor.decode_as(unpack_message(message)[1], PrePrepare, _LIMIT)
    block = cbor.decode_as(said.block, Block, _LIMIT)
    other = cbor.encode_struct(replace(block, time_ms=block.time_ms + 1))
    return liar.proposal(replace(cbor.decode_as(said.core, Core), block_hash=block_hash(other)), other)


def _two_blocks(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    other = another_block(liar, message)
    yield from rng.choice(((message, other), (other, message), (other,), (message,)))


def _two_votes(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    said = cbor.decode_as(unpack_message(message)[1], Vote)
    core = cbor.decode_as(said.core, Core)
    other = replace(core, block_hash=sha256(core.block_hash))
    vote = Vote(cbor.encode_struct(other), liar.swarm, sign_core(other, liar.key, CONTENT[_PHASES[kind]]))
    forged = _packed(kind, vote)
    yield from rng.choice(((message, forged), (forged, message), (forged,)))


def changed_ballot(message: bytes, key: SigningKey, change: Callable[[BallotBody], BallotBody]) -> bytes | None:
    """A ballot with something else in it; None for any other transaction."""
    tx = decode_tx(unpack_message(message)[1])
    if not isinstance(tx, BallotTx):
        return None
    return pack_message(MessageType.TX_SUBMIT, encode_tx(BallotTx(seal_ballot(change(peek_ballot(tx.ballot)), key))))


def opposite(body: BallotBody) -> BallotBody:
    """No for yes, and yes for all else."""
    return replace(body, choice=Choice.REJECT if body.choice is Choice.APPROVE else Choice.APPROVE)


def heavy(body: BallotBody) -> BallotBody:
    """A ballot that claims to weigh more than all others."""
    return replace(body, weight=BOAST)


def _two_ballots(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    other = changed_ballot(message, liar.key, opposite)
    yield from (message,) if other is None else rng.choice(((message, other), (other, message), (other,)))


def _heavy_ballots(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    yield changed_ballot(message, liar.key, heavy) or message


def _nothing(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    yield from ()


def _no_bodies(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """No proposal at all; a change of view, or the beginning of one, without the block and who prepared it."""
    raw = unpack_message(message)[1]
    match kind:
        case MessageType.VIEW_CHANGE:
            yield _packed(kind, replace(cbor.decode_as(raw, ViewChange, _LIMIT), certificate=None, block=None))
        case MessageType.NEW_VIEW:
            yield _packed(kind, replace(cbor.decode_as(raw, NewView, _LIMIT), certificate=None, block=None))
        case _:
            pass


# about views


def _opened(message: bytes) -> tuple[ViewChange, ViewChangeHeader]:
    change = cbor.decode_as(unpack_message(message)[1], ViewChange, _LIMIT)
    return change, cbor.decode_as(cose.parse(change.header).payload, ViewChangeHeader)


def _held(liar: Deceiver, height: int | None = None) -> tuple[bytes, bytes] | None:
    """The block of `height` (the last one) with its certificate, where her chain goes so far and leapt over none."""
    chain = liar.chain()
    if chain is None:
        return None
    at = chain.height if height is None else height
    return next(iter(chain.blocks(at, max_bytes=1)), None) if at else None


def _false_lock(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """Locked in a view on a block that nobody prepared, with the best proof that she has."""
    change, header = _opened(message)
    block, certificate = _held(liar) or (None, None)
    digest = sha256(header.committed_hash) if block is None or rng.random() < 0.5 else block_hash(block)
    false = replace(header, prepared_view=rng.randbelow(header.new_view + _FAR), prepared_hash=digest)
    proof = rng.choice(((change.certificate, change.block), (certificate, block), (None, None)))
    yield liar.change(false, *proof)


def _denied_lock(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """Locked on nothing."""
    yield liar.change(_free(_opened(message)[1]), None, None)


def _false_base(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """Behind where she is, or ahead of everybody."""
    change, header = _opened(message)
    off = rng.randbelow(2 * _FAR) - _FAR
    height = max(0, header.committed_height + off + (off >= 0))
    known = _held(liar, height)
    digest = sha256(header.committed_hash) if known is None else block_hash(known[0])
    yield liar.change(
        replace(header, committed_height=height, committed_hash=digest), change.certificate, change.block
    )


def _old_view(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """The beginning of a view that was left, as it was or with the number of one that was not."""
    yield message
    if liar.begun:
        old = cbor.decode_as(rng.choice(list(liar.begun)), NewView, _LIMIT)
        header = cbor.decode_as(cose.parse(old.header).payload, NewViewHeader)
        later = replace(header, view=header.view + 1 + rng.randbelow(_FAR))
        yield _packed(MessageType.NEW_VIEW, old) if rng.random() < 0.5 else liar.beginning(old, later)


def _unbound_view(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """A view of hers begins without the lock that binds it, and with another block than that."""
    raw = unpack_message(message)[1]
    if kind is MessageType.PRE_PREPARE:
        core = cbor.decode_as(cbor.decode_as(raw, PrePrepare, _LIMIT).core, Core)
        yield another_block(liar, message) if core.view else message
        return
    view = cbor.decode_as(raw, NewView, _LIMIT)
    envelope = cose.parse(view.header)
    if envelope.kid != liar.key.public:  # she hands on what another one began
        yield message
        return
    changes = tuple(map(partial(_unlocked, liar), view.changes))
    header = cbor.decode_as(envelope.payload, NewViewHeader)
    yield liar.beginning(replace(view, changes=changes, certificate=None, block=None), header)


def _unlocked(liar: Deceiver, raw: bytes) -> bytes:
    """A change as it is, but for her own: she was locked on nothing."""
    envelope = cose.parse(raw)
    if envelope.kid != liar.key.public:
        return raw
    free = _free(cbor.decode_as(envelope.payload, ViewChangeHeader))
    return cose.seal(ContentType.VIEW_CHANGE, cbor.encode_struct(free), liar.key, liar.federation)


def _free(header: ViewChangeHeader) -> ViewChangeHeader:
    return replace(header, prepared_view=-1, prepared_hash=ZERO_DIGEST)


# about others


def _accuses(liar: Deceiver, kind: MessageType, message: bytes, rng: Rng) -> Iterator[bytes]:
    """Somebody has failed, whoever it is, and whatever it says to that."""
    yield message
    chain = liar.chain()
    voters = () if chain is None else chain.validators().validators
    others = [voter for voter in voters if voter.swarm != liar.swarm]
    if chain is None or not others:
        return
    accused = rng.choice(others)
    body = Accusation(
        federation=liar.federation,
        epoch=chain.epoch,
        accuser=liar.swarm,
        accused=accused.swarm,
        term=accused.term,
        incarnation=rng.randbelow(_FAR),
        seq=rng.choice((0, 1, 1_000_000)),
        head=rng.bytes(32),
        made_ms=liar.wall_ms(),
    )
    yield pack_message(MessageType.ACCUSE, seal_accusation(body, liar.key))


def _packed(kind: MessageType, body: PrePrepare | Vote | ViewChange | NewView) -> bytes:
    return pack_message(kind, cbor.encode_struct(body))


_Tell = Callable[[Deceiver, MessageType, bytes, Rng], Iterator[bytes]]
_PROPOSALS = (MessageType.PRE_PREPARE,)
_BALLOTS = (MessageType.TX_SUBMIT,)
_CHANGES = (MessageType.VIEW_CHANGE,)
_DECISIONS = (MessageType.COMMIT, MessageType.CERTIFICATE, MessageType.CHAIN_BLOCKS)

# What each lie is about, and how it is told.
LIES: dict[Deceit, tuple[tuple[MessageType, ...], _Tell]] = {
    Deceit.TWO_BLOCKS: (_PROPOSALS, _two_blocks),
    Deceit.TWO_VOTES: (tuple(_PHASES), _two_votes),
    Deceit.TWO_BALLOTS: (_BALLOTS, _two_ballots),
    Deceit.HEAVY_BALLOTS: (_BALLOTS, _heavy_ballots),
    Deceit.NO_CERTIFICATES: (_DECISIONS, _nothing),
    Deceit.NO_BODIES: ((*_PROPOSALS, *_CHANGES, MessageType.NEW_VIEW), _no_bodies),
    Deceit.FALSE_LOCK: (_CHANGES, _false_lock),
    Deceit.DENIED_LOCK: (_CHANGES, _denied_lock),
    Deceit.FALSE_BASE: (_CHANGES, _false_base),
    Deceit.OLD_VIEW: ((*_PROPOSALS, *_CHANGES, MessageType.NEW_VIEW), _old_view),
    Deceit.UNBOUND_VIEW: ((*_PROPOSALS, MessageType.NEW_VIEW), _unbound_view),
    Deceit.ACCUSES: ((MessageType.PING,), _accuses),
}
