"""What each action does to the world, and how a host is healed for good.

One function per action, in the table `DEEDS`. Actions that last undo themselves when their time is over. An action
that makes no sense any more (start what runs, a twin of what never ran) does nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from chaos.actions import (
    Action,
    AnyAction,
    Clock,
    Clog,
    Crash,
    Cut,
    Disk,
    DiskFault,
    Hangup,
    Lag,
    Lie,
    Link,
    Pause,
    Remove,
    Silence,
    Start,
    Stop,
    Twin,
    Write,
)
from chaos.affairs import AFFAIRS
from chaos.disk import SimulatedDisk
from chaos.host import Host
from chaos.links import Conditions
from chaos.scenario import hosts_of
from chaos.trace import Kind
from chaos.world import World
from mesh.protocol.commands import MemoryPut, MemoryRemove

MILLISECOND = 1_000
_USER: tuple[type[Action], ...] = (Write, Remove, *AFFAIRS)

_Way = tuple[Host, Host, Conditions]  # from whom to whom, and how it is


def perform(world: World, action: AnyAction) -> None:
    """Let `action` happen now; hosts that do not exist (yet) are left out."""
    if not isinstance(action, _USER):
        named = " ".join(hosts_of(action)) if not isinstance(action, Cut | Clog | Link) else _sides(action)
        world.trace.note(world.now, "", Kind.FAULT, type(action).__name__.lower(), named)
    DEEDS[type(action)](world, action)


def heal(world: World, core: Sequence[Host]) -> None:
    """From now on nothing is wrong with these hosts, with their clocks and disks, nor with the ways between them."""
    for host in core:
        host.lag = 0
        world.rules.lies.pop(host.name, None)
        host.clocks.mend(world.now)
        host.disk.failing.clear()
        host.disk.capacity = host.disk.crash_at = None
        if host.process is not None:
            host.process.fuse = None
        for other in core:
            if other is not host:
                _restore(world, host, other)
    for host in core:
        if host.process is None:
            world.start(host)
        elif host.process.paused:
            host.process.resume()


def _restore(world: World, source: Host, target: Host) -> None:
    """The way from `source` to `target` is as good as new, whatever lay over it."""
    way = world.links.conditions(source, target)
    was_open = way.open
    _set(way, Conditions())
    way.cuts, way.clogs, way.healed = 0, 0, True
    if not was_open:
        world.links.healed(source, target)


# processes


def _crash(world: World, action: Crash) -> None:
    host = world.hosts.get(action.host)
    if host is None or host.process is None:
        return
    if action.steps:
        host.disk.crash_at = host.disk.calls + action.steps
        host.process.fuse = action.steps
        host.leaves = action.leaves
        return
    world.crashed(host, f"crashed ({action.leaves})", leaves=action.leaves)


def _start(world: World, action: Start) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        world.start(host)


def _stop(world: World, action: Stop) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        world.stop(host)


def _pause(world: World, action: Pause) -> None:
    host = world.hosts.get(action.host)
    process = host.process if host is not None else None
    if process is None or process.paused:
        return
    process.paused = True
    world.trace.note(world.now, action.host, Kind.STATE, "paused", None)

    def resume() -> None:
        if process.alive and process.paused:
            world.trace.note(world.now, action.host, Kind.STATE, "resumed", None)
            process.resume()

    world.later(action.for_ms * MILLISECOND, resume)


def _lag(world: World, action: Lag) -> None:
    host = world.hosts.get(action.host)
    if host is None:
        return
    host.lag = action.ms * MILLISECOND

    def catch_up() -> None:
        host.lag = 0
        if host.process is not None and not host.process.paused:
            host.process.resume()

    world.later(action.for_ms * MILLISECOND, catch_up)


# the network


def _cut(world: World, action: Cut) -> None:
    _close(world, _breakable(world, action.sources, action.targets, action.both), "cuts", action.for_ms)


def _clog(world: World, action: Clog) -> None:
    _close(world, _breakable(world, action.sources, action.targets, both=False), "clogs", action.for_ms)


def _close(world: World, ways: Sequence[_Way], what: Literal["cuts", "clogs"], for_ms: int) -> None:
    """Lay one more cut or clog over each of the ways; after its time a way is open if nothing else lies over it."""
    for _, _, way in ways:
        setattr(way, what, getattr(way, what) + 1)

    def lift() -> None:
        for source, target, way in ways:
            if left := getattr(way, what):
                setattr(way, what, left - 1)
                if way.open:
                    world.links.healed(source, target)

    world.later(for_ms * MILLISECOND, lift)


def _link(world: World, action: Link) -> None:
    worse = Conditions(
        delay=action.delay_ms * MILLISECOND,
        jitter=action.jitter_ms * MILLISECOND,
        bytes_per_s=action.bytes_per_s,
        loss=action.loss,
        corrupt=action.corrupt,
        duplicate=action.duplicate,
        reorder=action.reorder,
    )
    ways = _breakable(world, action.sources, action.targets, both=True)
    for _, _, way in ways:
        _set(way, worse)

    def mend() -> None:
        for _, _, way in ways:
            _set(way, Conditions())

    world.later(action.for_ms * MILLISECOND, mend)


def _set(way: Conditions, to: Conditions) -> None:
    """Give a way the qualities of another; cuts over it stay."""
    way.delay, way.jitter, way.bytes_per_s = to.delay, to.jitter, to.bytes_per_s
    way.loss, way.corrupt, way.duplicate, way.reorder = to.loss, to.corrupt, to.duplicate, to.reorder


def _hangup(world: World, action: Hangup) -> None:
    host, other = world.hosts.get(action.host), world.hosts.get(action.other)
    if host is not None and other is not None:
        world.links.hang_up(host, other)


# disks and clocks


def _disk(world: World, action: Disk) -> None:
    host = world.hosts.get(action.host)
    if host is None:
        return
    match action.fault:
        case DiskFault.FULL:
            host.disk.capacity = host.disk.used()
            world.later(action.for_ms * MILLISECOND, partial(_mend, world, host, action.fault))
        case DiskFault.FSYNC_ERROR:
            host.disk.failing["sync"] = errno.EIO
            world.later(action.for_ms * MILLISECOND, partial(_mend, world, host, action.fault))
        case DiskFault.BIT_ROT:
            rng = world.rng.split(f"rot/{action.host}/{action.at_ms}")
            host.rotten = host.disk.rot(rng) is not None or host.rotten
        case DiskFault.LOST if host.process is None:
            host.disk, host.robbed = SimulatedDisk(rng=host.disk.rng), True
        case DiskFault.ROLLBACK if host.process is None:
            host.disk, host.robbed = SimulatedDisk.holding(host.image, host.disk.rng), True
        case _:
            pass


def _mend(world: World, host: Host, fault: DiskFault) -> None:
    """Somebody made room, or changed a cable; whatever disk is in by now."""
    if fault is DiskFault.FULL:
        host.disk.capacity = None
    else:
        host.disk.failing.pop("sync", None)
    world.trace.note(world.now, host.name, Kind.DISK, "mended", fault)


def _clock(world: World, action: Clock) -> None:
    host = world.hosts.get(action.host)
    if host is None:
        return
    host.clocks.drift(world.now, action.drift_ppm)
    host.clocks.wall_offset_ms = action.skew_ms
    host.clocks.frozen_ms = None
    if action.frozen:
        host.clocks.freeze(world.now)
    if host.process is not None:
        host.process.reschedule()
    if action.for_ms is not None:
        world.later(action.for_ms * MILLISECOND, partial(_set_clock, world, host, action))


def _set_clock(world: World, host: Host, action: Clock) -> None:
    """The clock is right again, unless it is wrong in another way by now."""
    if (host.clocks.wall_offset_ms, host.clocks.drift_ppm) == (action.skew_ms, action.drift_ppm):
        host.clocks.mend(world.now)
        if host.process is not None:
            host.process.reschedule()
        world.trace.note(world.now, host.name, Kind.FAULT, "clock set", "")


# hostility


def _twin(world: World, action: Twin) -> None:
    host = world.hosts.get(action.host)
    name = f"{action.host}'"
    if host is None or name in world.hosts:
        return
    twin = world.settle_in(host.home, name)
    twin.disk = SimulatedDisk.holding(host.disk.image(), twin.disk.rng)
    twin.boots = host.boots
    twin.byzantine = host.byzantine = True
    world.start(twin)


def _silence(world: World, action: Silence) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        host.byzantine = True
        _cut(world, Cut(at_ms=0, sources=(action.host,), targets=action.towards, for_ms=action.for_ms, both=False))


def _lie(world: World, action: Lie) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        host.byzantine = True
        world.rules.lies[host.name] = action.rate

        def repent() -> None:
            world.rules.lies.pop(action.host, None)

        world.later(action.for_ms * MILLISECOND, repent)


# users


def _write(world: World, action: Write) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        text = world.rng.split(f"value/{action.key}/{action.at_ms}").bytes(max(1, action.size // 2)).hex()
        world.ask(host, MemoryPut(key=action.key, value=f'"{text}"'.encode()))


def _remove(world: World, action: Remove) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        world.ask(host, MemoryRemove(key=action.key))


def _breakable(world: World, sources: Sequence[str], targets: Sequence[str], both: bool) -> list[_Way]:
    """The ways from all sources to all targets (and back) that are not healed for good."""
    pairs = [
        (world.hosts[source], world.hosts[target])
        for source in sources
        for target in targets
        if source != target and source in world.hosts and target in world.hosts
    ]
    if both:
        pairs += [(target, source) for source, target in pairs]
    ways = [(source, target, world.links.conditions(source, target)) for source, target in pairs]
    return [way for way in ways if not way[2].healed]


def _sides(action: Cut | Clog | Link) -> str:
    one_way = isinstance(action, Clog) or (isinstance(action, Cut) and not action.both)
    arrow = "->" if one_way else "|"
    return f"{' '.join(action.sources)} {arrow} {' '.join(action.targets)}"


DEEDS: dict[type[Action], Callable[[World, Any], None]] = {
    Crash: _crash,
    Start: _start,
    Stop: _stop,
    Pause: _pause,
    Lag: _lag,
    Cut: _cut,
    Clog: _clog,
    Link: _link,
    Hangup: _hangup,
    Disk: _disk,
    Clock: _clock,
    Twin: _twin,
    Silence: _silence,
    Lie: _lie,
    Write: _write,
    Remove: _remove,
    **AFFAIRS,
}
