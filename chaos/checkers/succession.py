"""L4: a queen that is gone for good is fenced, and her successor is ACTIVE, within the time that the profile states.

Judged once all is healed and a quorum of the weight is in the core, for each swarm whose queen is down and not in
it, while a backup is. The time runs from when they are connected to each other: all of them run, are in service and
linked, and no block is from the future by their clocks. What views take that failed before, or that cannot be led by
whoever is not in the core either, comes on top (`patience`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from chaos.checkers.base import Checker
from chaos.checkers.convergence import expected, in_service
from chaos.checkers.patience import Patience
from consensus.certificates import Backup
from consensus.membership import MemberState
from mesh.protocol.config import ProfileName
from mesh.protocol.effects import Persist
from mesh.protocol.events import InEvent
from wire.ids import SwarmId
from wire.time import SECOND

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World


class Within(NamedTuple):
    """Microseconds from the end of a queen to her fence, and to when her successor is ACTIVE."""

    fenced: int
    active: int


# In the slow profile a silent queen is suspected after 90 to 120 s, and the guard of her successor takes 95 s.
WITHIN: dict[ProfileName, Within] = {
    ProfileName.LAN: Within(12 * SECOND, 20 * SECOND),
    ProfileName.WAN: Within(60 * SECOND, 130 * SECOND),
    ProfileName.SPEC: Within(150 * SECOND, 260 * SECOND),
}


class Vacancy(NamedTuple):
    """A swarm without a queen who may promise; `fenced`: another one follows her, who has to wait a little."""

    swarm: SwarmId
    name: str
    fenced: bool


def awaited(world: World, core: Sequence[Host]) -> list[Vacancy]:
    """Whom somebody in the core has to follow, or follows; none where the core cannot decide it."""
    found: dict[SwarmId, Vacancy] = {}
    for host in core if world.scenario.backups and world.quorate(core) else ():
        member = world.ledger.chain.member(host.home.swarm)
        if member is None or host.process is None or not host.honest or host.rotten:
            continue
        queens = world.instances(member.peer)  # a twin of hers that runs answers for her
        gone = all(queen.process is None and queen not in core for queen in queens)
        if gone and member.queen_key != host.home.queen.public and _heir(host, member.backups):
            if member.state in (MemberState.ACTIVE, MemberState.SUSPENDED, MemberState.TAKING_OVER):
                found[member.swarm] = Vacancy(member.swarm, member.name, fenced=False)
        elif host in queens and member.state is MemberState.TAKING_OVER:
            found[member.swarm] = Vacancy(member.swarm, member.name, fenced=True)
    return list(found.values())


def _heir(host: Host, backups: Sequence[Backup]) -> bool:
    """It may take over, by its key."""
    return any(backup.key == host.home.queen.public for backup in backups)


class Succession(Checker):
    """Remembers since when each swarm waits for a queen, and how much more than usual that may take."""

    name = "succession"
    councils = True
    every = 16

    def __init__(self) -> None:
        self._patience = Patience()
        self._since: dict[SwarmId, tuple[int, int]] = {}

    def persisted(self, world: World, process: Process, record: Persist) -> Iterator[str]:
        self._patience.kept(process, record)
        return iter(())

    def stepped(self, world: World, process: Process, event: InEvent) -> Iterator[str]:
        return self._judge(world, world.core) if world.core and world.scenario.backups else iter(())

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        return self._judge(world, core)

    def _judge(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        vacancies = awaited(world, core)
        connected = bool(vacancies) and _connected(world, core)
        waiting = {vacancy.swarm for vacancy in vacancies} if connected else set()
        self._since = {swarm: since for swarm, since in self._since.items() if swarm in waiting}
        for vacancy in vacancies if connected else ():
            fresh = world.now, self._patience.more(world, core, len(vacancies))
            since, more = self._since.setdefault(vacancy.swarm, fresh)
            bound = WITHIN[world.scenario.profile]
            limit = bound.active if vacancy.fenced else bound.fenced
            if world.now > since + limit + more:
                what = "her successor is not ACTIVE" if vacancy.fenced else "nobody took over for her"
                waited = (world.now - since) / SECOND
                yield f"the queen of {vacancy.name} is gone, and after {waited:.1f} s {what}"


def _connected(world: World, core: Sequence[Host]) -> bool:
    """All of them run, are in service, hear each other, and take no block for one from the future."""
    hosts = expected(world, core)
    serve = all(host.process is not None and in_service(world, host) for host in hosts)
    head_ms = world.ledger.chain.time_ms
    now = all(host.clocks.wall_ms(world.now) >= head_ms for host in hosts)
    return serve and now and all(world.links.linked(*pair) for pair in combinations(hosts, 2))
