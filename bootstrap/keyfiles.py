"""Key files: root.key, node.key, queen-<term>.key, backup.key.

| role | what it does | what losing it costs |
|---|---|---|
| root | signs the swarm's certificates; kept offline once set up | the swarm can never get a new queen key |
| node | the libp2p identity of one process | the address that others know |
| queen | signs everything the swarm says in one term | nothing: a new term takes a new key |
| backup | signs once this node took over as queen | nothing: another backup is made |

Each is an armoured text file (see `armour`), 0600, with its role and public key. A key file is never overwritten, and
no message shows what is secret in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bootstrap import armour
from wire.errors import ConfigError
from wire.keys import SigningKey

_QUEEN_FILE = re.compile(r"queen-([1-9][0-9]{0,8}|0)\.key")


class Role(StrEnum):
    """What a key is for."""

    ROOT = "root"
    NODE = "node"
    QUEEN = "queen"
    BACKUP = "backup"


_NOTES = {
    Role.ROOT: "secret; keep a copy offline, whoever holds this file owns the swarm",
    Role.NODE: "secret; the network identity of this node",
    Role.QUEEN: "secret; whoever holds this file speaks for the swarm in this term",
    Role.BACKUP: "secret; whoever holds this file speaks for the swarm once the federation made it queen",
}

_REMEDIES = {
    Role.ROOT: "put back the copy that you keep offline",
    Role.NODE: "put back this file from a backup (`zenmesh home restore`)",
    Role.QUEEN: "put back this file from a backup, or run `zenmesh recover --new-term` with the root key",
    Role.BACKUP: "put back this file from a backup (`zenmesh home restore`), or make another backup",
}


@dataclass(frozen=True, slots=True)
class KeyName:
    """Which key: a role, and for a queen key its term."""

    role: Role
    term: int | None = None

    def __post_init__(self) -> None:
        assert (self.role is Role.QUEEN) == (self.term is not None), "queen keys, and only they, have a term"

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.role}.key" if self.term is None else f"{self.role}-{self.term}.key"


ROOT = KeyName(Role.ROOT)
NODE = KeyName(Role.NODE)
BACKUP = KeyName(Role.BACKUP)


def queen(term: int) -> KeyName:
    """The queen key of `term`."""
    return KeyName(Role.QUEEN, term)


def write_key(directory: Path, name: KeyName, key: SigningKey) -> None:
    """Keep `key` in `directory`.

    Raises:
        ConfigError: there is such a key already.
        StoreError: the disk refused.
    """
    path = directory / name.file
    if path.exists():
        raise ConfigError(str(path), "present", "a key is never overwritten; move it away first")
    fields = {"note": _NOTES[name.role]}
    if name.term is not None:
        fields["term"] = str(name.term)
    fields |= {"public": key.public.hex(), "secret": key.seed.hex()}
    armour.write(path, _kind(name.role), fields)


def read_key(directory: Path, name: KeyName) -> SigningKey:
    """The key `name` in `directory`.

    Raises:
        ConfigError: it is missing, damaged, readable by others, or of another role or term.
    """
    return read_key_file(directory / name.file, name)


def read_key_file(path: Path, name: KeyName) -> SigningKey:
    """The key `name` from a file of any name, as when the root key is brought on a stick. Raises like `read_key`."""
    remedy = _REMEDIES[name.role]
    fields = armour.read(path, _kind(name.role), remedy)
    if path.stat().st_mode & 0o077:
        raise ConfigError(str(path), "readable by others", f"make it private: chmod 600 {path}")
    if fields.get("term") != (None if name.term is None else str(name.term)):
        raise ConfigError(
            str(path), f"term {fields.get('term')}", f"the key of term {name.term} belongs here; {remedy}"
        )
    try:
        key = SigningKey(bytes.fromhex(fields["secret"]))
    except (KeyError, ValueError):
        raise ConfigError(str(path), "damaged", f"it holds no key; {remedy}") from None
    if key.public.hex() != fields.get("public"):
        raise ConfigError(str(path), "damaged", f"its public and secret halves do not match; {remedy}")
    return key


def has_key(directory: Path, name: KeyName) -> bool:
    """Whether there is a file for `name` (the root key is often elsewhere)."""
    return (directory / name.file).exists()


def queen_terms(directory: Path) -> list[int]:
    """The terms of which there are queen keys, ascending."""
    matches = map(_QUEEN_FILE.fullmatch, (path.name for path in directory.iterdir()))
    return sorted(int(match[1]) for match in matches if match)


def _kind(role: Role) -> str:
    return f"{role} key"
