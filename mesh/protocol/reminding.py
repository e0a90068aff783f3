"""Whoever meets a queen shows her first what it heard her say of what is still open.

    a link stands ──HEARD, before HELLO──► she knows all of it: she goes on
                                           a vote that she does not know: her disk was taken back, and she abstains
                                           a ballot that she does not know: it is hers, and she casts no other

It comes before HELLO on the same lane, since by a majority's HELLO she begins to sign.
"""

from __future__ import annotations

from consensus.bft.messages import MAX_HEARD, Heard
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.outbox import Outbox
from mesh.protocol.startup import Startup
from mesh.protocol.trace import TraceKind
from mesh.protocol.voting import Voting
from wire import cose
from wire.ids import PeerId
from wire.types import Channel, ContentType, MessageType


class Reminding:
    """The memory of others for this queen, and hers for them."""

    def __init__(self, context: Context, startup: Startup, deciding: Deciding, voting: Voting) -> None:
        self._context = context
        self._startup = startup
        self._deciding = deciding
        self._voting = voting

    def show(self, peer: PeerId, out: Outbox) -> None:
        """Tell `peer`, if it is a queen, what she said here."""
        member = self._context.chain.member_by_peer(peer)
        if member is None or not self._context.chain.governed:
            return
        said = self._deciding.replica.heard_of(member.swarm) + self._deciding.witness.of(member.swarm)
        if said:
            out.send(peer, Channel.PRIORITY, MessageType.HEARD, Heard(tuple(said[:MAX_HEARD])))

    def on_heard(self, heard: Heard, out: Outbox) -> None:
        """Somebody shows what this queen said. Raises RemoteError for what nobody said."""
        for statement in heard.statements if self._context.chain.governed else ():
            if cose.parse(statement).content_type == ContentType.BALLOT:
                self._voting.recall(statement, out)
            elif not self._deciding.replica.remembers(statement) and not self._startup.forgetful:
                self._startup.forgot()
                out.trace(TraceKind.FORGOT)
