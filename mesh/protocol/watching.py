"""Who answers? The silence of every other voter, as this node and those whom it asks observe it.

    answers ──a probe stays unanswered for a period──► watched: some others are asked to probe it, once a period
    watched ──silent for `missed_probes` periods──► suspected: what follows is the detector's business

A member answers if its link stands and no probe of ours is unanswered, or if somebody whom we asked reports that it
answered them since (SWIM's indirect probe). So silence is counted from the first probe that stays unanswered, or from
the end of the link, however rarely a member of a large federation is probed. A member that is no neighbour is looked
at once somebody accuses it.

A node whose own loop lags is patient with others, by as much as it lags (Lifeguard, Dadgar et al. 2017): who was
stopped for a while does not take its own silence for that of all others.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesh.protocol.context import Context
from mesh.protocol.links import Link
from mesh.protocol.messages import ProbeReport, ProbeRequest
from mesh.protocol.outbox import Outbox
from wire.ids import SwarmId
from wire.time import Instant
from wire.types import Channel, MessageType

LOOKS = 4  # at all others, in a probe period
MAX_ASKERS = 64  # of one member, that wait for its answer


class Watching:
    """The silence of others, and the lag of this node itself."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._silent_since: dict[SwarmId, Instant] = {}
        self._asked_at: dict[SwarmId, Instant] = {}  # when others were asked to probe it
        self._askers: dict[SwarmId, dict[SwarmId, None]] = {}  # who waits for an answer of whom
        self._next: Instant = context.started
        self.lag = 0  # microseconds by which this node is late itself, of late

    def begin(self, now: Instant) -> None:
        """Nothing was watched until now."""
        self._silent_since, self._next, self.lag = {}, now, 0

    @property
    def next_look(self) -> Instant:
        """When to look again."""
        return self._next

    def silence(self, swarm: SwarmId, now: Instant) -> int:
        """For how long a swarm has not answered, microseconds; 0 when it does."""
        since = self._silent_since.get(swarm)
        return 0 if since is None else max(0, now - since)

    def watched(self, swarm: SwarmId, now: Instant) -> bool:
        """It has missed a probe."""
        return self.silence(swarm, now) >= self._context.config.profile.probe

    def suspected(self, swarm: SwarmId, now: Instant) -> bool:
        """It is silent for longer than an honest node in good health ever is."""
        profile = self._context.config.profile
        return self.silence(swarm, now) >= profile.probe * profile.missed_probes + self.lag

    def look(self, swarms: Iterable[SwarmId], now: Instant, out: Outbox) -> None:
        """Take note of who answers among `swarms`; the others are not watched any more."""
        self._allow_for(now - self._next)
        self._next = now + self._context.config.profile.probe // LOOKS
        before, self._silent_since = self._silent_since, {}
        for swarm in swarms:
            since = self._since(swarm, before.get(swarm), now)
            if since is not None:
                self._silent_since[swarm] = since
                if self.watched(swarm, now) and self._context.understudy() is None:
                    self._ask_others(swarm, now, out)
        self._asked_at = {swarm: at for swarm, at in self._asked_at.items() if swarm in self._silent_since}

    def heed(self, swarm: SwarmId, now: Instant) -> None:
        """Somebody says that `swarm` does not answer: probe it now."""
        link = self._context.links.of_swarm(swarm)
        if link is not None:
            self._context.links.ask(link.peer, now)
        else:
            self._silent_since.setdefault(swarm, now)

    def _allow_for(self, late: int) -> None:
        """The time in which this node did nothing is nobody else's silence."""
        late = late if late > self._context.config.profile.probe // LOOKS else 0
        self.lag = max(self.lag // 2, late)
        if late:
            self._silent_since = {swarm: since + late for swarm, since in self._silent_since.items()}

    def _since(self, swarm: SwarmId, before: Instant | None, now: Instant) -> Instant | None:
        """Since when a swarm is silent, as far as its link tells; None when it answers."""
        link = self._context.links.of_swarm(swarm)
        if link is not None:
            if link.ping_sent is None:
                return None
            return link.ping_sent if before is None else before
        if before is None and (swarm in self._context.neighbours() or swarm == self._context.me.swarm):
            return now
        return before

    # probing through others

    def _ask_others(self, swarm: SwarmId, now: Instant, out: Outbox) -> None:
        config = self._context.config
        asked = self._asked_at.get(swarm)
        if asked is not None and now < asked + config.profile.probe:
            return
        self._asked_at[swarm] = now
        able = [link for link in self._context.links.members() if link.swarm != swarm and link.ping_sent is None]
        for link in self._context.rng.sample(able, config.indirect_probes):
            out.send(link.peer, Channel.PRIORITY, MessageType.PROBE_REQUEST, ProbeRequest(swarm=swarm))

    def on_request(self, link: Link, request: ProbeRequest, now: Instant) -> None:
        """`link` does not reach a member: ping it, if we do, and remember who wants to know."""
        swarm = SwarmId(request.swarm)
        target = self._context.links.of_swarm(swarm)
        if target is None or link.swarm is None or not link.queen or target is link:
            return
        askers = self._askers.setdefault(swarm, {})
        if len(askers) < MAX_ASKERS:
            askers[link.swarm] = None
        self._context.links.ask(target.peer, now)

    def on_pong(self, link: Link, out: Outbox) -> None:
        """A member answered a ping: tell those who asked after it."""
        if not self._askers or link.swarm is None or not link.queen:
            return
        report = ProbeReport(swarm=link.swarm)
        for asker in self._askers.pop(link.swarm, ()):
            other = self._context.links.of_swarm(asker)
            if other is not None:
                out.send(other.peer, Channel.PRIORITY, MessageType.PROBE_REPORT, report)

    def on_report(self, report: ProbeReport) -> None:
        """Somebody whom we asked has reached it since we asked: its silence begins anew there."""
        swarm = SwarmId(report.swarm)
        since, asked = self._silent_since.get(swarm), self._asked_at.get(swarm)
        if since is not None and asked is not None:
            self._silent_since[swarm] = max(since, asked)
