"""What each action does to the world, and how a host is healed for good.

One function per action, in the table `DEEDS`. Actions that last undo themselves when their time is over. An action
that makes no sense any more (start what runs, a twin of what never ran) does nothing.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from chaos.actions import (
    Action,
    AnyAction,
    Clock,
    Crash,
    Disk,
    DiskFault,
    Lag,
    Pause,
    Remove,
    Start,
    Stop,
    Write,
)
from chaos.affairs import AFFAIRS
from chaos.disk import SimulatedDisk
from chaos.host import Host
from chaos.hostility import HOSTILITY
from chaos.scenario import hosts_of
from chaos.trace import Kind
from chaos.ways import MILLISECOND, WAYS, restore, sides
from chaos.world import World
from mesh.protocol.commands import MemoryPut, MemoryRemove

_USER: tuple[type[Action], ...] = (Write, Remove, *AFFAIRS)


def perform(world: World, action: AnyAction) -> None:
    """Let `action` happen now; hosts that do not exist (yet) are left out."""
    if not isinstance(action, _USER):
        named = sides(action) or " ".join(hosts_of(action))
        world.trace.note(world.now, "", Kind.FAULT, type(action).__name__.lower(), named)
    DEEDS[type(action)](world, action)


def heal(world: World, core: Sequence[Host]) -> None:
    """From now on nothing is wrong with these hosts, with their clocks and disks, nor with the ways between them."""
    for host in core:
        host.lag = 0
        world.rules.lies.pop(host.name, None)
        world.rules.deceivers.pop(host.name, None)
        host.clocks.mend(world.now)
        host.disk.failing.clear()
        host.disk.capacity = host.disk.crash_at = None
        if host.process is not None:
            host.process.fuse = None
        for other in core:
            if other is not host:
                restore(world, host, other)
    for host in core:
        if host.process is None:
            world.start(host)
        elif host.process.paused:
            host.process.resume()


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


DEEDS: dict[type[Action], Callable[[World, Any], None]] = {
    Crash: _crash,
    Start: _start,
    Stop: _stop,
    Pause: _pause,
    Lag: _lag,
    **WAYS,
    Disk: _disk,
    Clock: _clock,
    **HOSTILITY,
    Write: _write,
    Remove: _remove,
    **AFFAIRS,
}
