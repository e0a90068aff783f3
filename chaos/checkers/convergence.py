"""L3, L6: once the faults are over, the core converges: all OPERATIONAL, one chain, one state root.

Nothing is expected of a host whose log forked (a twin's, or one that forgot what it signed): others ban it; nor of
one that left the federation, or was expelled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from crdt.owner_log import Flag
from mesh.protocol.lifecycle import Lifecycle

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.world import World


def forked(hosts: Iterable[Host]) -> set[bytes]:
    """The swarms whose log somebody knows to have forked: others ban them for a while."""
    rows = (row for host in hosts if host.process for row in host.process.node.context.replica.rows())
    return {row.swarm for row in rows if row.flag is Flag.FORKED}


def expected(world: World, core: Sequence[Host]) -> list[Host]:
    """Of whom convergence is expected: of those who belong, and are not banned."""
    banned = forked(core)
    return [host for host in core if host.home.swarm not in banned and world.member(host)]


def converged(world: World, core: Sequence[Host]) -> bool:
    """All run, are OPERATIONAL, and hold the same."""
    hosts = expected(world, core)
    return all(host.process is not None and in_service(world, host) for host in hosts) and len(_held(hosts)) <= 1


class Convergence(Checker):
    """Judges the end."""

    name = "convergence"

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        if converged(world, core):
            return
        hosts = expected(world, core)
        for host in hosts:
            if host.process is None:
                yield f"{host.name} is down although nothing is wrong with it"
            elif not in_service(world, host):
                node = host.process.node
                unsigned = node.read_only_reason(host.clocks.monotonic(world.now))
                yield f"{host.name} is {node.lifecycle}: {node.lifecycle_reason()}; {unsigned or 'it may sign'}"
        held = ", ".join(f"{names} hold {what}" for what, names in sorted(_held(hosts).items()))
        yield f"the core does not hold the same: {held}"


def in_service(world: World, host: Host) -> bool:
    """OPERATIONAL, unless it has to fear that it forgot what it signed: then it reads, and waits for a new term. One
    that was replaced as queen is RECOVERING, for good."""
    assert host.process is not None
    member = world.ledger.chain.member(host.home.swarm)
    replaced = member is not None and member.peer != host.peer and member.term > 1
    wanted = (Lifecycle.OPERATIONAL, Lifecycle.RECOVERING) if replaced else (Lifecycle.OPERATIONAL,)
    return host.process.node.lifecycle in wanted or host.rotten or not host.honest


def _held(core: Sequence[Host]) -> dict[str, str]:
    """Who holds which state root and block, by the beginnings of their hashes."""
    held: dict[str, str] = {}
    for host in core:
        if host.process is not None:
            context = host.process.node.context
            what = f"{context.replica.root().hex()[:8]} at block {context.chain.head_hash.hex()[:8]}"
            held[what] = f"{held[what]} {host.name}" if what in held else host.name
    return held
