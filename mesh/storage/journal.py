"""The journal: records in the order in which they became durable, in a file that only grows.

    segment = header ‖ header ‖ record…
    header  = magic (8) ‖ salt (16) ‖ version u16 ‖ crc32 u32                                  30 bytes, twice
    record  = magic (4) ‖ sequence u32 ‖ length u32 ‖ kind u8 ‖ header crc ‖ body crc ‖ body   21 bytes + body

All integers are big-endian. Both checksums of a record start from the segment's random salt and cover the sequence
number. So a body that contains bytes looking like a record (peers choose what is in our records) never passes for one
when a reader searches for the next good record after damage, and no search costs more than one short checksum per
candidate.

Reading tells apart what a crash does and what only a failing disk does:

| what is at a place | what it is |
|---|---|
| bad bytes, and no good record behind them | a torn tail: the last write never became durable, or rotted. Cut. |
| the same, too few for the record that they begin | a write that never became durable: what rots does not shrink |
| bad bytes, good records behind them | damage: named, skipped; what follows is returned |
| a good record, but the sequence has a gap | damage: named; what follows is returned |
| one header of the two is bad | damage: named; nothing is lost |
| both headers are bad | damage: without the salt no record can be told from noise, all is lost |
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.storage.files import Damage, FileSystem, disk_errors, replace_file

MAX_BODY = 16 * 1024 * 1024  # bytes of one record

_FILE_MAGIC = b"zm-jrnl\n"
_VERSION = 1
_SALT_SIZE = 16
_FILE_HEADER = struct.Struct(">8s16sHI")
HEADERS_SIZE = 2 * _FILE_HEADER.size

_RECORD_MAGIC = b"\xf5ZR\n"
_CHECKED = struct.Struct(">IIB")  # sequence, length, kind: what the header checksum covers
_RECORD_HEADER = struct.Struct(">4sIIBII")


@dataclass(frozen=True, slots=True)
class Record:
    """One journal entry; `kind` (0–255) says what `body` is."""

    kind: int
    body: bytes


@dataclass(slots=True)
class Scan:
    """What a segment holds: `end` is where its good part ends, `cut` that bytes behind it make no record, `torn` that
    they are too few for one, so that nothing was lost but a write that never became durable."""

    salt: bytes = b""
    records: list[Record] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    sequence: int = 0
    end: int = HEADERS_SIZE
    cut: bool = False
    torn: bool = False


def encode_headers(salt: bytes) -> bytes:
    """The first bytes of a segment: the header, twice."""
    unchecked = _FILE_HEADER.pack(_FILE_MAGIC, salt, _VERSION, 0)[:-4]
    return 2 * (unchecked + zlib.crc32(unchecked).to_bytes(4, "big"))


def encode_records(salt: bytes, sequence: int, records: Iterable[Record]) -> bytes:
    """The bytes of `records`, the first of which is number `sequence` of its segment."""
    seed = zlib.crc32(salt)
    parts = []
    for number, record in enumerate(records, sequence):
        assert len(record.body) <= MAX_BODY, f"a record of {len(record.body)} bytes; at most {MAX_BODY}"
        checked = _CHECKED.pack(number, len(record.body), record.kind)
        header_crc = zlib.crc32(checked, seed)
        header = (number, len(record.body), record.kind, header_crc, zlib.crc32(record.body, header_crc))
        parts += [_RECORD_HEADER.pack(_RECORD_MAGIC, *header), record.body]
    return b"".join(parts)


def scan(raw: bytes, path: str) -> Scan:
    """Read a segment; never raises, whatever the bytes."""
    found = Scan()
    salt = _read_salt(raw, path, found.damage)
    if salt is None:
        return found
    found.salt = salt
    reader = _Reader(raw, zlib.crc32(salt))
    offset = HEADERS_SIZE
    while offset < len(raw):
        record, start, end = reader.next_good(offset)
        if record is None:
            found.cut, found.torn = True, reader.shrunk(found.end)
            break
        if start > offset or reader.sequence_at(start) != found.sequence:
            found.damage.append(_lost(path, offset, start, found.sequence, reader.sequence_at(start)))
        found.records.append(record)
        found.sequence = reader.sequence_at(start) + 1
        offset = found.end = end
    return found


def _lost(path: str, offset: int, start: int, expected: int, found: int) -> Damage:
    """Damage between `offset` and the good record at `start`, by what their numbers say."""
    count = found - expected
    what = f"{count} record{'' if count == 1 else 's'} lost" if count >= 0 else "records out of order"
    return Damage(path, offset, f"{start - offset} bad bytes: {what}, from number {expected}")


def _read_salt(raw: bytes, path: str, damage: list[Damage]) -> bytes | None:
    salts = []
    for offset in (0, _FILE_HEADER.size):
        if len(raw) >= offset + _FILE_HEADER.size:
            magic, salt, version, crc = _FILE_HEADER.unpack_from(raw, offset)
            checked = raw[offset : offset + _FILE_HEADER.size - 4]
            if zlib.crc32(checked) == crc and magic == _FILE_MAGIC and version == _VERSION:
                salts.append(salt)
                continue
        damage.append(Damage(path, offset, "this copy of the journal's header is bad"))
    if not salts:
        damage.append(Damage(path, 0, "both copies of the journal's header are bad: none of its records can be read"))
        return None
    return bytes(salts[0])


class _Reader:
    """Finds good records in the bytes of one segment."""

    def __init__(self, raw: bytes, seed: int) -> None:
        self._raw = raw
        self._view = memoryview(raw)
        self._seed = seed

    def next_good(self, offset: int) -> tuple[Record | None, int, int]:
        """The first good record at or behind `offset` with its start and end; None when there is no more."""
        while offset >= 0:
            body_start = self._body_start(offset)
            if body_start is None:  # not a record: look for the next that may be one
                offset = self._raw.find(_RECORD_MAGIC, offset + 1)
                continue
            _, _, length, kind, header_crc, body_crc = _RECORD_HEADER.unpack_from(self._raw, offset)
            end = body_start + length
            if end <= len(self._raw) and zlib.crc32(self._view[body_start:end], header_crc) == body_crc:
                return Record(kind, self._raw[body_start:end]), offset, end
            # A good header with a bad body: its length can be trusted, unless the file ends before.
            offset = end if end < len(self._raw) else -1
        return None, len(self._raw), len(self._raw)

    def shrunk(self, offset: int) -> bool:
        """The bytes from `offset` on are fewer than the record that they begin, or than its header."""
        there = len(self._raw) - offset
        body_start = self._body_start(offset)
        if body_start is None:
            return there < _RECORD_HEADER.size
        return there < body_start - offset + int(_RECORD_HEADER.unpack_from(self._raw, offset)[2])

    def sequence_at(self, offset: int) -> int:
        """The number of the good record at `offset`."""
        number: int = _RECORD_HEADER.unpack_from(self._raw, offset)[1]
        return number

    def _body_start(self, offset: int) -> int | None:
        if offset + _RECORD_HEADER.size > len(self._raw):
            return None
        magic, sequence, length, kind, header_crc, _ = _RECORD_HEADER.unpack_from(self._raw, offset)
        if magic != _RECORD_MAGIC or length > MAX_BODY:
            return None
        good = zlib.crc32(_CHECKED.pack(sequence, length, kind), self._seed) == header_crc
        return offset + _RECORD_HEADER.size if good else None


class Segment:
    """A segment open for appending. One writer; durable when `append` returns."""

    def __init__(self, path: Path, fs: FileSystem, image: bytes, salt: bytes, sequence: int) -> None:
        """Continue the file `path`, all of which is `image`: `sequence` good records and nothing else."""
        self.path = path
        self.extent = (len(image), zlib.crc32(image))  # bytes that are durable, and their checksum
        self._fs = fs
        self._salt = salt
        self._sequence = sequence
        with disk_errors(path):
            self._handle = fs.open_append(path)

    @classmethod
    def create(cls, path: Path, fs: FileSystem, records: Sequence[Record]) -> Segment:
        """A new segment that holds `records`, in the place of whatever was at `path`: the old or the new, whole."""
        salt = fs.salt(_SALT_SIZE)
        image = encode_headers(salt) + encode_records(salt, 0, records)
        with disk_errors(path):
            replace_file(path, [image], fs)
        return cls(path, fs, image, salt, len(records))

    def append(self, records: Sequence[Record]) -> None:
        """Write `records` with one write and one fsync.

        Raises:
            StoreError: how much of it is on the disk is unknown; do not write again.
        """
        data = encode_records(self._salt, self._sequence, records)
        with disk_errors(self.path):
            self._fs.write(self._handle, data)
            self._fs.sync(self._handle)
        length, checksum = self.extent
        self._sequence += len(records)
        self.extent = (length + len(data), zlib.crc32(data, checksum))

    def close(self) -> None:
        """Give the file handle back."""
        self._fs.close(self._handle)


def segment_name(number: int) -> str:
    """The file of a segment."""
    return f"journal-{number:08}.log"


def is_segment(file: str) -> bool:
    """A name that `segment_name` gives."""
    return file.startswith("journal-") and file.endswith(".log") and file[8:-4].isdigit()


def segment_number(file: str) -> int:
    """Which segment a file holds."""
    return int(file[8:-4])
