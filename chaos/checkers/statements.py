"""What queens sign for consensus, as checkers read it: off messages that leave and records that are kept.

Everything is parsed once in the world and remembered by its bytes. Certificates are judged here anew: their signers
by the epoch's set as the ledger has it, their weight by arithmetic of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from chaos.ledger import quorum
from consensus.bft.messages import NewView, NewViewHeader, PrePrepare, ViewChange, ViewChangeHeader, Vote
from consensus.bft.safety import MAX_RECORD, Record
from consensus.blocks import Certificate, Core, open_certificate
from consensus.validators import ValidatorSet
from mesh.protocol.effects import Effect, Persist, RecordKind, Send
from wire import cbor, cose
from wire.errors import RemoteError
from wire.frame import code_of, unpack_message
from wire.ids import PublicKey, SwarmId
from wire.types import ContentType, MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World

VOTES = (MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT)
_KINDS = {kind.value: kind for kind in (*VOTES, MessageType.VIEW_CHANGE, MessageType.NEW_VIEW)}
STATEMENTS = frozenset(_KINDS)
_LIMIT = 4 * 1024 * 1024
_KEPT = 512  # statements


class Statement(NamedTuple):
    """One signed statement: a vote on `block` at `height` in a view; a change to it or its beginning have none."""

    kind: MessageType
    body: bytes
    epoch: int
    view: int
    height: int
    block: bytes
    voter: SwarmId | None  # who says so, for votes
    key: PublicKey | None  # who sealed it, for changes of view

    @property
    def slot(self) -> tuple[MessageType, int, int, int]:
        """Where nobody may say two things."""
        return self.kind, self.epoch, self.view, self.height

    def is_of(self, process: Process) -> bool:
        """The queen of this process said so, and does not just hand it on. (Who proposes speaks for itself.)"""
        me = process.node.context.me
        return self.voter in (None, me.swarm) and self.key in (None, me.queen_key.public)


def said_in(effect: Effect) -> Statement | None:
    """The statement that a message carries; None for any other effect."""
    if not isinstance(effect, Send):
        return None
    kind = _KINDS.get(code_of(effect.message))
    return None if kind is None else read(kind, unpack_message(effect.message)[1])


def kept_in(record: Persist) -> tuple[Record, Statement] | None:
    """(record of the vote journal, its statement); None for records of other kinds."""
    if record.kind is not RecordKind.VOTE:
        return None
    found = cbor.decode_as(record.body, Record, MAX_RECORD)
    return found, read(MessageType(found.message), found.body)


@lru_cache(maxsize=_KEPT)
def read(kind: MessageType, body: bytes) -> Statement:
    """The statement in the body of a message of that kind."""
    match kind:
        case MessageType.PRE_PREPARE:
            return _vote(kind, body, cbor.decode_as(body, PrePrepare, _LIMIT).core, None)
        case MessageType.PREPARE | MessageType.COMMIT:
            vote = cbor.decode_as(body, Vote)
            return _vote(kind, body, vote.core, SwarmId(vote.voter))
        case MessageType.VIEW_CHANGE:
            envelope = cose.parse(cbor.decode_as(body, ViewChange, _LIMIT).header)
            change = cbor.decode_as(envelope.payload, ViewChangeHeader)
            return Statement(kind, body, change.epoch, change.new_view, 0, b"", None, envelope.kid)
        case _:
            envelope = cose.parse(cbor.decode_as(body, NewView, _LIMIT).header)
            begun = cbor.decode_as(envelope.payload, NewViewHeader)
            return Statement(kind, body, begun.epoch, begun.view, 0, b"", None, envelope.kid)


def _vote(kind: MessageType, body: bytes, core: bytes, voter: SwarmId | None) -> Statement:
    voted = cbor.decode_as(core, Core)
    return Statement(kind, body, voted.epoch, voted.view, voted.height, voted.block_hash, voter, None)


def voters_of(world: World, process: Process, epoch: int) -> ValidatorSet | None:
    """Who votes in an epoch that `process` has reached."""
    if not process.host.byzantine:
        world.ledger.follow(process.node.context.chain)
    return world.ledger.epoch(epoch)


def wrong_with(world: World, raw: bytes, content: ContentType, voters: ValidatorSet) -> str:
    """Why a certificate is none of a quorum of just these voters; empty when it is."""
    try:
        keys = [voter.key for voter in voters.validators]
        core, signers = open_certificate(raw, keys, world.colony.federation, world.verify, content)
    except RemoteError as error:
        return error.detail
    weight = sum(voters.validators[place].weight for place in signers)
    if core.epoch != voters.epoch:
        return f"it is of epoch {core.epoch}, and was to be of {voters.epoch}"
    if weight < quorum(voters):
        return f"its signers weigh {weight} of {voters.total}, and {quorum(voters)} decide"
    return ""


def core_in(raw: bytes) -> Core:
    """What a certificate says it is about."""
    return cbor.decode_as(cbor.decode_as(raw, Certificate, _LIMIT).core, Core)


def promised(world: World) -> bool:
    """Few enough of those who vote lie, or had their disks taken back, for agreement to be promised."""
    liars = [host.home.swarm for host in world.hosts.values() if not host.honest]
    return world.ledger.promised(liars)
