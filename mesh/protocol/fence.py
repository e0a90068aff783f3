"""A queen that may have been replaced stops.

    a quorum answered this node's own probes within the fence ──► it speaks
    longer ago ──► a backup may speak for the swarm by now: nothing is promised to anybody, until they answer again

Only who can be replaced is fenced: a queen with backups, where the queens govern. Contact is counted from when the
probe was sent that was answered, so that an answer which was long on its way is as old as the question. An answer
from somebody whose chain is longer than ours is none: what it knows and we do not may be that we were replaced.

The backup that takes over waits a little longer than this (`Profile.guard_of`). A pause may lie between the moment in
which something is promised and the one in which it leaves; so an answer carries the time until which it may be given.
"""

from __future__ import annotations

from consensus.validators import Validator
from mesh.protocol.context import Context
from mesh.protocol.links import Link
from wire.ids import SwarmId
from wire.time import Instant


class Fence:
    """When this queen heard enough of the others, and until when that is enough."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._answered: dict[SwarmId, Instant] = {}  # of those whose link is gone
        self._until: Instant = 0
        self._epoch: int | None = None  # for which `_until` was worked out

    def lost(self, link: Link) -> None:
        """A link is gone; what was answered on it counts as before."""
        if link.queen and link.swarm is not None and link.height <= self._context.chain.height:
            self._answered[link.swarm] = max(self._answered.get(link.swarm, 0), link.answered)

    def until(self, now: Instant) -> Instant | None:
        """Until when this node speaks, as far as it knows at `now`; None for ever: nobody can replace it."""
        context = self._context
        member = context.chain.member(context.me.swarm)
        if member is None or not member.backups or not context.chain.governed:
            return None
        width = context.config.profile.fence_of(len(context.chain.members()))
        if self._epoch != context.chain.epoch or now > self._until - width // 2:  # it is asked for after every event
            self._epoch = context.chain.epoch
            self._until = self._quorum_at(now) + width
        return self._until

    def closed(self, now: Instant) -> bool:
        """A backup may have taken over."""
        until = self.until(now)
        return until is not None and now > until

    def reason(self, now: Instant) -> str:
        """Why nothing is promised now; empty when there is no such reason."""
        if not self.closed(now):
            return ""
        members = len(self._context.chain.members())
        silent_s = self._context.config.profile.fence_of(members) / 1_000_000
        return f"read-only: no quorum answered this queen for {silent_s:g} s, and a backup may have taken over"

    def _quorum_at(self, now: Instant) -> Instant:
        """When a quorum had been heard of last: the latest time since which its members have all answered."""
        voters = self._context.chain.validators()
        heard: list[SwarmId] = []
        for at, voter in sorted(((self._contact(v, now), v) for v in voters.validators), key=lambda one: -one[0]):
            heard.append(voter.swarm)
            if voters.is_quorum(heard):
                return at
        return 0

    def _contact(self, voter: Validator, now: Instant) -> Instant:
        if voter.swarm == self._context.me.swarm:
            return now
        link, before = self._context.links.of_swarm(voter.swarm), self._answered.get(voter.swarm, 0)
        if link is None or link.height > self._context.chain.height:
            return before
        return max(before, link.answered)
