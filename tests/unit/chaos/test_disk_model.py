"""Disks and clocks, and what actions do to them: what a crash leaves, what rots, fills up, fails, is lost, drifts."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from chaos.actions import Clock, Disk, DiskFault, Left
from chaos.clocks import WALL_START_MS, Clocks
from chaos.disk import Crash, SimulatedDisk
from chaos.faults import heal, perform
from chaos.host import Host
from chaos.world import SECOND, World
from tests.support.quiet_world import quiet
from wire.rng import Rng

LOG = Path("log")


def dice(count: int = 1_000) -> list[Rng]:
    return [Rng(seed) for seed in range(count)]


def halfway() -> SimulatedDisk:
    """A log with `synced` on the platter and `-and-more` in the kernel; a file whose name is not on the platter."""
    disk = SimulatedDisk.holding({"log": b""}, Rng(1))
    handle = disk.open_append(LOG)
    disk.write(handle, b"synced")
    disk.sync(handle)
    disk.write(handle, b"-and-more")
    new = disk.open_new(Path("new"))
    disk.write(new, b"whole")
    disk.sync(new)
    return disk


def test_a_kill_loses_nothing() -> None:
    assert halfway().after(Left.KILL, Rng(0)).image() == {"log": b"synced-and-more", "new": b"whole"}


def test_what_was_not_synced_before_a_kill_is_not_safer_after_it() -> None:
    disk = halfway().after_kill()
    assert disk.volatile() == ["log", "new"]
    assert disk.after_power_cut().image() == {"log": b"synced"}
    disk.sync(disk.open_append(LOG))
    disk.sync_directory(LOG)
    assert disk.volatile() == []
    assert disk.after_power_cut().image() == disk.image() == {"log": b"synced-and-more", "new": b"whole"}


def test_a_process_that_is_killed_leaves_its_disk_as_it_was() -> None:
    before = halfway()
    after = before.after_kill()
    after.write(after.open_append(LOG), b"!")
    assert before.image()["log"] == b"synced-and-more"


def failed(call: str) -> SimulatedDisk:
    """Halfway, and then a sync failed."""
    disk = halfway()
    disk.failing[call] = errno.EIO
    with pytest.raises(OSError, match="injected"):
        disk.sync(disk.open_append(LOG)) if call == "sync" else disk.sync_directory(LOG)
    disk.failing.clear()
    return disk


def test_a_sync_that_failed_leaves_pages_that_are_read_and_never_written() -> None:
    disk = failed("sync")
    handle = disk.open_append(LOG)
    disk.sync(handle)
    assert disk.image()["log"] == b"synced-and-more"
    assert disk.after_power_cut().image()["log"] == b"synced"
    disk.write(handle, b"+behind")
    assert disk.after_power_cut().image()["log"] == b"synced"
    disk.sync(handle)
    assert disk.volatile() == ["log", "new"]
    assert disk.after_power_cut().image()["log"] == b"synced" + bytes(len(b"-and-more")) + b"+behind"
    assert disk.after_kill().image()["log"] == b"synced-and-more+behind"


def test_a_tear_leaves_a_hole_before_what_it_keeps_behind_forgotten_pages() -> None:
    disk = failed("sync")
    disk.write(disk.open_append(LOG), b"+")
    tails = {disk.after_tear(rng).image()["log"] for rng in dice()}
    hole = b"synced" + bytes(len(b"-and-more"))
    assert b"synced" in tails
    assert all(tail.startswith(hole) and len(tail) == len(hole) + 1 for tail in tails - {b"synced"})
    assert hole + b"+" in tails


def test_a_directory_whose_sync_failed_forgets_the_names_until_they_are_given_again() -> None:
    disk = failed("sync_directory")
    disk.sync_directory(LOG)
    assert disk.volatile() == ["log", "new"]
    assert list(disk.after_power_cut().image()) == ["log"]
    disk.rename(Path("new"), Path("newer"))
    disk.rename(Path("newer"), Path("new"))
    disk.sync_directory(LOG)
    assert disk.after_power_cut().image()["new"] == b"whole"


def test_names_are_not_synced_with_the_directory_above() -> None:
    disk = halfway()
    disk.make_directory(Path("/disk/state"))
    disk.sync_directory(Path("/disk"))
    assert list(disk.after_power_cut().image()) == ["log"]
    disk.sync_directory(Path("/disk/state"))
    assert list(disk.after_power_cut().image()) == ["log", "new"]


def test_a_power_cut_leaves_what_was_synced() -> None:
    assert halfway().after(Left.POWER_CUT, Rng(0)).image() == {"log": b"synced"}


def test_a_file_survives_once_its_directory_is_synced_with_what_of_it_was() -> None:
    disk = halfway()
    disk.sync_directory(LOG)
    disk.rename(Path("new"), Path("newer"))
    assert disk.after_power_cut().image() == {"log": b"synced", "new": b"whole"}


def test_a_file_that_was_emptied_comes_back_until_the_new_one_is_synced() -> None:
    disk = SimulatedDisk.holding({"log": b"old"}, Rng(1))
    handle = disk.open_new(LOG)
    disk.write(handle, b"new")
    assert disk.after_power_cut().image() == {"log": b"old"}
    assert {disk.after_tear(rng).image()["log"] for rng in dice()} == {b"old"}
    disk.sync(handle)
    assert disk.after_power_cut().image() == {"log": b"new"}


def test_a_tear_leaves_a_part_of_each_append_perhaps_with_noise_behind_it() -> None:
    tails, names = set(), set()
    for rng in dice():
        image = halfway().after(Left.TEAR, rng).image()
        names.add(tuple(sorted(image)))
        assert image["log"].startswith(b"synced")
        tails.add(image["log"][6:])
    assert names == {("log",), ("log", "new")}
    assert max(map(len, tails)) <= len(b"-and-more")
    whole = {tail for tail in tails if b"-and-more".startswith(tail)}
    assert {b"", b"-", b"-and-mor"} <= whole
    assert tails - whole  # garbage


@pytest.mark.parametrize("call", range(4))
def test_a_crash_strikes_at_the_call_with_its_number_and_a_write_is_half_done(call: int) -> None:
    disk = SimulatedDisk.holding({"log": b""}, Rng(1))
    disk.crash_at = call
    handle = disk.open_append(LOG)
    with pytest.raises(Crash):
        for _ in range(2):
            disk.write(handle, b"1234")
            disk.sync(handle)
    assert disk.calls == call
    assert disk.image()["log"] == [b"12", b"1234", b"123412", b"12341234"][call]
    assert disk.after_power_cut().image()["log"] == [b"", b"", b"1234", b"1234"][call]


def test_a_full_disk_takes_what_fits() -> None:
    disk = SimulatedDisk.holding({"log": b"1234"}, Rng(1))
    disk.capacity = 6
    handle = disk.open_append(LOG)
    with pytest.raises(OSError) as refused:
        disk.write(handle, b"5678")
    assert refused.value.errno == errno.ENOSPC
    assert disk.image()["log"] == b"123456"
    assert disk.used() == 6


def test_rot_flips_one_bit_on_the_platter_too() -> None:
    for rng in dice(20):
        disk = SimulatedDisk.holding({"log": b"12345678", "none": b""}, Rng(1))
        assert disk.rot(rng) == "log"
        rotten = disk.after_power_cut().image()["log"]
        assert sum((a ^ b).bit_count() for a, b in zip(rotten, b"12345678", strict=True)) == 1
    assert SimulatedDisk().rot(Rng(1)) is None


def test_rot_strikes_what_the_kernel_alone_has_too() -> None:
    for rng in dice(20):
        disk = SimulatedDisk()
        disk.write(disk.open_new(LOG), b"12345678")
        assert disk.rot(rng) == "log"
        assert disk.image()["log"] != b"12345678"
        assert disk.after_power_cut().image() == {}


# actions on disks


def hit(world: World, fault: DiskFault, for_ms: int = 5_000) -> Host:
    perform(world, Disk(at_ms=0, host="s1", fault=fault, for_ms=for_ms))
    return world.hosts["s1"]


def append(host: Host) -> None:
    name = host.disk.names(Path())[0]
    handle = host.disk.open_append(Path(name))
    host.disk.write(handle, b"more")
    host.disk.sync(handle)


@pytest.mark.parametrize(
    ("fault", "number"), [(DiskFault.FULL, errno.ENOSPC), (DiskFault.FSYNC_ERROR, errno.EIO)], ids=str
)
@pytest.mark.parametrize("healed", [False, True], ids=["it passes", "it is healed"])
def test_a_disk_fails_for_a_while(fault: DiskFault, number: int, healed: bool) -> None:
    world = quiet(2)
    host = hit(world, fault)
    with pytest.raises(OSError) as refused:
        append(host)
    assert refused.value.errno == number
    if healed:
        heal(world, [host])
    else:
        world.run(5 * SECOND)
    append(host)
    assert host.honest


def test_a_disk_that_fails_still_fails_after_a_crash() -> None:
    world = quiet(1)
    host = hit(world, DiskFault.FSYNC_ERROR)
    world.crashed(host, "power", Left.POWER_CUT)
    with pytest.raises(OSError, match="injected"):
        append(host)


def test_bits_rot_under_a_running_process() -> None:
    world = quiet(1)
    before = world.hosts["s1"].disk.image()
    host = hit(world, DiskFault.BIT_ROT)
    assert host.rotten
    assert host.honest
    assert host.disk.image() != before


@pytest.mark.parametrize("fault", [DiskFault.LOST, DiskFault.ROLLBACK])
def test_only_a_host_that_is_down_is_robbed(fault: DiskFault) -> None:
    world = quiet(1)
    host = world.hosts["s1"]
    host.image = {"log": b"at the last start"}
    before = host.disk.image()
    hit(world, fault)
    assert host.honest
    assert host.disk.image() == before
    host.process = None
    hit(world, fault)
    assert not host.honest
    assert host.disk.image() == ({} if fault is DiskFault.LOST else host.image)


def test_what_a_rollback_brings_back_is_what_was_there_at_the_last_start() -> None:
    world = World(quiet(1).scenario)
    host = world.hosts["s1"]
    before = host.disk.image()
    world.start(host)
    world.run(2 * SECOND)
    world.stop(host)
    assert host.disk.image() != before
    hit(world, DiskFault.ROLLBACK)
    assert host.disk.image() == before


# clocks


def test_a_right_clock_says_true_time() -> None:
    clocks = Clocks()
    assert clocks.wall_ms(5_000_000) == WALL_START_MS + 5_000
    assert clocks.monotonic(5_000_000) - clocks.monotonic(0) == 5_000_000


@pytest.mark.parametrize("ppm", [10_000, -10_000, 0])
def test_drift_changes_the_speed_from_now_on(ppm: int) -> None:
    clocks = Clocks()
    before = clocks.monotonic(10 * SECOND)
    clocks.drift(10 * SECOND, ppm)
    assert clocks.monotonic(10 * SECOND) == before
    assert clocks.monotonic(20 * SECOND) - before == 10 * (SECOND + ppm)
    assert clocks.wall_ms(20 * SECOND) - clocks.wall_ms(10 * SECOND) == 10_000 + ppm // 100


@pytest.mark.parametrize("ppm", [10_000, -10_000, 333_333])
def test_a_timer_falls_due_at_the_first_true_time_that_has_reached_it(ppm: int) -> None:
    clocks = Clocks()
    clocks.drift(SECOND, ppm)
    for instant in range(clocks.monotonic(SECOND), clocks.monotonic(SECOND) + 50):
        at = clocks.true_time_of(instant)
        assert clocks.monotonic(at) >= instant > clocks.monotonic(at - 1)


def test_a_wall_clock_is_off_jumps_and_stands_still_while_timers_go_on() -> None:
    world = quiet(2)
    for host in world.hosts.values():
        host.process = None
    clocks, other = world.hosts["s1"].clocks, world.hosts["s2"].clocks
    world.run(10 * SECOND)
    perform(world, Clock(at_ms=0, host="s1", skew_ms=-7_000, frozen=True))
    assert clocks.wall_ms(world.now) == WALL_START_MS + 3_000
    assert clocks.wall_ms(99 * SECOND) == WALL_START_MS + 3_000
    assert clocks.monotonic(99 * SECOND) == other.monotonic(99 * SECOND)
    world.run(20 * SECOND)
    perform(world, Clock(at_ms=0, host="s1", skew_ms=2_000))
    assert clocks.wall_ms(world.now) == WALL_START_MS + 22_000


def test_a_mended_clock_is_right_and_never_went_back() -> None:
    world = quiet(1)
    world.hosts["s1"].process = None
    clocks = world.hosts["s1"].clocks
    perform(world, Clock(at_ms=0, host="s1", skew_ms=-7_000, drift_ppm=10_000, frozen=True))
    world.run(10 * SECOND)
    before = clocks.monotonic(world.now)
    clocks.mend(world.now)
    assert clocks.wall_ms(world.now) == WALL_START_MS + 10_000
    assert clocks.wall_ms(20 * SECOND) == WALL_START_MS + 20_000
    assert clocks.monotonic(world.now) == before


@pytest.mark.parametrize(
    ("then", "right"),
    [
        pytest.param([], True, id="alone"),
        pytest.param([Clock(at_ms=0, host="s1", skew_ms=9_000)], False, id="wrong in another way by then"),
    ],
)
def test_a_clock_is_set_when_its_time_is_up(then: list[Clock], right: bool) -> None:
    world = quiet(1)
    world.hosts["s1"].process = None
    clocks = world.hosts["s1"].clocks
    perform(world, Clock(at_ms=0, host="s1", skew_ms=-7_000, for_ms=5_000))
    for action in then:
        perform(world, action)
    world.run(4 * SECOND)
    assert clocks.wall_ms(world.now) != WALL_START_MS + 4_000
    world.run(6 * SECOND)
    assert (clocks.wall_ms(world.now) == WALL_START_MS + 6_000) is right
