"""What a process reads may be in the kernel alone: after a sync that failed, and after a kill between write and sync.

Whoever builds on what was read must have it on the platter first, or a power cut takes the ground from under it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.disk import Crash, SimulatedDisk
from mesh.storage.store import Doubt, Record, Recovered, Store
from wire.errors import StoreError

HOME = Path("/state")
A, B, C = Record(1, b"alpha"), Record(2, b"beta" * 100), Record(3, b"gamma")

CALLS: dict[str, Callable[[Store], None]] = {
    "append": lambda store: store.append([B]),
    "save_file": lambda store: store.save_file("s", b"new"),
    "compact": lambda store: store.compact({"s": b"new", "t": b"new"}),
    "close": lambda store: store.close(b"head 7"),
}


def begun() -> SimulatedDisk:
    """A disk on which a store was made, used and closed in order."""
    disk = SimulatedDisk()
    store, _ = Store.open(HOME, disk)
    store.compact({"s": b"old"})
    store.append([A])
    store.close(b"head 6")
    return disk


def built_on(disk: SimulatedDisk) -> tuple[Recovered, Recovered]:
    """What the next process on `disk` finds, and what is left of that and its own record C by a power cut."""
    store, found = Store.open(HOME, disk)
    store.append([C])
    return found, Store.open(HOME, disk.after_power_cut())[1]


@pytest.mark.parametrize("failing", ["sync", "sync_directory"])
@pytest.mark.parametrize("call", CALLS)
def test_what_is_found_after_a_sync_that_failed_is_as_safe_as_what_is_built_on_it(call: str, failing: str) -> None:
    disk = begun()
    store, _ = Store.open(HOME, disk)
    disk.failing[failing] = errno.EIO
    try:
        CALLS[call](store)
        assert failing == "sync_directory", "nothing was refused"
        assert call in ("append", "close"), "nothing was refused"
    except StoreError:
        pass
    disk.failing.clear()
    found, left = built_on(disk.after_kill())
    assert found.records[:1] == [A] or found.snapshots == {"s": b"new", "t": b"new"}
    assert left.records == [*found.records, C]
    assert left.snapshots == found.snapshots
    assert (left.damage, left.doubt) == ([], Doubt.NONE)


def test_a_record_whose_sync_failed_may_be_found_and_is_then_kept() -> None:
    disk = begun()
    store, _ = Store.open(HOME, disk)
    disk.failing["sync"] = errno.EIO
    with pytest.raises(StoreError):
        store.append([B])
    assert Store.open(HOME, disk.after_power_cut())[1].records == [A]
    disk.failing.clear()
    found, left = built_on(disk.after_kill())
    assert found.records == [A, B]
    assert left.records == [A, B, C]


def test_a_store_whose_making_failed_is_made_anew() -> None:
    disk = SimulatedDisk(failing={"sync_directory": errno.EIO})
    with pytest.raises(StoreError):
        Store.create(HOME, disk)
    disk.failing.clear()
    found, left = built_on(disk.after_kill())
    assert (found.records, left.records, left.doubt) == ([], [C], Doubt.NONE)


def calls_of_a_life(disk: SimulatedDisk) -> int:
    store, _ = Store.open(HOME, disk)
    for call in CALLS.values():
        call(store)
    return disk.calls


def test_what_is_found_after_a_kill_at_any_call_is_as_safe_as_what_is_built_on_it() -> None:
    first = begun().calls
    for crash_at in range(first, calls_of_a_life(begun())):
        disk = begun()
        disk.crash_at = crash_at
        with pytest.raises(Crash):
            calls_of_a_life(disk)
        found, left = built_on(disk.after_kill())
        assert left.records == [*found.records, C], crash_at
        assert left.snapshots == found.snapshots, crash_at
        assert left.damage == []


def test_to_open_after_an_end_in_order_writes_next_to_nothing() -> None:
    disk = begun()
    disk.log = []
    store, _ = Store.open(HOME, disk)
    assert disk.log == ["sync_directory", "open_new", "write", "sync"]
    disk.log.clear()
    store.close(None)
    assert disk.log == ["remove"]


def test_after_a_power_cut_all_that_can_be_read_is_safe_whatever_the_mark_says() -> None:
    disk = begun()
    store, _ = Store.open(HOME, disk)
    store.append([B])
    found, left = built_on(disk.after_power_cut())
    assert found.records == [A, B]
    assert left.records == [A, B, C]
