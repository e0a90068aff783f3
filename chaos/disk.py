"""A disk that forgets, fills up, rots and lies on command; the store of a node runs on it as on a real one.

It is a `mesh.storage.files.FileSystem` of one flat directory. For each file it knows what the kernel sees and what is
on the platter, and for the directory which names are. So what a crash leaves is a choice between the least that a
real disk must keep and all that was written:

    disk.after_kill()         the process died, the kernel lives: everything written is there, no safer than it was
    disk.after_power_cut()    nothing but what was synced
    disk.after_tear(rng)      anything in between: each change of a name, a part of each append, some noise behind it

A sync that fails is the worst that kernels do (Rebello et al., "Can Applications Recover from fsync Failures?", ATC
2020): nothing reached the platter, the error is told once, and the pages are taken for written. So they can be read,
the next sync leaves them out and succeeds, and a power cut takes them.

A crash point is a number of calls (`crash_at`): the call with that number raises `Crash`, and a write is half done.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from chaos.actions import Left
from wire.rng import Rng

_NOISE = 8  # bytes of garbage at most behind a torn append


class Crash(BaseException):
    """The process died here; no `except Exception` stops that."""


@dataclass(slots=True)
class Inode:
    """One file: `data` as the kernel sees it, `platter` as a power cut leaves it.

    The next sync writes what begins at `dirty`, and before that makes the platter's file empty if it was `emptied`.
    """

    data: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    dirty: int = 0
    emptied: bool = False

    @property
    def safe(self) -> bool:
        """A power cut leaves it as the kernel sees it."""
        return not self.emptied and self.platter == self.data

    def empty(self) -> None:
        """Take everything out."""
        self.data, self.dirty, self.emptied = bytearray(), 0, True

    def settle(self) -> None:
        """Write what is dirty; a hole is left where bytes were forgotten."""
        if self.emptied:
            self.platter = bytearray()
        if self.dirty < len(self.data):
            self.platter += bytes(self.dirty - len(self.platter)) + self.data[self.dirty :]
        self.dirty, self.emptied = len(self.data), False

    def forget(self) -> None:
        """Take what is dirty for written."""
        self.dirty = len(self.data)

    def torn(self, rng: Rng) -> bytes:
        """The file with a part of an append that was not synced, and noise where the rest was to be."""
        if self.emptied:
            return bytes(self.platter)
        extra = self.data[self.dirty :]
        kept = rng.randbelow(len(extra) + 1)
        tail = extra[:kept] + rng.bytes(min(rng.randbelow(_NOISE + 1), len(extra) - kept))
        hole = bytes(self.dirty - len(self.platter)) if tail else b""
        return bytes(self.platter + hole + tail)


@dataclass(slots=True)
class SimulatedDisk:
    """One flat directory and what may go wrong with it: `failing` maps names of calls to errno values."""

    rng: Rng = field(default_factory=lambda: Rng(0))
    entries: dict[str, Inode] = field(default_factory=dict)
    durable_entries: dict[str, Inode] = field(default_factory=dict)
    crash_at: int | None = None
    calls: int = 0
    capacity: int | None = None  # bytes
    failing: dict[str, int] = field(default_factory=dict)
    log: list[str] | None = None
    _handles: dict[int, Inode] = field(default_factory=dict)
    _renamed: dict[str, None] = field(default_factory=dict)  # names that the next sync of the directory writes
    _above: Path | None = None  # the directory that this one stands in, whose names are not kept here

    @classmethod
    def holding(cls, files: Mapping[str, bytes], rng: Rng) -> SimulatedDisk:
        """A disk in order, with these files on the platter."""
        entries = {name: Inode(bytearray(data), bytearray(data), len(data)) for name, data in files.items()}
        return cls(rng=rng, entries=entries, durable_entries=dict(entries))

    # what the store calls

    def salt(self, size: int) -> bytes:
        return self.rng.bytes(size)

    def names(self, directory: Path) -> list[str]:
        return sorted(self.entries)

    def read(self, path: Path) -> bytes:
        self._fail("read")
        if path.name not in self.entries:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return bytes(self.entries[path.name].data)

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        self._fail("read_at")
        return self.read(path)[offset : offset + size]

    def open_new(self, path: Path) -> int:
        self._step("open_new")
        if path.name not in self.entries:
            self.entries[path.name] = Inode()
            self._renamed[path.name] = None
        self.entries[path.name].empty()
        return self._handle(self.entries[path.name])

    def open_append(self, path: Path) -> int:
        return self._handle(self.entries[path.name])

    def write(self, handle: int, data: bytes) -> None:
        inode = self._handles[handle]
        if self.calls == self.crash_at:
            inode.data += data[: len(data) // 2]
        self._step("write")
        room = len(data) if self.capacity is None else max(0, self.capacity - self.used())
        inode.data += data[:room]
        if room < len(data):
            raise OSError(errno.ENOSPC, "no space left on device")

    def sync(self, handle: int) -> None:
        inode = self._handles[handle]
        try:
            self._step("sync")
        except OSError:
            inode.forget()
            raise
        inode.settle()

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename")
        self.entries[new.name] = self.entries.pop(old.name)
        self._renamed |= {old.name: None, new.name: None}

    def remove(self, path: Path) -> None:
        self._step("remove")
        del self.entries[path.name]
        self._renamed[path.name] = None

    def make_directory(self, path: Path) -> None:
        self._above = path.parent

    def sync_directory(self, path: Path) -> None:
        renamed = {} if path == self._above else self._renamed
        try:
            self._step("sync_directory")
        except OSError:
            renamed.clear()
            raise
        for name in renamed:
            self.durable_entries.pop(name, None)
            if name in self.entries:
                self.durable_entries[name] = self.entries[name]
        renamed.clear()

    def _step(self, call: str) -> None:
        if self.calls == self.crash_at:
            raise Crash
        self.calls += 1
        if self.log is not None:
            self.log.append(call)
        self._fail(call)

    def _fail(self, call: str) -> None:
        if call in self.failing:
            raise OSError(self.failing[call], "injected", call)

    def _handle(self, inode: Inode) -> int:
        handle = 1 + max(self._handles, default=2)
        self._handles[handle] = inode
        return handle

    # what happens to it

    def used(self) -> int:
        """Bytes taken."""
        return sum(len(inode.data) for inode in self.entries.values())

    def image(self) -> dict[str, bytes]:
        """Every file, as the kernel sees it."""
        return {name: bytes(inode.data) for name, inode in self.entries.items()}

    def volatile(self) -> list[str]:
        """The files that a power cut would take away or change."""
        durable = self.durable_entries
        return [name for name, inode in self.entries.items() if durable.get(name) is not inode or not inode.safe]

    def after_kill(self) -> SimulatedDisk:
        """The disk as the next process finds it when only the process died."""
        entries, durable, renamed = deepcopy((self.entries, self.durable_entries, self._renamed))
        return SimulatedDisk(rng=self.rng, entries=entries, durable_entries=durable, _renamed=renamed)

    def after_power_cut(self) -> SimulatedDisk:
        """The disk when nothing but what was synced survived."""
        files = {name: bytes(inode.platter) for name, inode in self.durable_entries.items()}
        return SimulatedDisk.holding(files, self.rng)

    def after_tear(self, rng: Rng) -> SimulatedDisk:
        """The disk when, beyond what was synced, each change of a name and a part of each append survived or not."""
        files = {}
        for name in sorted({**self.durable_entries, **self.entries}):
            inode = rng.choice([self.durable_entries, self.entries]).get(name)
            if inode is not None:
                files[name] = inode.torn(rng)
        return SimulatedDisk.holding(files, self.rng)

    def after(self, left: Left, rng: Rng) -> SimulatedDisk:
        """The disk after a crash of a kind."""
        match left:
            case Left.KILL:
                return self.after_kill()
            case Left.POWER_CUT:
                return self.after_power_cut()
            case Left.TEAR:
                return self.after_tear(rng)

    def rot(self, rng: Rng) -> str | None:
        """Flip one bit of one file, on the platter too; its name, None when there is nothing to rot."""
        names = [name for name, inode in sorted(self.entries.items()) if inode.data]
        if not names:
            return None
        name = rng.choice(names)
        inode = self.entries[name]
        place, bit = rng.randbelow(len(inode.data)), 1 << rng.randbelow(8)
        inode.data[place] ^= bit
        if place < len(inode.platter) and not inode.emptied:
            inode.platter[place] ^= bit
        return name
