"""What the signed statements of queens share: each names its federation first, and is opened in the same way."""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

from consensus.fields import Bytes32
from wire import cbor, cose, keys
from wire.errors import BadSignature, Offence
from wire.ids import PublicKey
from wire.memo import read_once
from wire.types import ContentType


class Statement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The first field of what a queen signs. The envelope is made for a federation, too; this one is for readers."""

    federation: Bytes32


StatementT = TypeVar("StatementT", bound=Statement)


@read_once
def open_statement(
    raw: bytes, content: ContentType, kind: type[StatementT], federation: bytes, limit: int, verify: keys.Verify
) -> tuple[StatementT, PublicKey]:
    """(what the envelope `raw` of at most `limit` bytes says, the key that sealed it).

    Raises:
        RemoteError: malformed, forged, or of another federation.
    """
    envelope = cose.open_as(raw, content, federation, limit=limit, verify=verify)
    body = cbor.decode_as(envelope.payload, kind)
    if body.federation != federation:
        what = content.name.lower().replace("_", "-")
        raise BadSignature(f"a statement ({what}) of another federation", Offence.FEDERATION)
    return body, envelope.kid
