"""What replicas say to each other, on the wire and under signature.

    PRE_PREPARE   [core, leader's signature, block]
    PREPARE, COMMIT            [core, voter, signature]
    CERTIFICATE   [phase, certificate]                 a leader hands on what it collected, in a large federation
    VIEW_CHANGE   [header, PREPARE_CERT or null, block or null]
    NEW_VIEW      [header, [view change header…], PREPARE_CERT or null, block or null]
    HEARD         [[envelope…]]                        what the sender heard the receiver say of what is open

    core                = [fed, epoch, view, height, block hash]
    view change header  = [fed, epoch, new view, committed height, committed hash, prepared view or -1, prepared hash]
    new view header     = [fed, epoch, view, hash of the view change headers]

A vote is the signature of a queen key on the core under the content type of its phase, so that anyone can turn it
back into a COSE_Sign1 and verify it. Headers are whole envelopes. Blocks are not signed: their hash is.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from consensus.blocks import MAX_BLOCK, MAX_CERTIFICATE, Core
from consensus.fields import Bytes16, Bytes32, Natural, Signature
from consensus.governance.proposals import MAX_BALLOT
from consensus.statements import Statement, open_statement
from wire import cbor, cose, keys
from wire.errors import BadSignature, Offence
from wire.ids import PublicKey, sha256
from wire.types import KIB, ContentType

MAX_HEADER = 1 * KIB
MAX_VALIDATORS = 1024
MAX_HEARD = 16  # statements of one validator that are shown to it

Header = Annotated[bytes, Meta(min_length=1, max_length=MAX_HEADER)]
Shown = Annotated[bytes, Meta(min_length=1, max_length=MAX_BALLOT)]
RawCore = Annotated[bytes, Meta(min_length=1, max_length=256)]
RawBlock = Annotated[bytes, Meta(min_length=1, max_length=MAX_BLOCK)]
RawCertificate = Annotated[bytes, Meta(min_length=1, max_length=MAX_CERTIFICATE)]


class Phase(IntEnum):
    """The three votes on a block."""

    PRE_PREPARE = 0
    PREPARE = 1
    COMMIT = 2


CONTENT: dict[Phase, ContentType] = {
    Phase.PRE_PREPARE: ContentType.PRE_PREPARE,
    Phase.PREPARE: ContentType.PREPARE,
    Phase.COMMIT: ContentType.COMMIT,
}


class PrePrepare(Struct, frozen=True, array_like=True):
    """A leader proposes a block."""

    core: RawCore
    signature: Signature
    block: RawBlock


class Vote(Struct, frozen=True, array_like=True):
    """A PREPARE or a COMMIT; which one the message's type says."""

    core: RawCore
    voter: Bytes16
    signature: Signature


class CertificateNews(Struct, frozen=True, array_like=True):
    """A quorum voted in `phase`: its certificate."""

    phase: Phase
    certificate: RawCertificate


class ViewChangeHeader(Statement, frozen=True):
    """What a replica signs as it leaves the lower views."""

    epoch: Natural
    new_view: Natural
    committed_height: Natural
    committed_hash: Bytes32
    prepared_view: Annotated[int, Meta(ge=-1, le=(1 << 63) - 1)]
    prepared_hash: Bytes32


class ViewChange(Struct, frozen=True, array_like=True):
    """A replica calls for a higher view, with what it is locked on."""

    header: Header
    certificate: RawCertificate | None
    block: RawBlock | None


class NewViewHeader(Statement, frozen=True):
    """What a new leader signs."""

    epoch: Natural
    view: Natural
    changes_hash: Bytes32


class NewView(Struct, frozen=True, array_like=True):
    """A new leader begins its view: why it may, and what it is bound to propose."""

    header: Header
    changes: Annotated[tuple[Header, ...], Meta(min_length=1, max_length=MAX_VALIDATORS)]
    certificate: RawCertificate | None
    block: RawBlock | None


class Heard(Struct, frozen=True, array_like=True):
    """What the sender heard the receiver say of what is not decided yet: votes, changes of view and ballots."""

    statements: Annotated[tuple[Shown, ...], Meta(max_length=MAX_HEARD)]


def open_core(raw: bytes, federation: bytes) -> Core:
    """The core in `raw`; raises RemoteError when it is malformed or of another federation."""
    core = cbor.decode_as(raw, Core, 256)
    if core.federation != federation:
        raise BadSignature("a vote of another federation", Offence.FEDERATION)
    return core


def check_vote(
    phase: Phase, raw: bytes, key: PublicKey, signature: bytes, federation: bytes, verify: keys.Verify
) -> None:
    """Raises BadSignature unless `key` signed the core `raw` in this phase."""
    cose.check_signature(CONTENT[phase], raw, key, signature, federation, verify)


def open_view_change(raw: bytes, federation: bytes, verify: keys.Verify) -> tuple[ViewChangeHeader, PublicKey]:
    """(header, the key that sealed it); raises RemoteError when it is malformed or forged."""
    return open_statement(raw, ContentType.VIEW_CHANGE, ViewChangeHeader, federation, MAX_HEADER, verify)


def open_new_view(raw: bytes, federation: bytes, verify: keys.Verify) -> tuple[NewViewHeader, PublicKey]:
    """(header, the key that sealed it); raises RemoteError when it is malformed or forged."""
    return open_statement(raw, ContentType.NEW_VIEW, NewViewHeader, federation, MAX_HEADER, verify)


def hash_of_changes(changes: tuple[bytes, ...]) -> bytes:
    """What a new leader signs of the view changes that it rests on."""
    return sha256(cbor.encode(list(changes)))
