"""The scrub finds rot while the node still runs, and nothing else."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest

from chaos.disk import SimulatedDisk
from mesh.storage.files import Damage
from mesh.storage.journal import Record
from mesh.storage.scrub import PIECE
from mesh.storage.store import Store
from tests.support.store import flip_file

BIG = random.Random(7).randbytes(2 * PIECE + 100)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened, _ = Store.open(tmp_path)
    opened.compact({"big": BIG, "edge": bytes(PIECE - 32), "empty": b""})
    opened.save_file("book", b"peers", durable=False)
    opened.append([Record(1, b"one" * 10), Record(1, b"two" * 10), Record(1, b"end" * 10)])
    return opened


def findings(store: Store) -> list[Damage]:
    return [finding for finding in store.scrub() if finding is not None]


def test_a_sound_store_has_no_findings_and_rests_between_pieces(store: Store) -> None:
    steps = list(store.scrub())
    assert set(steps) == {None}
    assert len(steps) >= 7


@pytest.mark.parametrize(
    ("file", "offset"),
    [("big.snap", 0), ("big.snap", PIECE + 5), ("big.snap", len(BIG) + 10), ("empty.snap", 22), ("book.cache", 25)],
)
def test_rot_in_a_sealed_file_is_named(store: Store, tmp_path: Path, file: str, offset: int) -> None:
    flip_file(tmp_path / file, offset, 8)
    assert [damage.path for damage in findings(store)] == [str(tmp_path / file)]


@pytest.mark.parametrize("what", [b"zm-jrnl", b"two", b"end"], ids=["header", "middle", "last"])
def test_rot_in_the_journal_is_named(store: Store, tmp_path: Path, what: bytes) -> None:
    path = tmp_path / "journal-00000002.log"
    offset = path.read_bytes().index(what)
    flip_file(path, offset, 8)
    (damage,) = findings(store)
    assert damage.path == str(path)
    assert damage.offset <= offset


def test_a_shortened_journal_is_named(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "journal-00000002.log"
    path.write_bytes(path.read_bytes()[:-5])
    assert "bad or missing" in findings(store)[-1].detail


def test_writes_during_a_pass_are_no_damage(store: Store) -> None:
    passes = store.scrub()
    next(passes)
    store.append([Record(1, b"more")])
    store.compact({"big": BIG[::-1]})
    store.save_file("empty", b"no longer")
    assert set(passes) == {None}


def test_compacting_mends_what_was_found(store: Store, tmp_path: Path) -> None:
    flip_file(tmp_path / "big.snap", PIECE, 1)
    flip_file(tmp_path / "journal-00000002.log", 70, 1)
    assert len(findings(store)) == 2
    store.compact({"big": BIG})
    assert findings(store) == []


def test_an_unreadable_file_is_named() -> None:
    disk = SimulatedDisk()
    store, _ = Store.open(Path("/state"), disk)
    store.save_file("a", b"1")
    disk.failing["read_at"] = errno.EIO
    assert ["cannot be read" in damage.detail for damage in findings(store)] == [True, True]
