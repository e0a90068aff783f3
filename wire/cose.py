"""COSE_Sign1 envelopes (RFC 9052 §4.2) with EdDSA: how every signed statement travels and is kept.

An envelope is `18([protected, {}, payload, signature])` with protected header {1 (alg): -8 (EdDSA), 3 (content type),
4 (kid): the signer's 32-byte Ed25519 public key}. The signature covers the Sig_structure
`["Signature1", protected, external_aad, payload]`, where external_aad names the federation, so that nothing signed
for one federation means anything in another. Received bytes are verified and hashed as received, never re-encoded.

    raw = seal("application/zenmesh.batch+cbor;v=1", payload, queen_key, federation)
    envelope = parse(raw)
    check(envelope, federation)          # the kid's signature is authentic; whether the kid may speak is membership
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

import cbor2

from wire import cbor, keys
from wire.errors import BadSignature, DecodeError, Offence
from wire.ids import KEY_SIZE, SIGNATURE_SIZE, PublicKey
from wire.memo import read_once

GENESIS = b""  # stands for the federation id while there is none: in the genesis itself and its certificates

_AAD = b"zenmesh/1\0"
_GENESIS_AAD = _AAD + b"genesis"
_TAG_SIGN1 = b"\xd2"  # CBOR tag 18
_SIGNATURE1 = b"\x84\x6aSignature1"  # how a Sig_structure begins: an array of four, a text of ten bytes
_EDDSA = -8
_ALG, _CONTENT_TYPE, _KID = 1, 3, 4
_HEADERS = 1024  # protected headers: each key signs a few kinds of statements


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope; authentic only once `check` returned."""

    raw: bytes
    content_type: str
    kid: PublicKey
    payload: bytes
    protected: bytes
    signature: bytes


def seal(content_type: str, payload: bytes, key: keys.SigningKey, federation: bytes) -> bytes:
    """`payload` signed by `key` for `federation` (32 bytes, or `GENESIS`), as COSE_Sign1 bytes."""
    signature = sign(content_type, payload, key, federation)
    return _TAG_SIGN1 + cbor.encode([_protected(content_type, key.public), {}, payload, signature])


def sign(content_type: str, payload: bytes, key: keys.SigningKey, federation: bytes) -> bytes:
    """The signature (64 bytes) of the envelope that `seal` makes of the same."""
    return key.sign(_signed_bytes(_protected(content_type, key.public), payload, federation))


@read_once
def parse(raw: bytes, limit: int = cbor.DEFAULT_LIMIT) -> Envelope:
    """The envelope in `raw`, unverified.

    Raises:
        DecodeError: not exactly the structure above, in deterministic form.
    """
    if not raw.startswith(_TAG_SIGN1):
        raise DecodeError("not a COSE_Sign1 (CBOR tag 18)")
    match cbor.decode(raw[1:], limit):
        case [bytes() as protected, dict() as unprotected, bytes() as payload, bytes() as signature]:
            pass
        case _:
            raise DecodeError("not a COSE_Sign1 array")
    if unprotected or len(signature) != SIGNATURE_SIZE:
        raise DecodeError("COSE_Sign1 with an unprotected header or a signature that is not 64 bytes")
    content_type, kid = _read_protected(protected)
    return Envelope(raw, content_type, kid, payload, protected, signature)


def check(envelope: Envelope, federation: bytes, verify: keys.Verify = keys.verify) -> None:
    """Raises BadSignature unless the envelope was signed by its kid for `federation` (or `GENESIS`)."""
    check_signature(envelope.content_type, envelope.payload, envelope.kid, envelope.signature, federation, verify)


def check_signature(
    content_type: str,
    payload: bytes,
    kid: PublicKey,
    signature: bytes,
    federation: bytes,
    verify: keys.Verify = keys.verify,
) -> None:
    """The same of an envelope in its parts: votes and certificates hold signatures alone."""
    if not verify(kid, _signed_bytes(_protected(content_type, kid), payload, federation), signature):
        raise BadSignature(f"bad signature on {content_type} for this federation")


@read_once
def open_as(
    raw: bytes, content_type: str, federation: bytes, *, limit: int, verify: keys.Verify = keys.verify
) -> Envelope:
    """Parse, require `content_type`, and verify; raises DecodeError or BadSignature."""
    envelope = parse(raw, limit)
    if envelope.content_type != content_type:
        raise DecodeError(f"{envelope.content_type} where {content_type} belongs", Offence.PROTOCOL)
    check(envelope, federation, verify)
    return envelope


def reassemble(content_type: str, payload: bytes, kid: PublicKey, signature: bytes) -> Envelope:
    """The envelope that `kid` would have sealed, from its parts."""
    protected = _protected(content_type, kid)
    raw = _TAG_SIGN1 + cbor.encode([protected, {}, payload, signature])
    return Envelope(raw, content_type, kid, payload, protected, signature)


@lru_cache(maxsize=_HEADERS)
def _protected(content_type: str, kid: PublicKey) -> bytes:
    header = {_ALG: _EDDSA, _CONTENT_TYPE: str(content_type), _KID: bytes(kid)}
    return bytes(cbor2.dumps(header, canonical=True))


def _signed_bytes(protected: bytes, payload: bytes, federation: bytes) -> bytes:
    aad = _AAD + federation if federation else _GENESIS_AAD
    parts = [_SIGNATURE1]
    for field in (protected, aad, payload):
        parts += (cbor.head(2, len(field)), field)
    return b"".join(parts)


def _no_tag(*_args: object) -> NoReturn:
    raise DecodeError("a CBOR tag in a protected header")


def _read_protected(protected: bytes) -> tuple[str, PublicKey]:
    """(content type, kid) of a protected header: integer keys, so outside `wire.cbor`'s text-keyed maps."""
    if len(protected) > 256:
        raise DecodeError("protected header over 256 bytes", Offence.OVERSIZE)
    try:
        header: Any = cbor2.loads(
            protected,
            tag_hook=_no_tag,
            semantic_decoders=cbor.REFUSED_TAGS,
            max_depth=2,
            allow_indefinite=False,
        )
        content_type, kid = header[_CONTENT_TYPE], header[_KID]
    except Exception as error:  # cbor2's own; whatever comes of asking something else than such a map
        raise DecodeError(f"protected header is not a CBOR map with content type and kid: {error!r}") from error
    if type(content_type) is not str or type(kid) is not bytes or len(kid) != KEY_SIZE:
        raise DecodeError("protected header with a content type or a kid of another type")
    if protected != _protected(content_type, PublicKey(kid)):  # keys and numbers that only compare equal fail too
        raise DecodeError("protected header is not {alg: EdDSA, content type, kid} in deterministic form")
    return content_type, PublicKey(kid)
