"""What a node must not forget: a journal of records and a set of named snapshots, in one directory.

    journal-00000007.log   the segment in use (see `journal`); records become durable in order
    <name>.snap            a sealed file (see `files`): state that the journal no longer holds
    <name>.cache           a sealed file whose loss costs comfort, never safety (the peer book)
    *.damaged              what was found bad, kept for a person to look at
    in-use                 empty: a process has written here, and has not ended with every sync well

    store, recovered = Store.open(directory)
    store.append([Record(1, b"...")])          # durable on return: one write, one fsync
    store.compact({"owner": b"..."})           # snapshots that cover every record so far; the journal starts anew
    store.close(b"what I signed last")         # the clean-shutdown marker

A process may be killed, or the power cut, at any instant. `compact` writes the snapshots first, then the new segment,
then removes the old one: a crash in between leaves records that a snapshot covers already, so applying a record again
must be harmless. After any failed write the store is **poisoned**: what an fsync that failed has lost is unknown, and
asking again may lie (the kernel drops the error with the page), so every later call raises and the node must stop.

**What is read may not be on the disk.** After a failed sync the kernel takes the pages for written: the next process
reads them, builds on them, syncs without an error, and a power cut takes the ground from under it. A kill between
rename and sync leaves names in the same state. So where `in-use` is found, nothing is appended to: all that counts is
written anew, journal and snapshots, before the store opens. The mark need not be durable, and so cannot lie: it has
to outlive the process only as long as the kernel does, and after a power cut what can be read is on the disk.

**Doubt.** When the last write was cut, or damage was found, this node may have forgotten something that it signed. A
restart does not make that better, although the second one finds a journal that was mended by the first. So doubt is
itself a record: `cut` is reported, and a clean shutdown is not believed, until `settle` says that the node has learnt
from others that nothing is missing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from mesh.storage.files import (
    POSIX,
    Damage,
    FileSystem,
    disk_errors,
    file_name,
    name_of,
    remove_temporaries,
    replace_file,
    seal,
    unseal,
)
from mesh.storage.journal import Record, Scan, Segment, is_segment, scan, segment_name, segment_number
from mesh.storage.scrub import SealedTarget, SegmentTarget, scrub
from wire.errors import StoreError

__all__ = ["Damage", "Record", "Recovered", "Store"]

SNAPSHOT = ".snap"
CACHE = ".cache"
DAMAGED = ".damaged"
IN_USE = "in-use"
FIRST_OWN_KIND = 0xF0  # kinds from here on are the store's own


class Doubt(IntEnum):
    """What may be missing here of what this node signed; the numbers are on disk and never reused."""

    NONE = 0
    TAIL = 1  # the last write was torn: nobody was told of it, unless it rotted
    DAMAGE = 2  # more than that


class _Mark(IntEnum):
    """The store's own records; the numbers are on disk and never reused."""

    OPEN = 0xF0  # a process began to write: an earlier CLEAN no longer counts
    CLEAN = 0xF1  # a process ended in order; the body is the caller's
    DOUBT = 0xF2  # something may have been lost; the body is a `Doubt`
    SETTLED = 0xF3  # it was not, or has come back
    MANIFEST = 0xF4  # the snapshots that exist, as escaped names separated by newlines


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What was found on opening.

    `clean`: the last process ended in order, and no doubt is older than that. `cut`: the last write was torn, or an
    earlier doubt was never settled. `damage` is what this opening found, journal first. `doubt`: what this node
    signed and may be missing here (after a cut, damage to anything but a cache, or an earlier doubt).
    """

    records: list[Record] = field(default_factory=list)
    snapshots: dict[str, bytes] = field(default_factory=dict)
    clean: bool = False
    clean_body: bytes | None = None
    cut: bool = False
    torn: bool = False  # cut, but nothing is missing that ever was durable
    damage: list[Damage] = field(default_factory=list)
    doubt: Doubt = Doubt.NONE


class Store:
    """One directory, one process, one caller at a time (`scrub` may run beside it). All calls block."""

    def __init__(
        self, directory: Path, fs: FileSystem, segment: Segment, number: int, doubt: Doubt, torn: bool
    ) -> None:
        self._directory = directory
        self._fs = fs
        self._segment = segment
        self._number = number
        self._doubt, self._torn = doubt, torn
        self._failure: str | None = None

    @classmethod
    def create(cls, directory: Path, fs: FileSystem = POSIX) -> None:
        """Make an empty store, so that later the absence of its journal is damage and not a beginning."""
        store, _ = cls.open(directory, fs)
        store.close(None)

    @classmethod
    def open(cls, directory: Path, fs: FileSystem = POSIX, *, expected: bool = False) -> tuple[Store, Recovered]:
        """Read everything, mend what can be mended, and be ready to append.

        With `expected`, or when snapshots are there, a missing journal is damage; else it is a new store.

        Raises:
            StoreError: the directory cannot be read or written.
        """
        with disk_errors(directory):
            fs.make_directory(directory)
            fs.sync_directory(directory.parent)
            remove_temporaries(directory, fs)
            names = fs.names(directory)
            volatile = IN_USE in names
            fs.close(fs.open_new(directory / IN_USE))
            recovered = Recovered()
            bad_files = _load_files(directory, names, fs, recovered)
            numbers = sorted(map(segment_number, filter(is_segment, names)))
            number = numbers[-1] if numbers else 1
            path = directory / segment_name(number)
            raw = fs.read(path) if numbers else b""
        found = scan(raw, str(path)) if numbers else Scan()
        if not numbers and (expected or recovered.snapshots or recovered.damage):
            found.damage.append(Damage(str(path), 0, "the journal is missing"))
        _interpret(directory, found, recovered)
        if volatile:
            _rewrite_snapshots(directory, names, fs, recovered.snapshots)
        mark = _doubt_mark(recovered.doubt, recovered.torn)
        segment = _mended(path, fs, raw, found, mark, volatile)
        with disk_errors(directory):
            for bad in bad_files:
                fs.rename(bad, bad.with_name(bad.name + DAMAGED))
            for older in numbers[:-1]:
                fs.remove(directory / segment_name(older))
        return cls(directory, fs, segment, number, recovered.doubt, recovered.torn), recovered

    @property
    def journal_bytes(self) -> int:
        """The size of the journal."""
        return self._segment.extent[0]

    @property
    def doubt(self) -> Doubt:
        """What may be missing here of what this node signed; NONE once `settle` was called."""
        return self._doubt

    def append(self, records: Sequence[Record]) -> None:
        """Make `records` durable, in order, with one write and one fsync.

        Raises:
            StoreError: the store is poisoned. `DiskFull` when that is the cause.
        """
        assert all(0 <= record.kind < FIRST_OWN_KIND for record in records), "this kind is the store's own"
        with self._guarded():
            self._segment.append(records)

    def save_file(self, name: str, data: bytes, durable: bool = True) -> None:
        """Replace the file `name`. It is always whole; without `durable` it may be the old one after a power cut,
        and damage to it raises no doubt.

        Raises:
            StoreError: the store is poisoned.
        """
        path = self._directory / file_name(name, SNAPSHOT if durable else CACHE)
        with self._guarded(), disk_errors(path):
            replace_file(path, seal(name, data), self._fs, settle=durable)

    def compact(self, snapshots: Mapping[str, bytes]) -> None:
        """Save `snapshots`, which with those saved before cover every record so far, and start the journal anew.

        Raises:
            StoreError: the store is poisoned.
        """
        with self._guarded(), disk_errors(self._directory):
            for name, data in snapshots.items():
                path = self._directory / file_name(name, SNAPSHOT)
                replace_file(path, seal(name, data), self._fs, settle=False)
            self._fs.sync_directory(self._directory)
            marks = [Record(_Mark.OPEN, b""), *_doubt_mark(self._doubt, self._torn), self._manifest()]
            old, new = self._segment, self._directory / segment_name(self._number + 1)
            self._segment = Segment.create(new, self._fs, marks)
            self._number += 1
            old.close()
            self._fs.remove(old.path)

    def settle(self) -> None:
        """End the doubt: others have confirmed that nothing this node signed is missing here.

        Raises:
            StoreError: the store is poisoned.
        """
        if self._doubt:
            with self._guarded(), disk_errors(self._directory):
                self._segment.append([Record(_Mark.SETTLED, b""), self._manifest()])
                self._doubt = Doubt.NONE

    def close(self, clean_body: bytes | None) -> None:
        """End in order: write the clean-shutdown marker with `clean_body`; with None, only let go of the files.

        Raises:
            StoreError: the store is poisoned, and there is no marker.
        """
        try:
            if clean_body is not None:
                with self._guarded():
                    self._segment.append([Record(_Mark.CLEAN, clean_body)])
            if self._failure is None:
                with disk_errors(self._directory):
                    self._fs.remove(self._directory / IN_USE)
        finally:
            if self._failure != _CLOSED:
                self._segment.close()
                self._failure = _CLOSED

    def scrub(self) -> Iterator[Damage | None]:
        """Read everything on disk again: `None` after each piece, `Damage` for what is bad. May run in another
        thread; see `scrub`."""
        segment = self._segment
        targets: list[SealedTarget | SegmentTarget] = [SegmentTarget(segment.path, *segment.extent)]
        with disk_errors(self._directory):
            names = self._fs.names(self._directory)
        targets += [SealedTarget(self._directory / file, name_of(file, suffix)) for file, suffix in _sealed(names)]
        return scrub(targets, self._fs)

    def _manifest(self) -> Record:
        names = [file for file in self._fs.names(self._directory) if file.endswith(SNAPSHOT)]
        return Record(_Mark.MANIFEST, "\n".join(names).encode())

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        if self._failure is not None:
            raise StoreError(self._directory, self._failure)
        self._failure = "a write was interrupted"
        try:
            yield
        except StoreError as error:
            self._failure = f"an earlier write failed ({error.detail})"
            raise
        self._failure = None


_CLOSED = "the store is closed"
_TORN = bytes([Doubt.TAIL, 1])  # a doubt about a write that was told to nobody, as far as the disk itself can tell


def _load_files(directory: Path, names: Sequence[str], fs: FileSystem, recovered: Recovered) -> list[Path]:
    """Read every sealed file into `recovered`; returns those that are damaged."""
    bad = []
    for file, suffix in _sealed(names):
        path, name = directory / file, name_of(file, suffix)
        try:
            recovered.snapshots[name] = unseal(name, fs.read(path))
        except ValueError as error:
            bad.append(path)
            recovered.damage.append(Damage(str(path), 0, str(error)))
            if suffix == SNAPSHOT:
                recovered.doubt = Doubt.DAMAGE
    return bad


def _interpret(directory: Path, found: Scan, recovered: Recovered) -> None:
    """Fill `recovered` with what the records of the segment say."""
    earlier_doubt, manifest, torn = Doubt.NONE, "", not found.cut or found.torn
    for record in found.records:
        match record.kind:
            case _Mark.DOUBT:
                tail = record.body[:1] == bytes([Doubt.TAIL])
                earlier_doubt = max(earlier_doubt, Doubt.TAIL if tail else Doubt.DAMAGE)
                torn = torn and record.body == _TORN
            case _Mark.SETTLED:
                earlier_doubt, torn = Doubt.NONE, not found.cut or found.torn
            case _Mark.MANIFEST:
                manifest = record.body.decode()
            case _Mark.OPEN | _Mark.CLEAN:
                pass
            case _:
                recovered.records.append(record)
    last = found.records[-1] if found.records else None
    if last is not None and last.kind == _Mark.CLEAN and not found.cut:
        recovered.clean_body = last.body
        recovered.clean = not earlier_doubt
    known = {os.path.basename(damage.path) for damage in recovered.damage}
    for file in filter(None, manifest.split("\n")):
        if file not in known and name_of(file, SNAPSHOT) not in recovered.snapshots:
            found.damage.append(Damage(str(directory / file), 0, "this snapshot is missing"))
    new_doubt = Doubt.DAMAGE if found.damage else Doubt.TAIL if found.cut else Doubt.NONE
    recovered.doubt = max(recovered.doubt, earlier_doubt, new_doubt)
    recovered.cut = found.cut or bool(earlier_doubt)
    recovered.torn = torn and recovered.doubt is Doubt.TAIL
    recovered.damage = found.damage + recovered.damage


def _rewrite_snapshots(directory: Path, names: Sequence[str], fs: FileSystem, good: Mapping[str, bytes]) -> None:
    """Write all that are good again; the directory is synced with the segment that follows."""
    for file, suffix in _sealed(names):
        name = name_of(file, suffix)
        if suffix == SNAPSHOT and name in good:
            with disk_errors(directory / file):
                replace_file(directory / file, seal(name, good[name]), fs, settle=False)


def _mended(path: Path, fs: FileSystem, raw: bytes, found: Scan, doubt_mark: list[Record], volatile: bool) -> Segment:
    """The segment at `path` without what is bad in it, marked as in use (and in doubt, if so).

    It is written anew where anything is bad, or where it may not be on the disk as it was read.
    """
    marks = [*doubt_mark, Record(_Mark.OPEN, b"")]
    damaged = any(damage.path == str(path) for damage in found.damage)
    if raw and not damaged and not found.cut and not volatile:
        segment = Segment(path, fs, raw, found.salt, found.sequence)
        segment.append(marks)
        return segment
    if raw and damaged:
        with disk_errors(path):
            replace_file(path.with_name(path.name + DAMAGED), [raw], fs)
    return Segment.create(path, fs, found.records + marks)


def _doubt_mark(doubt: Doubt, torn: bool) -> list[Record]:
    return [Record(_Mark.DOUBT, _TORN if torn else bytes([doubt]))] if doubt else []


def _sealed(names: Sequence[str]) -> list[tuple[str, str]]:
    """Which of `names` are sealed files, each with its suffix."""
    return [(name, suffix) for name in names for suffix in (SNAPSHOT, CACHE) if name.endswith(suffix)]
