"""What a user means by `join`: a way in, read and checked before anything is sent or kept."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.tickets import Ticket, parse_ticket
from mesh.protocol.commands import Join
from wire.errors import UsageError
from wire.ids import FederationId

P2P = "/p2p/"


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinIntent:
    """What the user asked for; kept in the home until it came true."""

    ticket: Ticket | None = None
    federation: FederationId | None = None
    peer: str | None = None  # a member's multiaddr with its /p2p/ part
    lan: bool = False


def parse_intent(operation: Join) -> JoinIntent:
    """What a `Join` command means.

    Raises:
        UsageError: it names no way in, or the ticket or the address cannot be read.
    """
    if not (operation.ticket or operation.peer or operation.lan):
        raise UsageError("name a way in: a ticket, --peer MULTIADDR, or --lan")
    if operation.peer and not all(operation.peer.rpartition(P2P)):
        raise UsageError(f"{operation.peer!r} does not end with /p2p/PEER_ID: take an address from `zenmesh status`")
    return JoinIntent(
        ticket=parse_ticket(operation.ticket) if operation.ticket else None,
        federation=FederationId(bytes.fromhex(operation.federation)) if operation.federation else None,
        peer=operation.peer,
        lan=operation.lan,
    )
