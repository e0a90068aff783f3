"""From the creator's rule to the queens': who is ready says so, and the creator hands over.

    member, ACTIVE: SUPPORT, sealed by its queen ──► creator: GOVERN on the chain, once every active member is ready,
                                                     or after a while a quorum of them
                                                 ──► others: for a TAKEOVER, where the creator is lost

A federation of one governs itself from its first moment, so that most never see this: it is for those that were
founded before queens could decide, and for those whose nodes are not all of a version that can. Who was not ready
learns again, and has its weight back as soon as it proves to be alive. A node whose operator holds back
(`govern = false`) gives no support and hands nothing over: so all are updated first.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.blocks import GovernTx, SupportStatement, encode_tx, support
from consensus.membership import MemberState
from mesh.protocol.context import Context
from mesh.protocol.links import Link
from mesh.protocol.outbox import Outbox
from mesh.protocol.reach import await_creator
from wire import cbor, cose
from wire.errors import BadSignature, ProtocolViolation
from wire.ids import PublicKey, SwarmId
from wire.time import Instant
from wire.types import KIB, Channel, ContentType, MessageType

_LIMIT = 1 * KIB


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the creator still governs, and what would mend that: for people."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Support:
    """Who says that it is ready: `raw` is sealed by `key`, which claims to be its swarm's queen in `term`."""

    term: int
    key: PublicKey
    raw: bytes


_HELD_BACK = Wait(
    "this node holds the handover back", "once all nodes are updated, set `govern = true` in config.toml and restart"
)
_SOON = Wait("this node is about to hand over", "where `read-only` stands in `zenmesh status`, mend that first")
_READY = "start their nodes, updated and without `govern = false`"


class Handover:
    """Support given, support collected."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._supports: dict[SwarmId, _Support] = {}
        self._patience: Instant | None = None
        self._signing = False

    def allow(self, signing: bool, out: Outbox) -> None:
        """This node may sign, or not. Links may have been established before it could."""
        before, self._signing = self._signing, signing
        if signing and not before:
            self.chain_grew(out)

    def established(self, link: Link, out: Outbox) -> None:
        """Tell a member that we are ready."""
        if self._signing and self._ready() and link.queen:
            out.send(link.peer, Channel.MESH, MessageType.SUPPORT, self._own())

    def chain_grew(self, out: Outbox) -> None:
        """We may have got our weight just now."""
        for link in self._context.links.members():
            self.established(link, out)

    def supports(self) -> dict[SwarmId, bytes]:
        """Our own, and those of others in reach, by which they could take over from the creator now."""
        links = self._context.links
        mine = {self._context.me.swarm: self._own()} if self._signing and self._ready() else {}
        ready = [swarm for swarm in self._others() if self._supported(swarm) and links.of_swarm(swarm) is not None]
        return mine | {swarm: self._supports[swarm].raw for swarm in ready}

    def on_support(self, link: Link, raw: bytes) -> None:
        """A queen is ready; raises RemoteError when it did not say so itself. In a term of which this chain does not
        know yet it may be: that shows when the support is used."""
        context = self._context
        envelope = cose.open_as(raw, ContentType.SUPPORT, context.federation, limit=_LIMIT, verify=context.verify)
        said = cbor.decode_as(envelope.payload, SupportStatement)
        member = context.chain.member(link.swarm) if link.swarm else None
        if member is None or (said.federation, said.swarm) != (context.federation, member.swarm):
            raise ProtocolViolation("a support of another swarm than the sender's, or of another federation")
        if said.term == member.term and envelope.kid != member.queen_key:
            raise BadSignature("a support that the sender's queen did not sign")
        self._supports[member.swarm] = _Support(said.term, envelope.kid, raw)

    def due(self, now: Instant) -> bytes | None:
        """The transaction that hands over, when it is time: for the creator to order."""
        context = self._context
        chain = context.chain
        if chain.governed or not context.config.govern or chain.creator.swarm != context.me.swarm:
            return None
        active = self._others()
        ready = [swarm for swarm in active if self._supported(swarm)]
        if len(ready) < len(active):
            if self._patience is None:
                self._patience = now + context.config.govern_patience
            voters = chain.state.membership.validators(chain.epoch)
            if now < self._patience or not voters.is_quorum([context.me.swarm, *ready]):
                return None
        return encode_tx(GovernTx(tuple(self._supports[swarm].raw for swarm in ready)))

    def wait(self) -> Wait | None:
        """What the handover waits for, as far as this node knows; None once the queens govern."""
        context = self._context
        chain, creator = context.chain, context.chain.creator
        if chain.governed:
            return None
        if not context.config.govern:
            return _HELD_BACK
        if creator.swarm == context.me.swarm:
            late = ", ".join(sorted(context.name_of(one) for one in self._others() if not self._supported(one)))
            return Wait(f"waiting for {late} to be ready", _READY) if late else _SOON
        if context.links.of_swarm(creator.swarm) is None:
            return Wait(f"waiting for {creator.name} to hand over, which is out of reach", await_creator(context))
        return Wait(f"waiting for {creator.name} to hand over", "`zenmesh status` there says what it waits for")

    def next_deadline(self, now: Instant) -> Instant | None:
        """When the patience with the last ones ends; after that, whoever gets ready is noticed as it says so."""
        waits = self._patience is not None and self._patience > now and not self._context.chain.governed
        return self._patience if waits else None

    def _others(self) -> list[SwarmId]:
        """Everyone else who has a vote."""
        context = self._context
        active = (member.swarm for member in context.chain.members() if member.state is MemberState.ACTIVE)
        return [swarm for swarm in active if swarm != context.me.swarm]

    def _supported(self, swarm: SwarmId) -> bool:
        """This member's present queen is ready: what one of an earlier term said is void."""
        member, given = self._context.chain.member(swarm), self._supports.get(swarm)
        if member is None or given is None:
            return False
        return (given.term, given.key) == (member.term, member.queen_key)

    def _own(self) -> bytes:
        context = self._context
        return support(context.federation, context.me.swarm, context.me.term, context.me.queen_key)

    def _ready(self) -> bool:
        """Of the creator nobody needs to know that."""
        chain, me = self._context.chain, self._context.me
        if not self._context.config.govern or chain.governed or chain.creator.swarm == me.swarm:
            return False
        member = chain.member(me.swarm)
        return member is not None and member.state is MemberState.ACTIVE
