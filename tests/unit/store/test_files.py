"""Sealed files and atomic replacement."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.disk import Crash, SimulatedDisk
from mesh.storage.files import disk_errors, file_name, name_of, remove_temporaries, replace_file, seal, unseal
from tests.support.store import flip
from wire.errors import DiskFull, StoreError


@given(st.text(min_size=1, max_size=20), st.binary(max_size=100))
def test_sealing_round_trips(name: str, data: bytes) -> None:
    assert unseal(name, b"".join(seal(name, data))) == data


@given(st.binary(max_size=60), st.data())
def test_any_flip_of_a_sealed_file_is_noticed(content: bytes, data: st.DataObject) -> None:
    raw = b"".join(seal("name", content))
    place, mask = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="checksum"):
        unseal("name", flip(raw, place, mask))


@given(st.binary(max_size=60), st.data())
def test_any_truncation_of_a_sealed_file_is_noticed(content: bytes, data: st.DataObject) -> None:
    raw = b"".join(seal("name", content))
    with pytest.raises(ValueError, match=r"checksum|too few"):
        unseal("name", raw[: data.draw(st.integers(0, len(raw) - 1))])


def test_a_sealed_file_belongs_to_its_name() -> None:
    with pytest.raises(ValueError, match="another name"):
        unseal("b", b"".join(seal("a", b"data")))


def test_sealing_copies_no_data() -> None:
    data = bytes(1000)
    assert seal("name", data)[1] is data


@given(st.text(min_size=1, max_size=12))
def test_names_round_trip_and_are_safe(name: str) -> None:
    try:
        escaped = file_name(name, ".snap")
    except UnicodeEncodeError:
        return
    assert name_of(escaped, ".snap") == name
    assert "/" not in escaped
    assert "\0" not in escaped
    assert "\n" not in escaped


def test_replacing_is_old_or_new_at_every_crash() -> None:
    old, new = b"old" * 10, b"new" * 20
    outcomes = set()
    for crash_at in range(5):
        disk = SimulatedDisk()
        replace_file(Path("/d/file"), [old], disk)
        disk.crash_at = disk.calls + crash_at
        with pytest.raises(Crash):
            replace_file(Path("/d/file"), [new], disk)
        for survivor in (disk.after_kill(), disk.after_power_cut()):
            content = survivor.read(Path("/d/file"))
            assert content in (old, new)
            outcomes.add(content)
            remove_temporaries(Path("/d"), survivor)
            assert list(survivor.entries) == ["file"]
    assert outcomes == {old, new}


def test_replacing_is_durable_only_when_settled() -> None:
    for settle, expected in ((True, b"new"), (False, b"old")):
        disk = SimulatedDisk()
        replace_file(Path("/d/file"), [b"old"], disk)
        replace_file(Path("/d/file"), [b"n", b"ew"], disk, settle=settle)
        assert disk.after_power_cut().read(Path("/d/file")) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, StoreError), (errno.EACCES, StoreError)],
)
def test_disk_errors_name_the_file(number: int, expected: type[StoreError]) -> None:
    with pytest.raises(StoreError, match=r"^/d/file: ") as caught, disk_errors(Path("/d/file")):
        raise OSError(number, "cause")
    assert type(caught.value) is expected


def test_a_link_in_the_place_of_a_temporary_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / ".file.tmp").symlink_to(outside)
    with pytest.raises(OSError, match=r".*"):
        replace_file(tmp_path / "file", [b"new"])
    assert outside.read_bytes() == b"precious"
