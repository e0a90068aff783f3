"""Small files of a home as text that a person can read and no bit can change unnoticed.

    zenmesh node key
    public: 4f1c…
    secret: 9a07…
    check: 1b7e…            SHA-256 (hex) of everything before this line

A file is read by taking it apart, writing it anew and comparing: there is exactly one way to write each, so every
changed byte is noticed, spaces and line ends included.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from pathlib import Path

from mesh.storage.files import disk_errors, replace_file
from wire.errors import ConfigError

_TITLE = "zenmesh "
_CHECK = "check"
_SEPARATOR = ": "


def render(kind: str, fields: Mapping[str, str]) -> bytes:
    """The bytes of a file of `kind` with `fields`, in their order."""
    lines = [_TITLE + kind, *(name + _SEPARATOR + value for name, value in fields.items())]
    assert all("\n" not in line for line in lines), "one line each"
    assert not any(_SEPARATOR in name for name in fields), "a name ends at the first separator"
    body = "".join(line + "\n" for line in lines).encode()
    return body + f"{_CHECK}{_SEPARATOR}{hashlib.sha256(body).hexdigest()}\n".encode()


def parse(kind: str, raw: bytes) -> dict[str, str]:
    """The fields of a file of `kind`.

    Raises:
        ValueError: says what is wrong, without any value of the file.
    """
    try:
        title, *lines = raw.decode().split("\n")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    pairs = [line.partition(_SEPARATOR) for line in lines[:-2]]
    fields = {name: value for name, _, value in pairs}
    if title == _TITLE + kind and raw == render(kind, fields):
        return fields
    if title.startswith(_TITLE) and raw == render(title.removeprefix(_TITLE), fields):
        raise ValueError(f"it is a {title.removeprefix(_TITLE)!r} file where a {kind!r} file belongs")
    raise ValueError("its checksum does not match: it was changed or damaged")


def write(path: Path, kind: str, fields: Mapping[str, str]) -> None:
    """Replace `path` atomically and durably, readable by its owner only.

    Raises:
        StoreError: the disk refused.
    """
    with disk_errors(path):
        replace_file(path, [render(kind, fields)])


def read(path: Path, kind: str, remedy: str) -> dict[str, str]:
    """The fields of the file `path`; `remedy` tells a person what to do when they cannot be had.

    Raises:
        ConfigError: the file is missing, unreadable or damaged.
    """
    try:
        return parse(kind, path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(str(path), "missing", remedy) from None
    except OSError as error:
        raise ConfigError(str(path), "unreadable", f"{error.strerror}; {remedy}") from None
    except ValueError as error:
        raise ConfigError(str(path), "damaged", f"{error}; {remedy}") from None


def to_text(data: bytes) -> str:
    """Bytes as one field."""
    return base64.b64encode(data).decode()


def to_bytes(text: str) -> bytes:
    """The inverse of `to_text`, for fields of a file whose checksum was right.

    Raises:
        ValueError: another program wrote it.
    """
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("it holds no base64 where it should") from None
