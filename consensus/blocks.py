"""Blocks, the transactions in them, and the certificates that decide them.

    block       = [height, epoch, parent_hash, time_ms, prev_state_hash, txs]        hash = SHA-256 of these bytes
    core        = [fed, epoch, view, height, block_hash]
    certificate = [core bytes, signer bitmap, [signature…]]    each signature a COSE one over core, by a validator
    tx          = [kind, body]

There is no view inside a block, so that proposing it again keeps its hash. A COMMIT_CERT decides a block, a
PREPARE_CERT locks it; they differ in the content type that is signed. While the creator governs, the validator set is
the creator alone and a certificate holds one signature; `consensus.validators` knows who they are later.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from consensus.fields import Bytes16, Bytes32, Natural, Sealed, Signature
from consensus.statements import Statement
from wire import cbor, cose, keys
from wire.errors import BadSignature, DecodeError, Offence
from wire.ids import Digest, PublicKey, SwarmId, sha256
from wire.memo import read_once
from wire.types import KIB, MIB, ContentType

MAX_BLOCK = 1 * MIB
MAX_TX = 64 * KIB
MAX_TXS = 1024
MAX_CERTIFICATE = 64 * KIB

Transaction = Annotated[bytes, Meta(min_length=1, max_length=MAX_TX)]


class TxKind(IntEnum):
    """Kinds of transactions; the number is on the chain and never reused."""

    JOIN = 1
    PROMOTE = 2
    TERM_BUMP = 3
    LEAVE = 4
    GOVERN = 5
    PROPOSAL = 6
    BALLOT = 7
    QUARANTINE = 8
    SUSPEND = 9
    FAILOVER = 10
    RENEW = 11
    EXPIRE = 12
    TAKEOVER = 13


class Block(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One height of the chain."""

    height: Annotated[int, Meta(ge=1, le=(1 << 62))]
    epoch: Natural
    parent_hash: Bytes32
    time_ms: Natural
    prev_state_hash: Bytes32
    txs: Annotated[tuple[Transaction, ...], Meta(max_length=MAX_TXS)]


class Core(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What every vote signs: PRE_PREPARE, PREPARE and COMMIT differ in the content type."""

    federation: Bytes32
    epoch: Natural
    view: Natural
    height: Natural
    block_hash: Bytes32


class Certificate(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What validators signed, portable; bit i of the bitmap is the i-th of them by swarm id."""

    core: Annotated[bytes, Meta(max_length=256)]
    signers: Annotated[bytes, Meta(min_length=1, max_length=128)]
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=1024)]


class JoinTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Admit a swarm. `grant` and `join` come from a ticket; `approved` says that the governor decided without one."""

    grant: Sealed | None
    certificate: Sealed
    join: Sealed | None
    approved: bool = False


class PromoteTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Give a learner its weight: [swarm, statement sealed by its queen key]."""

    swarm: Bytes16
    statement: Sealed


class PromoteStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a learner signs to show that it is alive at a recent block."""

    federation: Bytes32
    swarm: Bytes16
    height: Natural
    block_hash: Bytes32


class TermBumpTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Start a swarm's next term: the root-signed certificate, and the close of the old term's log, both sealed by
    the new queen key."""

    statement: Sealed


class TermBumpStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the new queen signs: its certificate, and the last batch of the old term that counts."""

    federation: Bytes32
    certificate: Sealed
    close_seq: Natural
    close_hash: Bytes32


class LeaveTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member goes: its certificate's root key, or its queen, seals [federation, swarm]."""

    statement: Sealed


class LeaveStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a leaving queen signs."""

    federation: Bytes32
    swarm: Bytes16
    term: Natural


class GovernTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The queens govern from here on: each statement is a queen's support. Who gave none learns again."""

    supports: Annotated[tuple[Sealed, ...], Meta(max_length=1024)]


class SupportStatement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a queen signs that is ready to govern with the others."""

    federation: Bytes32
    swarm: Bytes16
    term: Natural


class TakeoverTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The same without the creator, which is lost: see `consensus.takeover`. Ascending by swarm id, none twice."""

    supports: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=1024)]


class ProposalTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Open a proposal: see `consensus.governance.proposals`."""

    proposal: Annotated[bytes, Meta(min_length=1, max_length=60 * KIB)]


class BallotTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Vote on an open proposal."""

    ballot: Sealed


class QuarantineTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two statements of one queen that cannot both be honest: it loses its weight."""

    first: Sealed
    second: Sealed


class SuspendTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A swarm has failed: an accusation certificate (`consensus.accusations`). It stops voting until it is back."""

    accusations: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=1024)]


class FailoverTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A backup takes over: its statement, and the accusation certificate that says that the queen has failed. For a
    swarm that is suspended the chain has said so already, and there is none."""

    statement: Sealed
    accusations: Annotated[tuple[Sealed, ...], Meta(max_length=1024)]


class FailoverStatement(Statement, frozen=True):
    """What a backup signs: the term that it begins, and the last batch of the one before it that counts."""

    swarm: Bytes16
    term: Natural
    close_seq: Natural
    close_hash: Bytes32
    made_ms: Natural


class RenewTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A swarm's certificate is replaced within its term: by other backups, and a later end."""

    certificate: Sealed


