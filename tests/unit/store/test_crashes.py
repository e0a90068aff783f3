"""A crash between any two calls to the disk, and in the middle of any write: nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.disk import Crash, SimulatedDisk
from mesh.storage.store import Record, Recovered, Store
from wire.rng import Rng

HOME = Path("/state")


def record(number: int) -> Record:
    return Record(1, b"%05d" % number * 20)


@dataclass
class Life:
    """A process that writes numbered records; a snapshot holds the numbers it covers."""

    disk: SimulatedDisk
    acknowledged: list[int] = field(default_factory=list)
    written: int = 0

    def live(self) -> None:
        store, recovered = Store.open(HOME, self.disk)
        self.written = 1 + max(known(recovered), default=0)
        for step in range(3):
            self.put(store, 2)
            store.save_file("book", b"peers %d" % step, durable=False)
            self.put(store, 1)
            store.compact({"all": covered(self.acknowledged), "other": b"o"})
        self.put(store, 2)
        store.close(b"clean")

    def put(self, store: Store, count: int) -> None:
        numbers = list(range(self.written, self.written + count))
        self.written += count
        store.append([record(number) for number in numbers])
        self.acknowledged += numbers


def covered(numbers: list[int]) -> bytes:
    return ",".join(map(str, sorted(set(numbers)))).encode()


def known(recovered: Recovered) -> list[int]:
    """Every number that a snapshot or a record holds."""
    snapshot = recovered.snapshots.get("all", b"")
    numbers = [int(part) for part in snapshot.split(b",") if part]
    return numbers + [int(record.body[:5]) for record in recovered.records]


SURVIVORS: dict[str, Callable[[SimulatedDisk], SimulatedDisk]] = {
    "kill": SimulatedDisk.after_kill,
    "power cut": SimulatedDisk.after_power_cut,
    "torn 1": lambda disk: disk.after_tear(Rng(1)),
    "torn 2": lambda disk: disk.after_tear(Rng(2)),
    "torn 3": lambda disk: disk.after_tear(Rng(3)),
}


def calls_of_a_life() -> int:
    disk = SimulatedDisk()
    Life(disk).live()
    return disk.calls


def crashed_lives() -> Iterator[Life]:
    """The same life, ended at each of its calls in turn."""
    for crash_at in range(calls_of_a_life()):
        life = Life(SimulatedDisk(crash_at=crash_at))
        with pytest.raises(Crash):
            life.live()
        yield life


@pytest.mark.parametrize("survivor", SURVIVORS)
def test_every_crash_point_keeps_what_was_acknowledged(survivor: str) -> None:
    points = 0
    for life in crashed_lives():
        disk = SURVIVORS[survivor](life.disk)
        _, recovered = Store.open(HOME, disk)
        numbers = known(recovered)
        assert set(life.acknowledged) <= set(numbers), life.disk.log
        assert max(numbers, default=0) <= life.written
        assert numbers[-len(recovered.records) :] == sorted(numbers[-len(recovered.records) :])
        assert recovered.damage == [], "a crash alone is never damage"
        assert not recovered.clean or len(life.acknowledged) == 11
        points += 1
    assert points > 60


@pytest.mark.parametrize("survivor", SURVIVORS)
def test_every_crash_while_opening_after_a_crash_loses_nothing(survivor: str) -> None:
    """Opening mends; a crash in the middle of mending, at each call, must not lose what the first crash kept."""
    for life in crashed_lives():
        before = SURVIVORS[survivor](life.disk)
        for crash_at in range(12):
            disk = before.after_kill()
            disk.crash_at = crash_at
            try:
                Store.open(HOME, disk)
            except Crash:
                recovered = Store.open(HOME, disk.after_power_cut())[1]
                assert set(life.acknowledged) <= set(known(recovered))


@given(st.data())
def test_a_life_of_crashes(data: st.DataObject) -> None:
    disk, acknowledged = SimulatedDisk(), list[int]()
    for _ in range(data.draw(st.integers(1, 5))):
        disk.crash_at = disk.calls + data.draw(st.integers(0, calls_of_a_life()))
        life = Life(disk, acknowledged)
        with contextlib.suppress(Crash):
            life.live()
        disk = data.draw(st.sampled_from(list(SURVIVORS.values())))(disk)
        recovered = Store.open(HOME, disk)[1]
        assert set(acknowledged) <= set(known(recovered))
        assert recovered.damage == []


def test_doubt_survives_a_crash_at_every_call_of_the_opening_that_found_it() -> None:
    """Rot is found; whatever call the process then dies at, the next opening still knows."""
    first = SimulatedDisk()
    store, _ = Store.open(HOME, first)
    store.compact({"all": b"1,2,3"})
    store.append([record(4), record(5)])
    store.close(b"clean")
    for victim in ("all.snap", "journal-00000002.log"):
        files = first.image()
        files[victim] = files[victim].replace(b"1,2,3" if victim == "all.snap" else b"00004", b"#####", 1)
        rotten = SimulatedDisk.holding(files, Rng(0))
        calls = 0
        while True:
            disk = rotten.after_kill()
            disk.crash_at = calls
            try:
                Store.open(HOME, disk)
                break
            except Crash:
                pass
            for survivor in SURVIVORS.values():
                assert Store.open(HOME, survivor(disk))[1].doubt, (victim, calls)
            calls += 1
        assert calls > 3
