"""The genesis: what a federation is, from its first moment.

    [version, name, params, [member certificate…], created_ms]     signed by the first member's root key

The federation's id is the SHA-256 of these bytes as received, so the genesis can come from anyone. The first member
is the creator; it orders admissions until the queens govern.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta, Struct

from consensus.certificates import MemberCert, parse_member_cert
from consensus.fields import NAME_RULE, Natural, Sealed, is_name
from consensus.quorum import QuorumSetting
from wire import cbor, cose, keys
from wire.errors import BadSignature, ProtocolViolation
from wire.ids import FederationId, sha256
from wire.types import KIB, ContentType

VERSION = 1
MAX_GENESIS = 32 * KIB


class Params(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the founders chose; changed only by decision."""

    admission: Literal["ticket", "vote", "open"] = "ticket"
    quorum: Literal["auto", "byzantine"] = "auto"
    profile: Literal["lan", "wan", "spec"] = "lan"
    max_unvouched_per_inviter: Annotated[int, Meta(ge=0, le=1000)] = 3
    entries_per_owner: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    bytes_per_owner: Annotated[int, Meta(ge=1024, le=1 << 40)] = 4 * 1024 * 1024

    @property
    def quorum_setting(self) -> QuorumSetting:
        return QuorumSetting(self.quorum)


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Natural
    name: Annotated[str, Meta(max_length=64)]
    params: Params
    members: Annotated[tuple[Sealed, ...], Meta(min_length=1, max_length=1)]
    created_ms: Natural


@dataclass(frozen=True, slots=True)
class Genesis:
    """An authentic genesis."""

    raw: bytes
    federation_id: FederationId
    name: str
    params: Params
    members: tuple[MemberCert, ...]
    created_ms: int


def make_genesis(name: str, params: Params, creator_cert: bytes, created_ms: int, root: keys.SigningKey) -> bytes:
    """A genesis sealed by the creator's root key."""
    body = _Body(VERSION, name, params, (creator_cert,), created_ms)
    return cose.seal(ContentType.GENESIS, cbor.encode_struct(body), root, cose.GENESIS)


def parse_genesis(raw: bytes, verify: keys.Verify = keys.verify) -> Genesis:
    """The genesis in `raw`; raises RemoteError when it is malformed or forged."""
    envelope = cose.open_as(raw, ContentType.GENESIS, cose.GENESIS, limit=MAX_GENESIS, verify=verify)
    _check_version(envelope.payload)
    body = cbor.decode_as(envelope.payload, _Body)
    members = tuple(parse_member_cert(cert, None, verify) for cert in body.members)
    if envelope.kid != members[0].body.root_key:
        raise BadSignature("a genesis that its first member did not sign")
    if not is_name(body.name):
        raise ProtocolViolation(f"a federation's name has {NAME_RULE}")
    return Genesis(raw, FederationId(sha256(raw)), body.name, body.params, members, body.created_ms)


def _check_version(payload: bytes) -> None:
    """Judged before the layout, which another version may change."""
    fields = cbor.decode(payload)
    version = fields[0] if isinstance(fields, list) and fields else None
    if version != VERSION:
        raise ProtocolViolation(
            f"a genesis of version {version}; this build reads version {VERSION}: update the older"
        )
