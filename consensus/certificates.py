"""Member certificates: a swarm's root key says which node speaks for it in which term.

    [fed, swarm, name, project, root_pk, term, queen_pk, queen_peer_id, addresses,
     [[backup_pk, peer_id, rank, not_after]…], weight, not_after]            signed by the root key

`swarm` is derived from the root key, so nobody can claim another's id. In the genesis itself `fed` is 32 zero bytes,
and the signature is made for the genesis. The link proves the peer id; the certificate maps it to (swarm, term).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from consensus.fields import NAME_RULE, Address, Bytes16, Bytes32, Natural, PeerText, is_name
from wire import cbor, cose, keys
from wire.errors import BadSignature, Offence, ProtocolViolation
from wire.ids import PeerId, PublicKey, SwarmId, swarm_id_of
from wire.types import KIB, ContentType

MAX_CERT = 8 * KIB
YEAR_MS = 365 * 24 * 3600 * 1000
NO_FEDERATION = bytes(32)


class Backup(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A backup queen: inert until a decision names it."""

    key: Bytes32
    peer: PeerText
    rank: Natural
    not_after_ms: Natural


class CertBody(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a root key signs."""

    federation: Bytes32
    swarm: Bytes16
    name: Annotated[str, Meta(max_length=64)]
    project: Annotated[str, Meta(max_length=128)]
    root_key: Bytes32
    term: Annotated[int, Meta(ge=1, le=(1 << 31) - 1)]
    queen_key: Bytes32
    queen_peer: PeerText
    addresses: Annotated[tuple[Address, ...], Meta(max_length=16)]
    backups: Annotated[tuple[Backup, ...], Meta(max_length=8)]
    weight: Annotated[int, Meta(ge=1, le=1_000_000)]
    not_after_ms: Natural


@dataclass(frozen=True, slots=True)
class MemberCert:
    """An authentic certificate."""

    body: CertBody
    raw: bytes

    @property
    def swarm(self) -> SwarmId:
        return SwarmId(self.body.swarm)

    @property
    def name(self) -> str:
        return self.body.name

    @property
    def term(self) -> int:
        return self.body.term

    @property
    def queen_key(self) -> PublicKey:
        return PublicKey(self.body.queen_key)

    @property
    def peer(self) -> PeerId:
        return PeerId(self.body.queen_peer)


def make_member_cert(
    *,
    federation: bytes | None,
    name: str,
    project: str,
    root: keys.SigningKey,
    term: int,
    queen_key: PublicKey,
    peer: PeerId,
    not_after_ms: int,
    addresses: tuple[str, ...] = (),
    weight: int = 1,
    backups: tuple[Backup, ...] = (),
) -> bytes:
    """A certificate sealed by the root key; `federation` None for one that goes into a genesis."""
    body = CertBody(
        federation=federation or NO_FEDERATION,
        swarm=swarm_id_of(root.public),
        name=name,
        project=project,
        root_key=root.public,
        term=term,
        queen_key=queen_key,
        queen_peer=peer,
        addresses=addresses,
        backups=backups,
        weight=weight,
        not_after_ms=not_after_ms,
    )
    return cose.seal(ContentType.MEMBER_CERT, cbor.encode_struct(body), root, federation or cose.GENESIS)


def parse_member_cert(raw: bytes, federation: bytes | None, verify: keys.Verify = keys.verify) -> MemberCert:
    """The certificate in `raw`, verified for `federation` (None: inside a genesis).

    Raises:
        RemoteError: malformed, forged, of another federation, or with an id that is not its root key's.
    """
    envelope = cose.open_as(raw, ContentType.MEMBER_CERT, federation or cose.GENESIS, limit=MAX_CERT, verify=verify)
    body = cbor.decode_as(envelope.payload, CertBody)
    if body.federation != (federation or NO_FEDERATION):
        raise BadSignature("a certificate for another federation", Offence.FEDERATION)
    if envelope.kid != body.root_key or swarm_id_of(PublicKey(body.root_key)) != body.swarm:
        raise BadSignature("a certificate whose swarm id is not that of the root key that signed it")
    if not is_name(body.name):
        raise ProtocolViolation(f"a swarm's name has {NAME_RULE}")
    return MemberCert(body, raw)


def peek_cert(raw: bytes) -> CertBody:
    """What the certificate in `raw` says, unverified; raises DecodeError."""
    return cbor.decode_as(cose.parse(raw, MAX_CERT).payload, CertBody)


def peek_federation(raw: bytes) -> bytes | None:
    """Which federation the certificate in `raw` says it is for (None: a genesis), unverified; raises DecodeError."""
    federation = peek_cert(raw).federation
    return None if federation == NO_FEDERATION else federation
