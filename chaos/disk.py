"""A disk that forgets, fills up, rots and lies on command; the store of a node runs on it as on a real one.

It is a `mesh.storage.files.FileSystem` of one flat directory. For each file it knows what the kernel sees and how
much of that is on the platter, and for the directory which names are. So what a crash leaves is a choice between the
least that a real disk must keep and all that was written:

    disk.after_kill()         the process died, the kernel lives: everything written is there
    disk.after_power_cut()    nothing but what was synced
    disk.after_tear(rng)      anything in between: each change of a name, a part of each append, some noise behind it

A crash point is a number of calls (`crash_at`): the call with that number raises `Crash`, and a write is half done.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chaos.actions import Left
from wire.rng import Rng

_NOISE = 8  # bytes of garbage at most behind a torn append


class Crash(BaseException):
    """The process died here; no `except Exception` stops that."""


@dataclass(slots=True)
class Inode:
    """One file: `data` as the kernel sees it, of which `durable` bytes are on the platter, over what was `before`.

    `before` is what a power cut brings back of a file that was emptied and not synced since; else None.
    """

    data: bytearray = field(default_factory=bytearray)
    durable: int = 0
    before: bytes | None = None

    def on_platter(self) -> bytes:
        """What a power cut leaves of it."""
        return bytes(self.data[: self.durable]) if self.before is None else self.before


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

    @classmethod
    def holding(cls, files: Mapping[str, bytes], rng: Rng) -> SimulatedDisk:
        """A disk in order, with these files on the platter."""
        entries = {name: Inode(bytearray(data), len(data)) for name, data in files.items()}
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
        inode = self.entries.setdefault(path.name, Inode())
        inode.before, inode.data, inode.durable = inode.on_platter(), bytearray(), 0
        return self._handle(inode)

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
        self._step("sync")
        inode = self._handles[handle]
        inode.durable, inode.before = len(inode.data), None

    def close(self, handle: int) -> None:
        del self._handles[handle]

    def rename(self, old: Path, new: Path) -> None:
        self._step("rename")
        self.entries[new.name] = self.entries.pop(old.name)

    def remove(self, path: Path) -> None:
        self._step("remove")
        del self.entries[path.name]

    def make_directory(self, path: Path) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        self._step("sync_directory")
        self.durable_entries = dict(self.entries)

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

    def after_kill(self) -> SimulatedDisk:
        """The disk as the next process finds it when only the process died."""
        return SimulatedDisk.holding(self.image(), self.rng)

    def after_power_cut(self) -> SimulatedDisk:
        """The disk when nothing but what was synced survived."""
        files = {name: inode.on_platter() for name, inode in self.durable_entries.items()}
        return SimulatedDisk.holding(files, self.rng)

    def after_tear(self, rng: Rng) -> SimulatedDisk:
        """The disk when, beyond what was synced, each change of a name and a part of each append survived or not."""
        files = {}
        for name in sorted({**self.durable_entries, **self.entries}):
            inode = rng.choice([self.durable_entries, self.entries]).get(name)
            if inode is not None:
                files[name] = inode.on_platter() + _torn(inode, rng)
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
        data = self.entries[name].data
        data[rng.randbelow(len(data))] ^= 1 << rng.randbelow(8)
        return name


def _torn(inode: Inode, rng: Rng) -> bytes:
    """What survives of an append that was not synced: a part of it, and noise where the rest was to be."""
    if inode.before is not None:
        return b""
    extra = inode.data[inode.durable :]
    kept = rng.randbelow(len(extra) + 1)
    noise = rng.bytes(min(rng.randbelow(_NOISE + 1), len(extra) - kept))
    return bytes(extra[:kept]) + noise
