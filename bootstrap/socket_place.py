"""Where the control socket lies: in the home, or, when the home's path is too long for one, in a short private place.

A Unix socket's path has at most 107 bytes. When home/control.sock would be longer than 100, the daemon uses
`zenmesh-<uid>-<hash of the home's path>/control.sock` under $XDG_RUNTIME_DIR, or else /tmp, and records that in the
home, for clients whose environment differs. Under /tmp anybody may have made that directory first, so it counts only
if it is ours alone: a real directory of our user with mode 0700.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from bootstrap import armour
from wire.errors import ConfigError, NotRunning

SOCKET = "control.sock"
RECORD = "control.path"
MAX_PATH = 100  # bytes

_KIND = "control socket"


def prepare_socket(home: Path) -> Path:
    """The path where the daemon of `home` (absolute) is to listen, in a directory that only its user can enter.

    Raises:
        ConfigError: the short place is somebody else's.
        StoreError: its record cannot be written.
    """
    direct = home / SOCKET
    if _fits(direct):
        return direct
    place = _short_place(home)
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    _check_private(place)
    armour.write(home / RECORD, _KIND, {"path": str(place / SOCKET)})
    return place / SOCKET


def find_socket(home: Path) -> Path:
    """The path where a client of `home` (absolute) is to connect; whether anybody listens there is not looked at.

    Raises:
        NotRunning: no daemon has recorded where it listens.
        ConfigError: the record is damaged, or what it names is somebody else's.
    """
    direct = home / SOCKET
    if _fits(direct):
        return direct
    if not (home / RECORD).exists():
        raise NotRunning(f"no zenmesh daemon serves {home}: start one with `zenmesh run`")
    fields = armour.read(home / RECORD, _KIND, "start the daemon again, it writes this file anew")
    path = Path(fields.get("path", ""))
    if not path.parent.exists():
        raise NotRunning(f"no zenmesh daemon serves {home}: start one with `zenmesh run`")
    _check_private(path.parent)
    return path


def release_socket(home: Path) -> None:
    """Remove the socket of `home` and what was made for it; never raises."""
    with contextlib.suppress(OSError, ConfigError, NotRunning):
        path = find_socket(home)
        path.unlink(missing_ok=True)
        if path.parent != home:
            path.parent.rmdir()
            (home / RECORD).unlink()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_PATH


def _short_place(home: Path) -> Path:
    name = f"zenmesh-{os.geteuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    place = Path(runtime) / name
    if os.path.isabs(runtime) and os.path.isdir(runtime) and _fits(place / SOCKET):
        return place
    return Path("/tmp") / name


def _check_private(place: Path) -> None:
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise ConfigError(
            str(place),
            "not private",
            "the directory of the control socket must be yours, with mode 0700; remove it, or use a home with a path "
            f"of less than {MAX_PATH - len(SOCKET)} bytes",
        )
