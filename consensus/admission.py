"""What a stranger and a member say to each other: JOIN_REQUEST and JOIN_RESPONSE.

A joiner without a ticket does not know whose door it stands at: its first request carries nothing and asks who the
member is; the answer brings the genesis, and the next request a certificate made for that federation.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from consensus.fields import Bytes32, Natural, Sealed


class JoinStatus(IntEnum):
    """The answer to a join request."""

    ACCEPTED = 0
    PENDING = 1
    REJECTED = 2
    WRONG_FEDERATION = 3


class JoinRequest(Struct, frozen=True, array_like=True):
    """[federation, grant of the ticket, member certificate, join sealed by the ticket key]; None where not there."""

    federation: Bytes32 | None
    grant: Sealed | None
    certificate: Sealed | None
    join: Sealed | None


class JoinResponse(Struct, frozen=True, array_like=True):
    """[status, sentence, genesis, height, when to ask again, members' multiaddrs with /p2p/]."""

    status: JoinStatus
    reason: Annotated[str, Meta(max_length=512)]
    genesis: Annotated[bytes, Meta(max_length=32 * 1024)] | None
    height: Natural
    retry_after_ms: Natural
    addresses: Annotated[tuple[str, ...], Meta(max_length=32)]
