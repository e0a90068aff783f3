"""Processes of the world on real nodes: crashes at any boundary, restarts, pauses, lags, and what an inbox does."""

from __future__ import annotations

import pytest

from chaos.actions import AnyAction, Crash, Lag, Left, Pause, Start, Stop, Write
from chaos.checkers import ALL, Panel
from chaos.faults import heal, perform
from chaos.process import MAX_INBOX
from chaos.scenario import Scenario
from chaos.trace import Kind
from chaos.world import SECOND, World
from mesh.protocol.commands import MemoryPut, Success
from mesh.protocol.effects import Effect
from mesh.protocol.events import InEvent, WallClock


class Watching(Panel):
    """All checkers, and how often each host handled an event and released an effect."""

    def __init__(self) -> None:
        super().__init__([checker() for checker in ALL])
        self.handled: list[tuple[int, str]] = []
        self.released: list[str] = []

    def stepped(self, world, process, event: InEvent) -> None:  # type: ignore[no-untyped-def]
        self.handled.append((world.now, process.host.name))
        super().stepped(world, process, event)

    def releasing(self, world, process, effect: Effect) -> None:  # type: ignore[no-untyped-def]
        self.released.append(process.host.name)
        super().releasing(world, process, effect)


def running(swarms: int = 2) -> tuple[World, Watching]:
    """Everyone has run for a while."""
    watching = Watching()
    world = World(Scenario(seed=1, swarms=swarms), (watching,), keep=True)
    for host in world.hosts.values():
        world.start(host)
    world.run(5 * SECOND)
    return world, watching


def states(world: World, name: str) -> list[str]:
    """What became of a host's process, in words."""
    return [
        " ".join(str(value) for value in record.values if value)
        for record in world.trace.records
        if record.kind is Kind.STATE and record.host == name
    ]


def write(world: World, size: int = 32) -> None:
    perform(world, Write(at_ms=0, host="s1", key="plan", size=size))


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_crash_strikes_at_any_call_to_the_disk_and_any_effect(steps: int) -> None:
    """Wherever it strikes in the middle of a write, the host comes back with all that was acknowledged."""
    world, watching = running()
    host = world.hosts["s1"]
    perform(world, Crash(at_ms=0, host="s1", leaves=Left.TEAR, steps=steps))
    calls, released = host.disk.calls, watching.released.count("s1")
    write(world)
    world.run(world.now + 5 * SECOND)
    assert host.process is None
    assert states(world, "s1") == ["started", "down crashed"]
    assert host.disk.calls == 0  # another disk: the one that the crash left
    assert watching.released.count("s1") - released <= steps
    assert calls > 0
    perform(world, Start(at_ms=0, host="s1"))
    world.run(world.now + 20 * SECOND)
    core = list(world.hosts.values())
    heal(world, core)
    world.run(world.now + 20 * SECOND)
    watching.ended(world, core)
    assert states(world, "s1")[-1] == "started"


def test_crashes_after_more_steps_strike_later() -> None:
    moments = []
    for steps in range(0, 60, 6):
        world, watching = running()
        perform(world, Crash(at_ms=0, host="s1", steps=steps))
        world.run(world.now + 30 * SECOND)
        moments.append(max(at for at, name in watching.handled if name == "s1"))
    assert moments == sorted(moments)
    assert len(set(moments)) > 3


