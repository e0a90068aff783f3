"""What actions do to the ways between hosts: cuts, full queues, bad links, connections that break.

Cuts and clogs lie over a way one above the other, and each is lifted after its time. A way that was healed for good
(`restore`) is left alone from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from chaos.actions import Action, AnyAction, Clog, Cut, Hangup, Link
from chaos.host import Host
from chaos.links import Conditions
from chaos.world import World

MILLISECOND = 1_000

_Way = tuple[Host, Host, Conditions]  # from whom to whom, and how it is


def restore(world: World, source: Host, target: Host) -> None:
    """The way from `source` to `target` is as good as new, whatever lay over it."""
    way = world.links.conditions(source, target)
    was_open = way.open
    _set(way, Conditions())
    way.cuts, way.clogs, way.healed = 0, 0, True
    if not was_open:
        world.links.healed(source, target)


def cut(world: World, action: Cut) -> None:
    """Nothing passes from its sources to its targets, for its time."""
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


def sides(action: AnyAction) -> str:
    """From whom to whom an action goes, for people; empty for one that is about no ways."""
    if not isinstance(action, Cut | Clog | Link):
        return ""
    one_way = isinstance(action, Clog) or (isinstance(action, Cut) and not action.both)
    arrow = "->" if one_way else "|"
    return f"{' '.join(action.sources)} {arrow} {' '.join(action.targets)}"


WAYS: dict[type[Action], Callable[[World, Any], None]] = {Cut: cut, Clog: _clog, Link: _link, Hangup: _hangup}
