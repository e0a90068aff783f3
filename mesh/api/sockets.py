"""Unix sockets at paths of any length, for this user's eyes only.

A socket address holds 108 bytes, a home path may be longer. A longer path is reached through an open descriptor of
its directory: `/proc/self/fd/N/name` is short and names the same file. The mode is set before the file exists
(Linux creates it with the mode of the socket's inode), so that there is no moment in which others may connect.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from wire.errors import ConfigError

MAX_ADDRESS = 100  # bytes; the kernel takes 107 and a final zero
BACKLOG = 64
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """An address for `bind` or `connect` that names `path`, valid within the block."""
    if len(os.fsencode(path)) <= MAX_ADDRESS:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A connected stream socket; raises OSError when nobody listens there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        with address_of(path) as address:
            sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def listen(path: Path) -> socket.socket:
    """A non-blocking listener at `path`, mode 0600; a socket that a dead process left there is replaced.

    Raises:
        ConfigError: something else stands there, or another process answers.
    """
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        os.fchmod(sock.fileno(), 0o600)
        with address_of(path) as address:
            sock.bind(address)
        path.chmod(0o600)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def remove(path: Path) -> None:
    """Take a listener's file away."""
    path.unlink(missing_ok=True)


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end, as the kernel knows it."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError("socket", str(path), "is another kind of file: move it out of the way")
    try:
        connect(path, timeout_s=1.0).close()
    except OSError:
        path.unlink(missing_ok=True)
    else:
        raise ConfigError("socket", str(path), "another process answers there: one process per home")
