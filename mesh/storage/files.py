"""Files that survive a power cut, and that say so when they did not.

Everything on disk goes through `FileSystem`: a dozen calls whose order is the whole of crash safety, and the place
where tests make the disk full, lie about fsync, or stop between any two calls.

A file is replaced by writing a hidden neighbour, fsyncing it, renaming it over the old one and fsyncing the
directory: at every instant the name holds the old or the new content, whole. A **sealed file** adds what bit rot
needs:

    magic (8) ‖ version u16 ‖ name length u16 ‖ data length u64 ‖ name (UTF-8) ‖ data ‖ crc32 u32 of all before

All integers are big-endian. The name inside is compared with the file's own, so a file put in another's place is
damage too. CRC-32 catches every burst of up to 32 bits; it is no defence against a person who edits the file, for
which what matters is signed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

from wire.errors import DiskFull, StoreError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
MAX_FILE_NAME = 200  # bytes, escaped; file systems end at 255

_MAGIC = b"zenmesh\n"
_VERSION = 1
_HEADER = struct.Struct(">8sHHQ")
_TRAILER = struct.Struct(">I")


class FileSystem(Protocol):
    """What the store needs of a disk. Every call may raise `OSError`."""

    def salt(self, size: int) -> bytes:
        """`size` bytes that nobody can foresee."""
        ...

    def names(self, directory: Path) -> list[str]:
        """The names in `directory`, sorted."""
        ...

    def read(self, path: Path) -> bytes:
        """The whole file."""
        ...

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; empty at the end."""
        ...

    def open_new(self, path: Path) -> int:
        """A handle on an empty file at `path` (0600), whatever was there."""
        ...

    def open_append(self, path: Path) -> int:
        """A handle that writes at the end of the existing file `path`."""
        ...

    def write(self, handle: int, data: bytes) -> None:
        """Write all of `data`; it may be torn by a crash."""
        ...

    def sync(self, handle: int) -> None:
        """Return once everything written to the file is on the disk itself."""
        ...

    def close(self, handle: int) -> None: ...

    def rename(self, old: Path, new: Path) -> None:
        """Put `old` in the place of `new`, atomically."""
        ...

    def remove(self, path: Path) -> None: ...

    def make_directory(self, path: Path) -> None:
        """Make `path` (0700) and its parents, unless it is there."""
        ...

    def sync_directory(self, path: Path) -> None:
        """Return once the names in `path` are on the disk itself."""
        ...


class PosixFileSystem:
    """The real one."""

    def salt(self, size: int) -> bytes:
        return os.urandom(size)

    def names(self, directory: Path) -> list[str]:
        return sorted(os.listdir(directory))

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        with path.open("rb") as file:
            return os.pread(file.fileno(), size, offset)

    def open_new(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)

    def open_append(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)

    def write(self, handle: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def sync(self, handle: int) -> None:
        os.fsync(handle)

    def close(self, handle: int) -> None:
        os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        os.replace(old, new)

    def remove(self, path: Path) -> None:
        os.unlink(path)

    def make_directory(self, path: Path) -> None:
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def sync_directory(self, path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


POSIX = PosixFileSystem()


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are not what was written: where, and a sentence about what is lost."""

    path: str
    offset: int
    detail: str


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn every `OSError` into a `DiskFull` or `StoreError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path, "no space left on the disk: free some and start the node again") from error
        raise StoreError(path, error.strerror or str(error)) from error


def replace_file(path: Path, parts: Iterable[bytes], fs: FileSystem = POSIX, *, settle: bool = True) -> None:
    """Replace `path` by the concatenation of `parts`, atomically.

    With `settle` the new name is durable on return; without, the caller syncs the directory, or a power cut may
    bring the old file back (whole).

    Raises:
        OSError: the old file is still there.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    handle = fs.open_new(temporary)
    try:
        for part in parts:
            fs.write(handle, part)
        fs.sync(handle)
    finally:
        fs.close(handle)
    fs.rename(temporary, path)
    if settle:
        fs.sync_directory(path.parent)


def remove_temporaries(directory: Path, fs: FileSystem = POSIX) -> None:
    """Remove what interrupted replacements left behind."""
    for name in fs.names(directory):
        if name.startswith(".") and name.endswith(".tmp"):
            fs.remove(directory / name)


def file_name(name: str, suffix: str) -> str:
    """A safe file name for any `name`: what is neither letter, digit nor `_.-~` is percent-encoded.

    Raises:
        ValueError: the name is empty or too long.
    """
    escaped = quote(name, safe="") + suffix
    if not name or len(escaped) > MAX_FILE_NAME:
        raise ValueError(f"{name!r} cannot name a file: 1 to {MAX_FILE_NAME - len(suffix)} escaped bytes")
    return escaped


def name_of(file: str, suffix: str) -> str:
    """The inverse of `file_name`."""
    return unquote(file.removesuffix(suffix))


def sealed_header(name: str, length: int) -> bytes:
    """What the sealed file `name` with `length` bytes of data begins with."""
    raw_name = name.encode()
    return _HEADER.pack(_MAGIC, _VERSION, len(raw_name), length) + raw_name


def seal(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    """The parts of a sealed file; `data` itself is not copied."""
    header = sealed_header(name, len(data))
    return header, data, _TRAILER.pack(zlib.crc32(data, zlib.crc32(header)))


def unseal(name: str, raw: bytes) -> bytes:
    """The data of the sealed file `raw`.

    Raises:
        ValueError: says what is wrong with it.
    """
    end = len(raw) - _TRAILER.size
    start = len(sealed_header(name, 0))
    if end < start:
        raise ValueError(f"{len(raw)} bytes are too few")
    if zlib.crc32(memoryview(raw)[:end]) != _TRAILER.unpack_from(raw, end)[0]:
        raise ValueError("the checksum does not match")
    if not raw.startswith(sealed_header(name, end - start)):
        raise ValueError("it is whole, but of another version or of another name")
    return raw[start:end]
