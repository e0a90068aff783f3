"""`zenmesh home export` and `home restore`: a home in one file, and back.

A plain tar of the home's files, in sorted order, and at its end an armoured MANIFEST with the size and SHA-256 of
each. Nothing is put in place before everything was checked, so an archive restores whole or not at all. What belongs
to a process (lock, socket) or to a person's curiosity (what was found damaged) stays out, and so does the root key
unless asked for.

An archive is the past. A node that went on from it would sign its log's next places a second time and turn into a
forker. So a restored home carries a marker and starts in a new term.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from bootstrap import armour
from bootstrap.home import Home
from bootstrap.keyfiles import ROOT
from mesh.storage.files import POSIX, disk_errors, replace_file
from wire.errors import ConfigError

MANIFEST = "MANIFEST"

_KIND = "home archive"
_LEFT_OUT = re.compile(r"lock|restored|control\..*|.*\.damaged")
_PART = r"[^/.:\x00-\x1f\ud800-\udfff][^/:\x00-\x1f\ud800-\udfff]*"
_SAFE = re.compile(rf"{_PART}(/{_PART})*")  # relative, nothing hidden, no way up, one line
_REMEDY = "use another archive"


def export_home(home: Home, file: Path, *, with_root_key: bool = False) -> list[str]:
    """Write `home` into the new archive `file` (0600: it holds keys). Returns the names of the files in it.

    Raises:
        HomeInUse: its node runs.
        ConfigError: there is such a file already.
        StoreError: the disk refused.
    """
    if file.exists():
        raise ConfigError(str(file), "present", "an archive is never overwritten; name another file")
    left_out = set() if with_root_key else {f"keys/{ROOT.file}"}
    with home.lock():
        names = [name for name in _files_of(home.path) if name not in left_out]
        with disk_errors(file):
            replace_file(file, _archive(home.path, names))
    return names


def restore_home(file: Path, path: Path) -> Home:
    """Make the home `path` from the archive `file`.

    Raises:
        ConfigError: the archive is unreadable, damaged or no archive of a home; or there is something at `path`.
        StoreError: the disk refused.
    """
    path = path.expanduser().resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(str(path), "not empty", "a home is restored into a new or an empty directory")
    partial = path.with_name(f".{path.name}.restoring")
    with disk_errors(path):
        shutil.rmtree(partial, ignore_errors=True)
        POSIX.make_directory(partial)
    try:
        _extract(file, partial)
        Home(partial).mark_restored()
        Home(partial).check_format()
        with disk_errors(path):
            POSIX.rename(partial, path)
            POSIX.sync_directory(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Home(path)


def _files_of(home: Path) -> list[str]:
    """The names, relative to `home`, of the files that make it up, sorted."""
    found = (
        path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file() and not path.is_symlink()
    )
    return sorted(name for name in found if _SAFE.fullmatch(name) and not _LEFT_OUT.fullmatch(name))


def _archive(home: Path, names: list[str]) -> Iterator[bytes]:
    """The bytes of the archive, file by file."""
    manifest = {}
    for name in names:
        data = (home / name).read_bytes()
        manifest[name] = _fingerprint(data)
        yield from _entry(name, data)
    yield from _entry(MANIFEST, armour.render(_KIND, manifest))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _entry(name: str, data: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o600
    yield info.tobuf(tarfile.PAX_FORMAT)
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)


def _fingerprint(data: bytes) -> str:
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def _extract(file: Path, directory: Path) -> None:
    """Put the files of the archive into `directory`, and check them against its manifest."""
    found: dict[str, str] = {}
    manifest: Mapping[str, str] | None = None
    with _readable(file), tarfile.open(file, "r:") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or not _SAFE.fullmatch(member.name) or member.name in found or manifest is not None:
                raise _bad(file, f"{member.name!r} does not belong into the archive of a home")
            data = content.read()
            if member.name == MANIFEST:
                manifest = armour.parse(_KIND, data)
                continue
            found[member.name] = _fingerprint(data)
            target = directory / PurePosixPath(member.name)
            with disk_errors(target):
                POSIX.make_directory(target.parent)
                replace_file(target, [data])
    if manifest is None:
        raise _bad(file, "its end is missing")
    for name in sorted(found.keys() | manifest.keys()):
        if found.get(name) != manifest.get(name):
            raise _bad(file, f"{name!r} in it is not what was exported")


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn what tar and the disk say about `file` into a ConfigError."""
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(str(file), "missing", _REMEDY) from None
    except (tarfile.TarError, ValueError) as error:
        raise _bad(file, str(error)) from None
    except OSError as error:
        raise ConfigError(str(file), "unreadable", f"{error.strerror or error}; {_REMEDY}") from None


def _bad(file: Path, detail: str) -> ConfigError:
    return ConfigError(str(file), "damaged", f"{detail}; {_REMEDY}")
