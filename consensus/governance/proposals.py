"""PROPOSAL and BALLOT: what a queen asks the others to decide, and what each of them answers.

    proposal = [fed, proposal id, proposer, term, subject, action, details, created_ms, deadline_ms]
    ballot   = [fed, proposal id, proposal hash, voter, term, choice, weight, reasoning]

Both are sealed by the queen key of (swarm, term). `details` is a deterministic CBOR map; its layout is the action's
(`consensus.governance.actions`). The hash of a proposal is that of its envelope as received. A ballot's `weight` is
what its voter believes: for people; the tally takes weights from the epoch's set alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated

from msgspec import Meta

from consensus.fields import Bytes16, Bytes32, Natural
from consensus.statements import Statement, open_statement
from wire import cbor, cose, keys
from wire.errors import UsageError
from wire.ids import Digest, SwarmId, sha256
from wire.types import KIB, ContentType

MAX_PROPOSAL = 60 * KIB  # with its envelope; a transaction has at most 64 KiB
MAX_DETAILS = 56 * KIB
MAX_BALLOT = 2 * KIB
MAX_REASONING = 512  # bytes of UTF-8

ProposalId = bytes  # 16 of them, drawn by the proposer


class Subject(StrEnum):
    """What a decision is about; it says how much weight must approve."""

    RESOURCE_ALLOCATION = "RESOURCE_ALLOCATION"
    PRIORITY_CHANGE = "PRIORITY_CHANGE"
    FEDERATION_POLICY = "FEDERATION_POLICY"


class Choice(IntEnum):
    """A queen's answer."""

    APPROVE = 1
    REJECT = 2
    ABSTAIN = 3


def choice_named(text: str) -> Choice:
    """The choice that is called so. Raises UsageError."""
    try:
        return Choice[text.upper()]
    except KeyError:
        raise UsageError(f"{text!r} is no choice: approve, reject or abstain") from None


class ProposalBody(Statement, frozen=True):
    """What a proposer signs."""

    proposal: Bytes16
    proposer: Bytes16
    term: Natural
    subject: Subject
    action: Annotated[str, Meta(min_length=1, max_length=64)]
    details: Annotated[bytes, Meta(min_length=1, max_length=MAX_DETAILS)]
    created_ms: Natural
    deadline_ms: Natural


class BallotBody(Statement, frozen=True):
    """What a voter signs."""

    proposal: Bytes16
    proposal_hash: Bytes32
    voter: Bytes16
    term: Natural
    choice: Choice
    weight: Natural
    reasoning: Annotated[str, Meta(max_length=MAX_REASONING)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An authentic proposal, as received."""

    body: ProposalBody
    raw: bytes

    @property
    def id(self) -> ProposalId:
        return self.body.proposal

    @property
    def hash(self) -> Digest:
        return sha256(self.raw)

    @property
    def proposer(self) -> SwarmId:
        return SwarmId(self.body.proposer)


def seal_proposal(body: ProposalBody, key: keys.SigningKey) -> bytes:
    """A proposal sealed by its proposer's queen."""
    return cose.seal(ContentType.PROPOSAL, cbor.encode_struct(body), key, body.federation)


def open_proposal(raw: bytes, federation: bytes, verify: keys.Verify) -> tuple[Proposal, bytes]:
    """(proposal, the key that sealed it); raises RemoteError when it is malformed or forged."""
    body, key = open_statement(raw, ContentType.PROPOSAL, ProposalBody, federation, MAX_PROPOSAL, verify)
    return Proposal(body, raw), key


def peek_proposal(raw: bytes) -> ProposalBody:
    """What a proposal says, unverified; raises DecodeError."""
    return cbor.decode_as(cose.parse(raw, MAX_PROPOSAL).payload, ProposalBody)


def peek_ballot(raw: bytes) -> BallotBody:
    """What a ballot says, unverified; raises DecodeError."""
    return cbor.decode_as(cose.parse(raw, MAX_BALLOT).payload, BallotBody)


def seal_ballot(body: BallotBody, key: keys.SigningKey) -> bytes:
    """A ballot sealed by its voter's queen."""
    return cose.seal(ContentType.BALLOT, cbor.encode_struct(body), key, body.federation)


def open_ballot(raw: bytes, federation: bytes, verify: keys.Verify) -> tuple[BallotBody, bytes]:
    """(ballot, the key that sealed it); raises RemoteError when it is malformed or forged."""
    return open_statement(raw, ContentType.BALLOT, BallotBody, federation, MAX_BALLOT, verify)
