"""Tickets: an invitation that fits on one line.

    text  = "zm1" + base58(body ‖ first 4 bytes of SHA-256(body))
    body  = CBOR [grant, seed, addresses, anchor, federation name]
    grant = [fed, ticket id, ticket public key, expires_ms, inviter swarm, inviter term]   sealed by its queen
    join  = SHA-256(member certificate)                                              sealed by the ticket key

The seed is a one-time private key: whoever holds the ticket signs the hash of their certificate with it, so that a
ticket overheard on the way to the chain admits nobody else. The seed itself never leaves the joiner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import base58
from msgspec import Meta, Struct

from consensus.fields import Address, Bytes16, Bytes32, Natural, Sealed
from wire import cbor, cose, keys
from wire.errors import DecodeError, RemoteError, UsageError
from wire.ids import FederationId, PublicKey, SwarmId, sha256
from wire.types import KIB, ContentType

PREFIX = "zm1"
MAX_TICKET = 8 * KIB
_CHECKSUM = 4


class Grant(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the inviter's queen signs."""

    federation: Bytes32
    ticket_id: Bytes16
    ticket_key: Bytes32
    expires_ms: Natural
    inviter: Bytes16
    inviter_term: Natural


class Anchor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place on the chain to trust from: [epoch, height, block hash]."""

    epoch: Natural
    height: Natural
    block_hash: Bytes32


class _Body(Struct, frozen=True, array_like=True):
    grant: Sealed
    seed: Bytes32
    addresses: Annotated[tuple[Address, ...], Meta(max_length=16)]
    anchor: Anchor
    federation_name: Annotated[str, Meta(max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A parsed ticket. `key` is secret and stays out of every repr."""

    federation: FederationId
    federation_name: str
    grant: bytes
    key: keys.SigningKey = field(repr=False)
    addresses: tuple[str, ...]
    anchor: Anchor
    expires_ms: int
    text: str = field(repr=False)


def make_ticket(
    *,
    federation: FederationId,
    federation_name: str,
    inviter: SwarmId,
    inviter_term: int,
    inviter_key: keys.SigningKey,
    seed: bytes,
    ticket_id: bytes,
    expires_ms: int,
    addresses: list[str],
    anchor: Anchor,
) -> str:
    """The text of a ticket; `seed` (32 bytes) and `ticket_id` (16) are fresh randomness."""
    ticket_key = keys.SigningKey(seed)
    grant = Grant(federation, ticket_id, ticket_key.public, expires_ms, inviter, inviter_term)
    sealed = cose.seal(ContentType.TICKET, cbor.encode_struct(grant), inviter_key, federation)
    body = cbor.encode_struct(_Body(sealed, seed, tuple(addresses[:16]), anchor, federation_name))
    return PREFIX + base58.b58encode(body + sha256(body)[:_CHECKSUM]).decode()


def parse_ticket(text: str) -> Ticket:
    """The ticket in `text`. Its grant is not verified here: that takes the federation's chain.

    Raises:
        UsageError: not a ticket, or mistyped.
    """
    text = "".join(text.split())
    if not text.startswith(PREFIX):
        raise UsageError(
            f"this is no ticket: a ticket begins with {PREFIX}; copy the whole line `zenmesh invite` printed"
        )
    try:
        raw = base58.b58decode(text[len(PREFIX) :])
    except ValueError as error:
        raise UsageError(f"this ticket was cut or mistyped ({error}): copy the whole line again") from error
    body, checksum = raw[:-_CHECKSUM], raw[-_CHECKSUM:]
    if sha256(body)[:_CHECKSUM] != checksum:
        raise UsageError("this ticket was cut or mistyped (its checksum is wrong): copy the whole line again")
    try:
        ticket = cbor.decode_as(body, _Body, MAX_TICKET)
        grant = cbor.decode_as(cose.parse(ticket.grant).payload, Grant)
    except RemoteError as error:
        raise UsageError(f"this ticket is of another version or damaged: {error}") from error
    if ticket.anchor.height == 0 and ticket.anchor.block_hash != grant.federation:
        raise UsageError("this ticket contradicts itself: its anchor at height 0 is not its federation")
    return Ticket(
        federation=FederationId(grant.federation),
        federation_name=ticket.federation_name,
        grant=ticket.grant,
        key=keys.SigningKey(ticket.seed),
        addresses=ticket.addresses,
        anchor=ticket.anchor,
        expires_ms=grant.expires_ms,
        text=text,
    )


def seal_join(ticket: Ticket, certificate: bytes) -> bytes:
    """The joiner's proof that it holds the ticket, for this certificate."""
    return cose.seal(ContentType.JOIN, sha256(certificate), ticket.key, ticket.federation)


def open_grant(raw: bytes, inviter_key: PublicKey, federation: bytes, verify: keys.Verify) -> Grant:
    """The grant in `raw`, sealed by `inviter_key`; raises RemoteError."""
    envelope = cose.open_as(raw, ContentType.TICKET, federation, limit=MAX_TICKET, verify=verify)
    grant = cbor.decode_as(envelope.payload, Grant)
    if envelope.kid != inviter_key or grant.federation != federation:
        raise DecodeError("a ticket that its inviter did not sign for this federation")
    return grant


def peek_grant(raw: bytes) -> Grant:
    """The grant in `raw`, unverified, to find out whose key must verify it; raises DecodeError."""
    return cbor.decode_as(cose.parse(raw, MAX_TICKET).payload, Grant)


def check_join(join: bytes, grant: Grant, certificate: bytes, verify: keys.Verify) -> None:
    """Raises RemoteError unless the ticket's holder signed this very certificate."""
    envelope = cose.open_as(join, ContentType.JOIN, grant.federation, limit=MAX_TICKET, verify=verify)
    if envelope.kid != grant.ticket_key or envelope.payload != sha256(certificate):
        raise DecodeError("a join that the ticket's holder did not sign for this certificate")
