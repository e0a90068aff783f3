"""Live links and the probes on them.

A link is a secured connection to a peer id that the transport has proven. It begins as a stranger's; it becomes a
member's when the chain maps the peer id to a swarm. Each period one ping passes over each member's link (a node sends
at most `pings_per_second`; with more links the period is longer, so that the cost per node is constant). The two ends
take turns, because a ping shows as much as its pong: that the other lives, how far its chain is, whether its state
differs. So who was asked asks back a period later, and who was answered waits a quarter longer for that; where the
other's turn passes in silence, this end asks.

A ping that stays unanswered is counted as missed once a period, and repeated more and more rarely: a stream loses
nothing unless its lane is full, so one more ping would as a rule wait behind the last, and who takes longer than a
period to answer could never give the answer to the latest.

`missed_probes` in a row make a member suspected; only twice as many close its link, and the dialer starts over. To
make a link anew costs both ends a hundred times what a probe does. Where whole machines are short of time, that would
take the rest of it from those whose answers are late, and so on until nobody answers. So too a node that comes to its
pings late counts no miss: the answer may have been here for long, unread.

A link's standing changes through `Links` alone, so that nobody has to look through all links to find the few that
are in question: those established, those that are not, and a heap of pings by the time at which they are due.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import takewhile

from mesh.protocol.config import NodeConfig
from mesh.protocol.messages import Hello, Ping
from wire.ids import PeerId, SwarmId
from wire.time import Instant

CLOCK_SAMPLES = 8
_GRACE = 4  # who was answered gives the other's ping a period and such a part of it
_LONGEST_TURN = 3  # periods between two pings of ours, however often the other side asks
_REPEATED = (0, 1, 3)  # misses in a row at which the ping is sent again: 0 where the period was not the peer's
_PATIENCE = 2  # times the misses that make a member suspected
_LATE = 4  # a node that comes to a ping later than such a part of the period was away itself
_TOGETHER = 8  # pings due within such a part of a period are sent together: a node with many links wakes less often


@dataclass(slots=True)
class Link:
    """One link. `swarm` is None while the peer is no member's; `queen` tells a swarm's queen from its backups. They
    and `hello` are set by `Links`."""

    peer: PeerId
    address: str
    inbound: bool
    since: Instant
    swarm: SwarmId | None = None
    queen: bool = False
    hello: Hello | None = None
    greeted: bool = False
    greeted_at: Instant = 0
    greeted_early: bool = False  # as soon as the chain named it, before it said anything
    asked_chain: bool = False
    sought: Instant | None = None  # when it last asked after others
    told: tuple[int, int] = (0, 0)  # (term, seq) of the newest batch of its own that it sent here
    early: bool = False  # it sent a batch that our clock says is from the future
    last_heard: Instant = 0
    height: int = 0
    next_ping: Instant = 0
    last_ping: Instant = 0
    planned: int = 0  # its one valid entry in the heap of pings; 0: none, since it is not established
    ping_nonce: int = 0
    ping_sent: Instant | None = None
    answered: Instant = 0  # when the last of our messages was sent that it has answered: HELLO, then pings
    acked: Instant = 0  # when the last of our pings was sent that it has answered
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
        self._established: dict[PeerId, Link] = {}
        self._waiting: dict[PeerId, Link] = {}  # not established, by the time since when: `since` never goes back
        self._queens: dict[SwarmId, Link] = {}  # the established ones of them
        self._pings: list[tuple[Instant, int, Link]] = []  # a heap; each established link stands in it once
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._links)

    def up(self, peer: PeerId, address: str, inbound: bool, now: Instant) -> Link:
        """A link to `peer` stands."""
        self.down(peer)
        link = Link(peer=peer, address=address, inbound=inbound, since=now, last_heard=now, last_ping=now)
        period = self.ping_period()  # HELLO shows what a pong would, so the first turn is the one after
        link.next_ping = now + period + (period // _GRACE if inbound else 0)  # who dialled begins
        self._links[peer] = self._waiting[peer] = link
        return link

    def down(self, peer: PeerId) -> Link | None:
        """The link to `peer` is gone."""
        link = self._links.pop(peer, None)
        self._waiting.pop(peer, None)
        if link is not None:
            self._established.pop(peer, None)
            link.planned = 0
            self._unname(link)
        return link

    def belongs(self, link: Link, swarm: SwarmId | None, queen: bool = True) -> None:
        """The chain names `link`'s peer as `swarm`'s queen or backup, or as nobody's."""
        self._unname(link)
        link.swarm, link.queen = swarm, queen and swarm is not None
        self._sort(link)

    def heard(self, link: Link, hello: Hello) -> None:
        """The other side said HELLO."""
        link.hello = hello
        link.answered = max(link.answered, link.greeted_at if link.greeted else link.since)
        self._sort(link)

    def wait_on(self, link: Link, now: Instant) -> None:
        """Its time is up, and begins anew."""
        link.since = now
        self._waiting[link.peer] = self._waiting.pop(link.peer)

    def _unname(self, link: Link) -> None:
        if link.swarm is not None and self._queens.get(link.swarm) is link:
            del self._queens[link.swarm]

    def _sort(self, link: Link) -> None:
        """Put a link among those established, or among those that wait."""
        peer = link.peer
        if self._links.get(peer) is not link:
            return
        if link.swarm is not None and link.queen and link.established:
            self._queens[link.swarm] = link
        if link.established == (peer in self._established):
            return
        if link.established:
            self._established[peer] = self._waiting.pop(peer)
            self._plan(link)
        else:  # no member any more: it is on its way out
            link.planned = 0
            waiting = {**self._waiting, peer: self._established.pop(peer)}
            self._waiting = dict(sorted(waiting.items(), key=lambda item: item[1].since))

    def get(self, peer: PeerId) -> Link | None:
        return self._links.get(peer)

    def all(self) -> list[Link]:
        return list(self._links.values())

    def members(self) -> list[Link]:
        """Links on which both sides said HELLO as members, in a stable order."""
        return list(self._established.values())

    @property
    def established(self) -> int:
        """How many links are members' on which both sides said HELLO."""
        return len(self._established)

    def others(self, me: SwarmId) -> int:
        """How many other swarms' queens are linked; a swarm's backups are no members of their own."""
        return len(self._queens) - (me in self._queens)

    def stands(self, peer: PeerId) -> bool:
        """There is an established link to `peer`."""
        return peer in self._established

    def of_swarm(self, swarm: SwarmId) -> Link | None:
        """The established link to a swarm's queen, if any."""
        return self._queens.get(swarm)

    def strangers(self) -> list[Link]:
        return [link for link in self._waiting.values() if link.swarm is None]

    def unestablished(self) -> list[Link]:
        """Links on which a HELLO of a member is still missing, those that wait longest first."""
        return list(self._waiting.values())

    def overdue(self, now: Instant) -> list[Link]:
        """Links on which a HELLO of a member is missing for too long."""
        patience = self._config.stranger_deadline
        return list(takewhile(lambda link: now >= link.since + patience, self._waiting.values()))

    # probing

    def due_pings(self, now: Instant) -> tuple[list[Link], list[Link]]:
        """(links to ping now, links that missed too many pings in a row)."""
        period = self.ping_period()
        until = now + period // _TOGETHER
        due: list[Link] = []
        lost: list[Link] = []
        first = self._next_ping()
        if first is None or first > now:
            return due, lost
        while (at := self._next_ping()) is not None and at <= until:
            link = heapq.heappop(self._pings)[2]
            link.next_ping = max(at, now) + self._config.profile.probe  # unless an answer comes
            self._plan(link)
            if link.ping_sent is not None:
                link.missed += now - at < period // _LATE
                if link.missed >= _PATIENCE * self._config.profile.missed_probes:
                    lost.append(link)
                    continue
                if link.missed not in _REPEATED:
                    continue
            link.ping_nonce += 1
            link.ping_sent = link.last_ping = now
            due.append(link)
        return due, lost

    def ping_period(self) -> int:
        """Microseconds between two pings over one link: the profile's, or more when there are many links."""
        return self._config.profile.period_of(self.established)

    def pinged(self, link: Link, now: Instant) -> None:
        """The other side asked: the next turn is ours, unless an answer to us is still out."""
        if link.ping_sent is None:
            period = self.ping_period()
            turn = min(now + period, link.last_ping + _LONGEST_TURN * period)
            link.next_ping = max(link.next_ping, turn)

    def ask(self, peer: PeerId, now: Instant) -> None:
        """Ping `peer` next, unless its answer to us is still out."""
        link = self._established.get(peer)
        if link is not None and link.ping_sent is None and link.next_ping > now:
            link.next_ping = now
            self._plan(link)

    def pong(self, link: Link, pong: Ping, wall_ms: int, now: Instant) -> bool:
        """Book a PONG; False when it answers no ping of ours."""
        if link.ping_sent is None or pong.nonce != link.ping_nonce:
            return False
        link.answered = link.acked = link.ping_sent
        round_trip = now - link.ping_sent
        link.rtt = round_trip if link.rtt is None else (link.rtt * 7 + round_trip) // 8
        link.clock_offsets_ms.append(pong.wall_ms - (wall_ms - round_trip // 2_000))
        del link.clock_offsets_ms[:-CLOCK_SAMPLES]
        link.ping_sent, link.missed = None, 0
        period = self.ping_period()
        link.next_ping = max(link.next_ping, link.last_ping + period + period // _GRACE)
        return True

    def next_deadline(self) -> Instant | None:
        """When the next ping or the end of a stranger's patience is due."""
        ping = self._next_ping()
        if not self._waiting:
            return ping
        patience = next(iter(self._waiting.values())).since + self._config.stranger_deadline
        return patience if ping is None else min(ping, patience)

    def _plan(self, link: Link) -> None:
        self._numbers += 1
        link.planned = self._numbers
        heapq.heappush(self._pings, (link.next_ping, link.planned, link))

    def _next_ping(self) -> Instant | None:
        """When the next ping is due; on the way links that went meanwhile leave the heap, and those whose turn was
        put off move."""
        while self._pings:
            at, number, link = self._pings[0]
            if number != link.planned:
                heapq.heappop(self._pings)
            elif link.next_ping != at:
                heapq.heappop(self._pings)
                self._plan(link)
            else:
                return at
        return None
