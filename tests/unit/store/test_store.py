"""The store: what comes back after order, kill, power cut, full disk and rot."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.disk import Crash, SimulatedDisk
from mesh.storage.store import Doubt, Record, Recovered, Store
from tests.support.store import flip_file
from wire.errors import DiskFull, StoreError

HOME = Path("/state")
A, B, C = Record(1, b"alpha"), Record(2, b"beta" * 100), Record(3, b"")


def reopen(path: Path) -> Recovered:
    store, recovered = Store.open(path)
    store.close(None)
    return recovered


def journal(path: Path) -> Path:
    (segment,) = path.glob("journal-*.log")
    return segment


def test_records_come_back_in_order(tmp_path: Path) -> None:
    store, recovered = Store.open(tmp_path / "state")
    assert (recovered.records, recovered.snapshots, recovered.doubt) == ([], {}, False)
    store.append([A, B])
    store.append([C])
    store.close(None)
    again = reopen(tmp_path / "state")
    assert again.records == [A, B, C]
    assert (again.clean, again.cut, again.damage, again.doubt) == (False, False, [], False)


def test_files_are_private(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path / "state")
    store.save_file("owner/1", b"x")
    store.close(None)
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "state").iterdir()} == {0o600}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_one_append_is_one_write_and_one_fsync() -> None:
    disk = SimulatedDisk(log=[])
    store, _ = Store.open(HOME, disk)
    disk.log.clear()
    store.append([A, B, C])
    assert disk.log == ["write", "sync"]


def test_the_clean_marker_counts_once(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.close(b"head 7")
    store, first = Store.open(tmp_path)
    assert (first.clean, first.clean_body, first.records) == (True, b"head 7", [A])
    store.close(None)
    second = reopen(tmp_path)
    assert (second.clean, second.clean_body, second.records) == (False, None, [A])


def test_a_clean_marker_with_anything_behind_it_is_not_believed(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.close(b"head 7")
    with journal(tmp_path).open("ab") as file:
        file.write(b"half a rec")
    recovered = reopen(tmp_path)
    assert (recovered.clean, recovered.clean_body, recovered.cut) == (False, None, True)
    assert reopen(tmp_path).cut, "doubt stays"


def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.close(b"")
    with pytest.raises(StoreError, match="closed"):
        store.append([A])
    with pytest.raises(StoreError, match="closed"):
        store.close(b"")


def test_compaction_starts_a_new_journal(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.compact({"owner/alpha": b"state of alpha", "chain": b""})
    assert store.journal_bytes == journal(tmp_path).stat().st_size
    store.append([B])
    store.save_file("late", b"1")
    store.close(b"")
    recovered = reopen(tmp_path)
    assert recovered.records == [B]
    assert recovered.snapshots == {"owner/alpha": b"state of alpha", "chain": b"", "late": b"1"}
    assert recovered.clean


@pytest.mark.parametrize("name", ["a/b", "..", ".", "ü", "a b", "%41", "x\ny", "A" * 100], ids=repr)
def test_any_name_is_a_safe_file_name(tmp_path: Path, name: str) -> None:
    store, _ = Store.open(tmp_path)
    store.save_file(name, b"data")
    store.compact({})
    store.close(None)
    recovered = reopen(tmp_path)
    assert recovered.snapshots == {name: b"data"}
    assert not recovered.doubt


@pytest.mark.parametrize("name", ["", "x" * 300], ids=["empty", "long"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    store, _ = Store.open(tmp_path)
    with pytest.raises(ValueError, match="cannot name a file"):
        store.save_file(name, b"")


def test_a_torn_tail_is_cut_and_reported(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.append([B])
    store.close(None)
    raw = journal(tmp_path).read_bytes()
    journal(tmp_path).write_bytes(raw[:-1])
    recovered = reopen(tmp_path)
    assert (recovered.records, recovered.cut, recovered.damage) == ([A], True, [])


def test_a_rotten_last_record_is_cut(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A, B])
    store.close(None)
    flip_file(journal(tmp_path), journal(tmp_path).stat().st_size - 1, 1)
    recovered = reopen(tmp_path)
    assert (recovered.records, recovered.cut, recovered.damage) == ([A], True, [])


def test_damage_in_the_middle_is_named_and_the_rest_returned(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A, B, C])
    store.close(None)
    path = journal(tmp_path)
    offset = path.read_bytes().index(b"beta")
    flip_file(path, offset, 4)
    before = path.read_bytes()
    recovered = reopen(tmp_path)
    assert recovered.records == [A, C]
    assert not recovered.cut
    (damage,) = recovered.damage
    assert damage.path == str(path)
    assert damage.offset < offset
    assert "1 record lost" in damage.detail
    assert path.with_name(path.name + ".damaged").read_bytes() == before


def test_doubt_outlives_restarts_and_clean_shutdowns_until_settled(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A, B, C])
    store.close(None)
    flip_file(journal(tmp_path), journal(tmp_path).read_bytes().index(b"beta"), 4)
    store, first = Store.open(tmp_path)
    assert first.doubt
    store.close(b"I know nothing")
    store, second = Store.open(tmp_path)
    assert (second.records, second.damage) == ([A, C], [])
    assert (second.clean, second.cut, second.doubt) == (False, True, Doubt.DAMAGE)
    store.compact({"all": b""})
    store.close(b"")
    store, third = Store.open(tmp_path)
    assert (third.clean, third.cut, third.doubt) == (False, True, Doubt.DAMAGE)
    store.settle()
    assert not store.doubt
    store.close(b"sure")
    fourth = reopen(tmp_path)
    assert (fourth.clean, fourth.cut, fourth.doubt, fourth.damage) == (True, False, False, [])


def test_a_damaged_snapshot_is_named_kept_and_left_out(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.compact({"alpha": b"a" * 50, "beta": b"b" * 50})
    store.close(b"")
    flip_file(tmp_path / "alpha.snap", 40, 1)
    recovered = reopen(tmp_path)
    assert recovered.snapshots == {"beta": b"b" * 50}
    assert [damage.path for damage in recovered.damage] == [str(tmp_path / "alpha.snap")]
    assert (tmp_path / "alpha.snap.damaged").exists()
    assert recovered.doubt


@pytest.mark.parametrize("swap", [False, True], ids=["deleted", "swapped"])
def test_a_missing_or_misplaced_snapshot_is_named(tmp_path: Path, swap: bool) -> None:
    store, _ = Store.open(tmp_path)
    store.compact({"alpha": b"a", "beta": b"b"})
    store.close(b"")
    if swap:
        (tmp_path / "beta.snap").replace(tmp_path / "alpha.snap")
    else:
        (tmp_path / "alpha.snap").unlink()
    recovered = reopen(tmp_path)
    assert "alpha" not in recovered.snapshots
    assert str(tmp_path / "alpha.snap") in [damage.path for damage in recovered.damage]
    assert recovered.doubt
    store, _ = Store.open(tmp_path)
    store.settle()
    store.close(None)
    assert not reopen(tmp_path).doubt


def test_damage_to_a_cache_raises_no_doubt(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.save_file("book", b"peers", durable=False)
    store.close(b"")
    flip_file(tmp_path / "book.cache", 30, 1)
    recovered = reopen(tmp_path)
    assert len(recovered.damage) == 1
    assert (recovered.snapshots, recovered.clean, recovered.doubt) == ({}, True, False)


@pytest.mark.parametrize("expected", [False, True], ids=["with snapshots", "known to exist"])
def test_a_missing_journal_is_damage(tmp_path: Path, expected: bool) -> None:
    Store.create(tmp_path)
    store, created = Store.open(tmp_path, expected=True)
    assert not created.doubt
    if not expected:
        store.compact({"alpha": b""})
    store.close(b"")
    journal(tmp_path).unlink()
    store, recovered = Store.open(tmp_path, expected=expected)
    store.close(None)
    assert [damage.detail for damage in recovered.damage] == ["the journal is missing"]
    assert recovered.doubt


def test_a_journal_without_any_header_loses_all_and_says_so(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.close(b"")
    flip_file(journal(tmp_path), 3, 1)
    flip_file(journal(tmp_path), 33, 1)
    recovered = reopen(tmp_path)
    assert (recovered.records, recovered.clean, recovered.doubt) == ([], False, Doubt.DAMAGE)
    assert "none of its records" in recovered.damage[-1].detail


def test_one_bad_header_loses_nothing(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A])
    store.close(b"")
    flip_file(journal(tmp_path), 12, 1)
    recovered = reopen(tmp_path)
    assert (recovered.records, recovered.clean, len(recovered.damage)) == ([A], True, 1)


FAILURES: dict[str, Callable[[SimulatedDisk], None]] = {
    "fsync error": lambda disk: disk.failing.update(sync=errno.EIO),
    "write error": lambda disk: disk.failing.update(write=errno.EIO),
    "disk full": lambda disk: setattr(disk, "capacity", disk.used() + 10),
    "quota": lambda disk: disk.failing.update(write=errno.EDQUOT),
}
CALLS: dict[str, Callable[[Store], None]] = {
    "append": lambda store: store.append([B]),
    "save_file": lambda store: store.save_file("s", b"x" * 100),
    "compact": lambda store: store.compact({"s": b"x" * 100}),
    "close": lambda store: store.close(b"x" * 100),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_write_poisons_the_store(failure: str, call: str) -> None:
    disk = SimulatedDisk()
    store, _ = Store.open(HOME, disk)
    store.append([A])
    FAILURES[failure](disk)
    with pytest.raises(DiskFull if failure in ("disk full", "quota") else StoreError) as caught:
        CALLS[call](store)
    assert str(HOME) in caught.value.path
    disk.failing, disk.capacity = {}, None
    for later in CALLS.values():
        with pytest.raises(StoreError):
            later(store)
    for survivor in (disk.after_kill(), disk.after_power_cut()):
        recovered = Store.open(HOME, survivor)[1]
        assert recovered.records[:1] == [A]
        assert not recovered.clean or call == "close"  # a marker whose fsync failed may be there, and is true


def test_a_disk_that_takes_no_write_is_found_on_opening() -> None:
    disk = SimulatedDisk(failing={"write": errno.EROFS})
    with pytest.raises(StoreError):
        Store.open(HOME, disk)


def test_the_store_keeps_its_own_kinds(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    with pytest.raises(AssertionError):
        store.append([Record(0xF1, b"forged")])


def test_an_interrupted_call_poisons_too() -> None:
    disk = SimulatedDisk()
    store, _ = Store.open(HOME, disk)
    disk.crash_at = disk.calls
    with pytest.raises(Crash):
        store.append([A])
    disk.crash_at = None
    with pytest.raises(StoreError, match="interrupted"):
        store.append([A])


def test_a_write_that_was_torn_is_known_for_one_until_something_rots(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A, B])
    store.close(None)
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    store, torn = Store.open(tmp_path)
    assert (torn.doubt, torn.torn) == (Doubt.TAIL, True)
    store.compact({})
    store.close(None)
    store, again = Store.open(tmp_path)
    assert (again.doubt, again.torn) == (Doubt.TAIL, True)
    store.append([C])
    store.close(None)
    path = journal(tmp_path)
    flip_file(path, len(path.read_bytes()) - 1, 1)
    for _ in range(2):
        store, rotten = Store.open(tmp_path)
        assert (rotten.doubt, rotten.torn) == (Doubt.TAIL, False)
        store.close(None)
    store, _ = Store.open(tmp_path)
    store.settle()
    store.close(None)
    store, settled = Store.open(tmp_path)
    assert (settled.doubt, settled.torn) == (Doubt.NONE, False)
    store.close(None)


def test_a_torn_tail_is_the_lesser_doubt_until_there_is_damage(tmp_path: Path) -> None:
    store, _ = Store.open(tmp_path)
    store.append([A, B])
    store.close(None)
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    store, torn = Store.open(tmp_path)
    assert torn.doubt is Doubt.TAIL
    store.close(b"")
    store, again = Store.open(tmp_path)
    assert (again.doubt, again.cut, again.damage) == (Doubt.TAIL, True, [])
    store.append([C])
    store.close(None)
    flip_file(path, path.read_bytes().index(b"alpha"), 1)
    store, harmed = Store.open(tmp_path)
    assert harmed.doubt is Doubt.DAMAGE
    store.settle()
    store.close(None)
    store, settled = Store.open(tmp_path)
    assert settled.doubt is Doubt.NONE
    store.close(None)
