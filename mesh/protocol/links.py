"""Live links and the probes on them.

A link is a secured connection to a peer id that the transport has proven. It begins as a stranger's; it becomes a
member's when the chain maps the peer id to a swarm. Each period one ping goes to each member's link (at most
`pings_per_second`, round robin beyond that, so that the cost per node is constant); the pong shows that the member
lives, how far its chain is and whether its state differs, and how far its clock is from ours. `missed_probes` in a
row close the link, and the dialer starts over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.protocol.config import NodeConfig
from mesh.protocol.messages import Hello, Ping
from wire.ids import PeerId, SwarmId
from wire.time import SECOND, Instant

_CLOCK_SAMPLES = 8


@dataclass(slots=True)
class Link:
    """One link. `swarm` is None while the peer is no member."""

    peer: PeerId
    address: str
    inbound: bool
    since: Instant
    swarm: SwarmId | None = None
    hello: Hello | None = None
    greeted: bool = False
    greeted_early: bool = False  # as soon as the chain named it, before it said anything
    asked_chain: bool = False
    told: tuple[int, int] = (0, 0)  # (term, seq) of the newest batch of its own that it sent here
    early: bool = False  # it sent a batch that our clock says is from the future
    last_heard: Instant = 0
    height: int = 0
    next_ping: Instant = 0
    ping_nonce: int = 0
    ping_sent: Instant | None = None
    missed: int = 0
    rtt: int | None = None  # microseconds
    clock_offsets_ms: list[int] = field(default_factory=list)

    @property
    def established(self) -> bool:
        """Both sides have said HELLO, as members."""
        return self.hello is not None and self.swarm is not None

    @property
    def clock_offset_ms(self) -> int | None:
        """Median of the last estimates of (peer's wall clock - ours), in milliseconds."""
        samples = sorted(self.clock_offsets_ms)
        return samples[len(samples) // 2] if samples else None


class Links:
    """All live links, by peer."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._links: dict[PeerId, Link] = {}

    def __len__(self) -> int:
        return len(self._links)

    def up(self, peer: PeerId, address: str, inbound: bool, now: Instant) -> Link:
        """A link to `peer` stands."""
        link = Link(peer=peer, address=address, inbound=inbound, since=now, last_heard=now, next_ping=now)
        self._links[peer] = link
        return link

    def down(self, peer: PeerId) -> Link | None:
        """The link to `peer` is gone."""
        return self._links.pop(peer, None)

    def get(self, peer: PeerId) -> Link | None:
        return self._links.get(peer)

    def all(self) -> list[Link]:
        return list(self._links.values())

    def members(self) -> list[Link]:
        """Links on which both sides said HELLO as members, in a stable order."""
        return [link for link in self._links.values() if link.established]

    def of_swarm(self, swarm: SwarmId) -> Link | None:
        """The established link to a swarm's node, if any."""
        return next((link for link in self._links.values() if link.established and link.swarm == swarm), None)

    def strangers(self) -> list[Link]:
        return [link for link in self._links.values() if link.swarm is None]

    def unestablished(self) -> list[Link]:
        """Links on which a HELLO of a member is still missing."""
        return [link for link in self._links.values() if not link.established]

    # probing

    def due_pings(self, now: Instant) -> tuple[list[Link], list[Link]]:
        """(links to ping now, links that missed too many pings in a row)."""
        period = self.ping_period()
        due: list[Link] = []
        lost: list[Link] = []
        for link in self._links.values():
            if not link.established or now < link.next_ping:
                continue
            link.next_ping = now + period
            if link.ping_sent is not None:
                link.missed += 1
                if link.missed >= self._config.profile.missed_probes:
                    lost.append(link)
                    continue
            link.ping_nonce += 1
            link.ping_sent = now
            due.append(link)
        return due, lost

    def ping_period(self) -> int:
        """Microseconds between two pings of one link: the profile's, stretched when there are many members."""
        members = sum(1 for link in self._links.values() if link.established)
        return max(self._config.profile.probe, members * SECOND // self._config.pings_per_second)

    def pong(self, link: Link, pong: Ping, wall_ms: int, now: Instant) -> bool:
        """Book a PONG; False when it answers no ping of ours."""
        if link.ping_sent is None or pong.nonce != link.ping_nonce:
            return False
        round_trip = now - link.ping_sent
        link.rtt = round_trip if link.rtt is None else (link.rtt * 7 + round_trip) // 8
        link.clock_offsets_ms.append(pong.wall_ms - (wall_ms - round_trip // 2_000))
        del link.clock_offsets_ms[:-_CLOCK_SAMPLES]
        link.ping_sent, link.missed = None, 0
        return True

    def next_deadline(self) -> Instant | None:
        """When the next ping or the end of a stranger's patience is due."""
        deadlines = [link.next_ping for link in self._links.values() if link.established]
        deadlines += [link.since + self._config.stranger_deadline for link in self.unestablished()]
        return min(deadlines, default=None)
