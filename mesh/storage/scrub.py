"""The scrub: read everything again, slowly, while the memory still knows what the disk should say.

Bit rot sits still until the file is needed, and then it is the only copy. So a running node re-reads its files now
and then; what it finds it can mend at once, by compacting (which writes everything anew from memory) or from its
peers. The pass knows files and checksums, nothing of what they mean.

It is a generator: `None` after each piece read, the moment for the caller to rest, and a `Damage` for each bad file.
Files may be replaced or removed meanwhile; that is no damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.storage.files import Damage, FileSystem, unseal
from mesh.storage.journal import scan

PIECE = 1024 * 1024  # bytes read between two rests


@dataclass(frozen=True, slots=True)
class SealedTarget:
    """A sealed file and the name inside it."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class SegmentTarget:
    """The durable part of a journal segment: its length in bytes and its CRC-32."""

    path: Path
    length: int
    checksum: int


def scrub(targets: Sequence[SealedTarget | SegmentTarget], fs: FileSystem) -> Iterator[Damage | None]:
    """One pass over `targets`."""
    for target in targets:
        try:
            match target:
                case SealedTarget():
                    yield from _scrub_sealed(target, fs)
                case SegmentTarget():
                    yield from _scrub_segment(target, fs)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Damage(str(target.path), 0, f"it cannot be read: {error.strerror or error}")


def _scrub_sealed(target: SealedTarget, fs: FileSystem) -> Iterator[Damage | None]:
    """A sealed file ends with the checksum of all before, so a good one is known without holding it in memory.

    A file replaced between two pieces looks bad too: only reading it whole tells.
    """
    checksum, offset, tail = 0, 0, b""
    while piece := fs.read_at(target.path, offset, PIECE):
        offset += len(piece)
        piece = tail + piece
        piece, tail = piece[:-4], piece[-4:]
        checksum = zlib.crc32(piece, checksum)
        yield None
    if tail == checksum.to_bytes(4, "big"):
        return
    try:
        unseal(target.name, fs.read(target.path))
    except ValueError as error:
        yield Damage(str(target.path), 0, str(error))


def _scrub_segment(target: SegmentTarget, fs: FileSystem) -> Iterator[Damage | None]:
    checksum, offset = 0, 0
    while piece := fs.read_at(target.path, offset, min(PIECE, target.length - offset)):
        offset += len(piece)
        checksum = zlib.crc32(piece, checksum)
        yield None
    if (offset, checksum) == (target.length, target.checksum):
        return
    found = scan(fs.read(target.path)[: target.length], str(target.path))
    yield from found.damage
    if found.end < target.length:
        yield Damage(str(target.path), found.end, f"{target.length - found.end} bytes at the end are bad or missing")
