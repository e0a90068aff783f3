"""A disk in memory that forgets, fills up and fails on command: what a power cut leaves is decided by the test.

`FaultyDisk` keeps for each file what was written and what was synced, and for the directory which renames and
removals were synced. `after_power_cut` is the least a real disk must keep; `after_kill` is all that was written (the
kernel survives); `after_tear` is anything in between, by a seed.
"""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field
from pathlib import Path


class Crash(BaseException):
    """The process died here."""


@dataclass
class Inode:
    """Content as the kernel sees it, and how much of it is on the platter."""

    data: bytes = b""
    synced: bytes = b""


@dataclass
class FaultyDisk:
    """One flat directory. `crash_at` counts calls that change something; a write there is torn in half."""

    entries: dict[str, Inode] = field(default_factory=dict)
    durable_entries: dict[str, Inode] = field(default_factory=dict)
    crash_at: int | None = None
    calls: int = 0
    capacity: int | None = None
    failing: dict[str, int] = field(default_factory=dict)  # call name -> errno
    handles: dict[int, Inode] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def _step(self, call: str) -> None:
        if self.calls == self.crash_at:
            raise Crash
        self.calls += 1
        self.log.append(call)
        if call in self.failing:
            raise OSError(self.failing[call], "injected", call)

    def names(self, directory: Path) -> list[str]:
        return sorted(self.entries)

    def read(self, path: Path) -> bytes:
        if path.name not in self.entries:
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return self.entries[path.name].data

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        return self.read(path)[offset : offset + size]

    def open_new(self, path: Path) -> int:
        self._step("open_new")
        inode = self.entries.setdefault(path.name, Inode())
        inode.data = b""
        return self._handle(inode)

    def open_append(self, path: Path) -> int:
        return self._handle(self.entries[path.name])

    def write(self, handle: int, data: bytes) -> None:
        inode = self.handles[handle]
        if self.calls == self.crash_at:
            inode.data += data[: len(data) // 2]
        self._step("write")
        room = len(data) if self.capacity is None else max(0, self.capacity - self.used())
        inode.data += data[:room]
        if room < len(data):
            raise OSError(errno.ENOSPC, "no space left on device")

    def sync(self, handle: int) -> None:
        self._step("sync")
        inode = self.handles[handle]
        inode.synced = inode.data

    def close(self, handle: int) -> None:
        del self.handles[handle]

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

    def _handle(self, inode: Inode) -> int:
        handle = 1 + max(self.handles, default=2)
        self.handles[handle] = inode
        return handle

    def used(self) -> int:
        """Bytes taken on the disk."""
        return sum(len(inode.data) for inode in self.entries.values())

    def after_kill(self) -> FaultyDisk:
        """The disk as the next process finds it when only the process died."""
        return _disk({name: inode.data for name, inode in self.entries.items()})

    def after_power_cut(self) -> FaultyDisk:
        """The disk when nothing but what was synced survived."""
        return _disk({name: inode.synced for name, inode in self.durable_entries.items()})

    def after_tear(self, seed: int) -> FaultyDisk:
        """The disk when, beyond what was synced, each change of a name and a part of each append survived or not."""
        rng = random.Random(seed)
        files = {}
        for name in sorted({**self.durable_entries, **self.entries}):
            inode = rng.choice([self.durable_entries, self.entries]).get(name)
            if inode is not None:
                extra = inode.data[len(inode.synced) :] if inode.data.startswith(inode.synced) else b""
                kept = extra[: rng.randint(0, len(extra))]
                noise = rng.randbytes(min(rng.randint(0, 8), len(extra) - len(kept)))
                files[name] = inode.synced + kept + noise
        return _disk(files)


def _disk(files: dict[str, bytes]) -> FaultyDisk:
    entries = {name: Inode(data, data) for name, data in files.items()}
    return FaultyDisk(entries=entries, durable_entries=dict(entries))


def flip(raw: bytes, offset: int, mask: int) -> bytes:
    """`raw` with the bits of `mask` changed in the byte at `offset`."""
    return raw[:offset] + bytes([raw[offset] ^ mask]) + raw[offset + 1 :]


def flip_file(path: Path, offset: int, mask: int) -> None:
    """Change one byte of a file in place."""
    path.write_bytes(flip(path.read_bytes(), offset, mask))