class ExpireTx(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A swarm's certificate, the one that ends at `not_after_ms`, has ended: the block's time proves it."""

    swarm: Bytes16
    not_after_ms: Natural


TxBody = (
    JoinTx
    | PromoteTx
    | TermBumpTx
    | LeaveTx
    | GovernTx
    | ProposalTx
    | BallotTx
    | QuarantineTx
    | SuspendTx
    | FailoverTx
    | RenewTx
    | ExpireTx
    | TakeoverTx
)

_BODIES: dict[TxKind, type[TxBody]] = {
    TxKind.JOIN: JoinTx,
    TxKind.PROMOTE: PromoteTx,
    TxKind.TERM_BUMP: TermBumpTx,
    TxKind.LEAVE: LeaveTx,
    TxKind.GOVERN: GovernTx,
    TxKind.PROPOSAL: ProposalTx,
    TxKind.BALLOT: BallotTx,
    TxKind.QUARANTINE: QuarantineTx,
    TxKind.SUSPEND: SuspendTx,
    TxKind.FAILOVER: FailoverTx,
    TxKind.RENEW: RenewTx,
    TxKind.EXPIRE: ExpireTx,
    TxKind.TAKEOVER: TakeoverTx,
}
_KINDS = {body: kind for kind, body in _BODIES.items()}


def encode_tx(body: TxBody) -> bytes:
    """A transaction."""
    return cbor.encode([_KINDS[type(body)], cbor.encode_struct(body)])


@read_once
def decode_tx(raw: bytes) -> TxBody:
    """The transaction in `raw`; raises DecodeError."""
    match cbor.decode(raw, MAX_TX):
        case [int() as code, bytes() as body] if type(code) is int and code in list(TxKind):
            return cbor.decode_as(body, _BODIES[TxKind(code)], MAX_TX)
    raise DecodeError("not a transaction [kind, body] of a known kind")


def join_tx(grant: bytes | None, certificate: bytes, join: bytes | None, *, approved: bool = False) -> bytes:
    """A transaction that admits the swarm of `certificate`."""
    return encode_tx(JoinTx(grant, certificate, join, approved))


def promote_tx(federation: bytes, swarm: SwarmId, height: int, block_hash: bytes, key: keys.SigningKey) -> bytes:
    """A transaction by which a learner asks for its weight."""
    statement = PromoteStatement(federation, swarm, height, block_hash)
    return encode_tx(PromoteTx(swarm, cose.seal(ContentType.PROMOTE, cbor.encode_struct(statement), key, federation)))


def term_bump_tx(
    federation: bytes, certificate: bytes, key: keys.SigningKey, close_seq: int, close_hash: bytes
) -> bytes:
    """A transaction that starts the term of `certificate`, sealed by its queen's `key`."""
    statement = TermBumpStatement(federation, certificate, close_seq, close_hash)
    return encode_tx(TermBumpTx(cose.seal(ContentType.TERM_BUMP, cbor.encode_struct(statement), key, federation)))


def leave_tx(federation: bytes, swarm: SwarmId, term: int, key: keys.SigningKey) -> bytes:
    """A transaction by which a queen takes its swarm out of the federation."""
    statement = LeaveStatement(federation, swarm, term)
    return encode_tx(LeaveTx(cose.seal(ContentType.LEAVE, cbor.encode_struct(statement), key, federation)))


def failover_tx(statement: FailoverStatement, key: keys.SigningKey, accusations: Sequence[bytes] = ()) -> bytes:
    """A transaction by which a backup, whose `key` it is, takes over."""
    sealed = cose.seal(ContentType.FAILOVER, cbor.encode_struct(statement), key, statement.federation)
    return encode_tx(FailoverTx(sealed, tuple(accusations)))


def support(federation: bytes, swarm: SwarmId, term: int, key: keys.SigningKey) -> bytes:
    """A queen's statement that it is ready to govern."""
    statement = cbor.encode_struct(SupportStatement(federation, swarm, term))
    return cose.seal(ContentType.SUPPORT, statement, key, federation)


def sign_core(core: Core, key: keys.SigningKey, content: ContentType = ContentType.COMMIT) -> bytes:
    """One validator's signature on `core`, as it stands in a certificate (64 bytes)."""
    return cose.sign(content, cbor.encode_struct(core), key, core.federation)


def make_certificate(core: Core, signers: list[int], signatures: list[bytes], validators: int) -> bytes:
    """A certificate by the validators at the positions `signers` (ascending) of `validators`."""
    bitmap = bytearray((validators + 7) // 8)
    for position in signers:
        bitmap[position // 8] |= 1 << position % 8
    return cbor.encode_struct(Certificate(cbor.encode_struct(core), bytes(bitmap), tuple(signatures)))


def open_certificate(
    raw: bytes,
    validators: Sequence[PublicKey],
    federation: bytes,
    verify: keys.Verify,
    content: ContentType = ContentType.COMMIT,
) -> tuple[Core, list[int]]:
    """(core, positions of the validators that signed it), every signature verified.

    Raises:
        RemoteError: malformed, a bitmap that does not fit, or a bad signature.
    """
    cert = cbor.decode_as(raw, Certificate, MAX_CERTIFICATE)
    core = cbor.decode_as(cert.core, Core)
    if core.federation != federation:
        raise BadSignature("a certificate of another federation", Offence.FEDERATION)
    size = len(cert.signers)
    signers = [at for at in range(size * 8) if cert.signers[at // 8] >> at % 8 & 1]
    if (
        size != (len(validators) + 7) // 8
        or len(signers) != len(cert.signatures)
        or signers[-1:] > [len(validators) - 1]
    ):
        raise DecodeError("a certificate whose bitmap does not fit its signatures or the validator set")
    for position, signature in zip(signers, cert.signatures, strict=True):
        cose.check_signature(content, cert.core, validators[position], signature, federation, verify)
    return core, signers


def block_hash(raw: bytes) -> Digest:
    """The hash of a block, over its bytes as received."""
    return sha256(raw)