def test_a_restart_storm_ends_with_one_process() -> None:
    world, watching = running()
    for _ in range(5):
        for action in (Crash(at_ms=0, host="s1", leaves=Left.TEAR), Start(at_ms=0, host="s1")):
            perform(world, action)
            world.run(world.now + SECOND // 3)
    assert states(world, "s1") == ["started", *["down crashed (tear)", "started"] * 5]
    assert world.hosts["s1"].boots == 6
    world.run(world.now + 20 * SECOND)
    watching.ended(world, list(world.hosts.values()))


def test_who_ends_in_order_tells_it_and_leaves_a_clean_mark() -> None:
    world, _ = running()
    perform(world, Stop(at_ms=0, host="s1"))
    assert states(world, "s1") == ["started", "down stopped in order"]
    world.run(world.now + SECOND)
    assert world.hosts["s2"].process is not None
    assert list(world.links.of(world.hosts["s2"])) == []


@pytest.mark.parametrize(
    "action",
    [
        Start(at_ms=0, host="s1"),
        Crash(at_ms=0, host="s2"),
        Stop(at_ms=0, host="s2"),
        Pause(at_ms=0, host="s2", for_ms=9),
        Crash(at_ms=0, host="s1'"),
        Start(at_ms=0, host="s1'"),
        Stop(at_ms=0, host="s1'"),
        Lag(at_ms=0, host="s1'", ms=9, for_ms=9),
    ],
    ids=lambda action: f"{type(action).__name__} {action.host}",
)
def test_what_makes_no_sense_does_nothing(action: AnyAction) -> None:
    """`s1` runs, `s2` is down, nobody has a twin."""
    world, _ = running()
    perform(world, Crash(at_ms=0, host="s2"))
    world.run(world.now + SECOND)
    processes = [host.process for host in world.hosts.values()]
    perform(world, action)
    assert [host.process for host in world.hosts.values()] == processes
    assert list(world.hosts) == ["s1", "s2"]
    assert all(host.lag == 0 for host in world.hosts.values())


def test_the_time_of_a_paused_process_stands_still_and_what_arrives_waits() -> None:
    world, watching = running()
    began = world.now
    perform(world, Pause(at_ms=0, host="s1", for_ms=10_000))
    process = world.hosts["s1"].process
    assert process is not None
    world.run(began + 9_990_000)
    assert [at for at, name in watching.handled if name == "s1" and at > began] == []
    assert any(at > began for at, name in watching.handled if name == "s2")
    waiting = len(process.inbox)
    assert waiting > 0
    world.run(began + 10_000_000)
    assert len([at for at, name in watching.handled if name == "s1" and at == began + 10_000_000]) >= waiting
    assert not process.inbox


def test_a_paused_process_can_be_killed_and_the_next_one_is_not_resumed() -> None:
    world, _ = running()
    perform(world, Pause(at_ms=0, host="s1", for_ms=5_000))
    perform(world, Crash(at_ms=0, host="s1"))
    perform(world, Start(at_ms=0, host="s1"))
    perform(world, Pause(at_ms=0, host="s1", for_ms=60_000))
    world.run(world.now + 10 * SECOND)
    process = world.hosts["s1"].process
    assert process is not None
    assert process.paused


def test_a_busy_machine_handles_everything_later_in_order_and_then_catches_up() -> None:
    world, _ = running()
    host = world.hosts["s1"]
    perform(world, Lag(at_ms=0, host="s1", ms=400, for_ms=3_000))
    began = world.now
    first, second = (world.ask(host, MemoryPut(key=key, value=b"1")) for key in ("a", "b"))
    world.run(began + 399_000)
    assert first not in host.replies
    assert world.run_until(lambda: second in host.replies, began + 3 * SECOND)
    assert first in host.replies
    world.run(began + 3 * SECOND)
    third = world.ask(host, MemoryPut(key="c", value=b"1"))
    world.run(world.now + SECOND // 5)
    assert isinstance(host.replies[third], Success)


def test_an_inbox_that_is_full_takes_nothing_more() -> None:
    world, _ = running(swarms=1)
    process = world.hosts["s1"].process
    assert process is not None
    perform(world, Pause(at_ms=0, host="s1", for_ms=1_000))
    for _ in range(MAX_INBOX + 10):
        process.feed(WallClock(ms=0))
    assert len(process.inbox) == MAX_INBOX
    assert world.counters["inbox_full"] == 10


def test_to_heal_is_to_end_every_fault_of_a_host() -> None:
    world, _ = running()
    first, second = world.hosts.values()
    perform(world, Pause(at_ms=0, host="s1", for_ms=600_000))
    perform(world, Lag(at_ms=0, host="s1", ms=9, for_ms=600_000))
    perform(world, Crash(at_ms=0, host="s1", steps=9))
    perform(world, Crash(at_ms=0, host="s2"))
    heal(world, [first, second])
    assert first.process is not None
    assert second.process is not None
    assert not first.process.paused
    assert (first.lag, first.process.fuse, first.disk.crash_at) == (0, None, None)
    world.run(world.now + 30 * SECOND)
    assert states(world, "s1") == ["started", "paused"]
