"""Certificates end: who says so to the federation, and who is warned beforehand.

    30 days before    `status` and `members` warn, with the command that mends it
    not_after         nothing happens by itself: clocks differ, and only the time of a block counts
    10 s later        every validator submits EXPIRE, all of them the same bytes; ordered, the vote is gone
    RENEW             by the root key, before or after: the vote stays, or is back

A federation whose others could not decide alone keeps the vote: the chain refuses the EXPIRE, and whoever has a vote
asks again now and then, until the certificate was renewed or enough others have come.
"""

from __future__ import annotations

from consensus.blocks import ExpireTx, encode_tx
from consensus.membership import VOTING, Member
from consensus.succession import CLOCKS_APART_MS
from mesh.protocol.context import Context
from wire.time import Instant

DAY_MS = 24 * 3600 * 1000
WARNING_MS = 30 * DAY_MS


class Expiry:
    """Finds the votes whose certificates have ended."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read_at = -1  # the chain's height at which `_ends` was read; it is asked for after every event
        self._ends: list[tuple[int, bytes]] = []  # when each has surely ended, and what says so; ascending
        self._asked: dict[bytes, Instant] = {}  # when it was handed in last

    def due(self, now: Instant) -> list[bytes]:
        """The transactions that say so, for each vote whose time is up; again after a while, not at every call."""
        found = [tx for at, tx in self._due(now) if at <= now]
        self._asked.update(dict.fromkeys(found, now))
        return found

    def next_deadline(self, now: Instant) -> Instant | None:
        """When the next certificate has surely ended; right after `now` where one has, and it was not said yet; None
        where no queen votes."""
        soonest = min((at for at, _ in self._due(now)), default=None)
        return None if soonest is None else max(soonest, now + 1)

    def _due(self, now: Instant) -> list[tuple[Instant, bytes]]:
        """When each transaction is to be handed in: those that could be by now, and the next one."""
        chain = self._context.chain
        if chain.height != self._read_at:
            self._read_at = chain.height
            votes = [member for member in chain.members() if member.state in VOTING] if chain.governed else []
            self._ends = sorted(map(_end_of, votes))
            known = {tx for _, tx in self._ends}
            self._asked = {tx: at for tx, at in self._asked.items() if tx in known}
        found: list[tuple[Instant, bytes]] = []
        for end_ms, tx in self._ends:
            left_ms = end_ms - self._context.wall_ms(now)
            asked = self._asked.get(tx)
            again = now if asked is None else asked + self._context.config.accuse_again
            found.append((max(now + left_ms * 1_000, again), tx))
            if left_ms > 0:
                break
        return found


def _end_of(member: Member) -> tuple[int, bytes]:
    return member.not_after_ms + CLOCKS_APART_MS, encode_tx(ExpireTx(member.swarm, member.not_after_ms))


def warnings(context: Context, now: Instant) -> list[str]:
    """Sentences about certificates that end within 30 days or have ended, this swarm's first."""
    wall_ms = context.wall_ms(now)
    mine: list[str] = []
    others: list[str] = []
    for member in context.chain.members():
        own = member.swarm == context.me.swarm
        said = mine if own else others
        if (when := _when(member.not_after_ms, wall_ms)) is not None:
            command = "`zenmesh renew` with the root key"
            who = "this swarm" if own else member.name
            said.append(f"the certificate of {who} {when}: {command if own else f'its operator runs {command}'}")
        for backup in member.backups if own else ():
            if (when := _when(backup.not_after_ms, wall_ms)) is not None:
                mine.append(f"the backup {backup.peer} {when}: `zenmesh backup add` names it anew")
    return mine + others


def _when(not_after_ms: int, wall_ms: int) -> str | None:
    """How soon something ends, for a warning; None while there is time."""
    left_ms = not_after_ms - wall_ms
    if left_ms > WARNING_MS:
        return None
    return "has ended" if left_ms <= 0 else f"ends in {-(-left_ms // DAY_MS)} day(s)"
