"""Asking after members that cannot be reached: SEEK names them, each DISCOVERY that is news comes back.

Whoever starts, joins or moved tells each new link where it is itself (`mesh.protocol.announcing`). What it lacks of
others it asks for: as long as some member has no address or could not be dialled, one random link is asked each probe
period, and a new link at once. A question says how new the announcement is that the asker holds, so the answer to a
node that merely waits for a partition to end is empty. In a federation at rest nobody asks anything; a newcomer with
one link knows all after one answer. (Telling every new link of everyone is n³ messages when n nodes start.) In a
large federation the members that a node has addresses of may not be its neighbours: with few links it calls on any.
Who has no link at all calls on whoever its book names: a home whose disk was lost knows its founder alone, and if it
was replaced meanwhile nobody looks for it.
"""

from __future__ import annotations

from mesh.protocol.announcing import Announcing
from mesh.protocol.context import Context
from mesh.protocol.events import PeerFound
from mesh.protocol.links import Link
from mesh.protocol.messages import MAX_SOUGHT, Seek, Sought
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from wire.ids import PeerId, SwarmId
from wire.time import Instant
from wire.types import Channel, MessageType


class Seeking:
    """Asks others where members are, and answers."""

    def __init__(self, context: Context, announcing: Announcing) -> None:
        self._context = context
        self._announcing = announcing
        self._next: Instant = context.started
        self._last: Instant | None = None

    def met(self, link: Link, now: Instant, out: Outbox) -> None:
        """A new link stands: it may know those whom nobody asked so far knew."""
        if self._last is None or now >= self._last + self._context.config.seek_pause:
            self._ask(link, now, out)

    def tick(self, now: Instant, out: Outbox) -> None:
        """Ask somebody, while there is something to ask."""
        if now < self._next:
            return
        self._next = now + self._context.config.profile.probe
        context = self._context
        if self._lost():
            context.dialer.visit(context.dialer.unwanted(now), out)
        if not context.dialer.missing:
            return
        links = context.links.members()
        if links:
            self._ask(context.rng.choice(links), now, out)
        if len(links) < min(context.config.few_links, len(context.neighbours())):
            context.dialer.visit((PeerId(member.peer) for member in context.chain.members()), out)

    def next_deadline(self) -> Instant | None:
        """When to ask next; None while nobody is missing."""
        return self._next if self._context.dialer.missing or self._lost() else None

    def _lost(self) -> bool:
        """No member is linked, and the book names peers that the chain held here does not."""
        context = self._context
        return not context.links.established and any(context.dialer.unwanted(None))

    def found(self, found: PeerFound, now: Instant, out: Outbox) -> None:
        """Discovery names a peer: its addresses are news if it is a member, or says that it belongs here."""
        context, peer = self._context, found.peer
        ours = found.attributes.get("zm.fed", "") == context.federation.hex()
        if context.swarm_of(peer) is None and not ours and found.source == "mdns":
            context.counters["foreign_peers_ignored"] += 1
            return
        if context.dialer.learn(peer, found.addresses, found.source, now):
            addresses = ", ".join(found.addresses)
            out.trace(TraceKind.PEER_FOUND, source=found.source, peer=peer, addresses=addresses)

    def on_seek(self, link: Link, seek: Seek, now: Instant, out: Outbox) -> None:
        """Answer with what is newer than what the asker holds, a link's questions at a steady pace at most."""
        if link.sought is not None and now < link.sought + self._context.config.seek_pause // 2:
            self._context.counters["seeks_too_often"] += 1
            return
        link.sought = now
        for sought in seek.members:
            known = self._announcing.announcements.get(SwarmId(sought.swarm))
            if known is not None and known.body.timestamp_ms > sought.timestamp_ms:
                out.send(link.peer, Channel.MESH, MessageType.DISCOVERY, known.raw)

    def _ask(self, link: Link, now: Instant, out: Outbox) -> None:
        context = self._context
        lost = [swarm for swarm in map(context.swarm_of, context.dialer.lost_track()) if swarm is not None]
        if not lost:
            return
        self._last = now
        asked = context.rng.sample(lost, MAX_SOUGHT) if len(lost) > MAX_SOUGHT else lost
        seek = Seek(members=tuple(Sought(swarm=swarm, timestamp_ms=self._known(swarm)) for swarm in asked))
        out.send(link.peer, Channel.MESH, MessageType.SEEK, seek)

    def _known(self, swarm: SwarmId) -> int:
        """The timestamp of the latest announcement held; 0 without one."""
        known = self._announcing.announcements.get(swarm)
        return 0 if known is None else known.body.timestamp_ms
