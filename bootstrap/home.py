"""The home: one directory that is one node. Whoever has it is that node.

    format          which version of this layout; a newer one is refused, an older one is migrated after a copy
    config.toml     what a person decided                        (bootstrap.config)
    keys/           root.key, node.key, queen-<term>.key, backup.key   (bootstrap.keyfiles)
    genesis         of the federation; may be handed out
    member.cert     the root-signed certificate of this swarm
    backup.request  this home is a backup's, of that queen       (bootstrap.backups)
    join.ticket     a join that was asked for and is not through yet
    anchor          the block of the federation's chain that the ticket named
    state/          journal and snapshots                        (mesh.storage.store)
    restored        this home came out of an archive: it must start in a new term
    lock            held by the process that is this node
    control.sock    where its daemon answers                     (bootstrap.socket_place)

Every file but config.toml carries a checksum, and a bad one is named with what to do. Directories are 0700, files
0600. `format` is written last, so a half-made home is none.

    home = Home.create(path, {"swarm": "alpha", "project": "demo"}, keys)
    home = Home.open(path)
    with home.lock(): ...
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootstrap import armour
from bootstrap.config import Config, check_config, load_config, render_config
from bootstrap.keyfiles import KeyName, write_key
from consensus.tickets import Anchor
from mesh.storage.files import DIRECTORY_MODE, POSIX, disk_errors, replace_file
from mesh.storage.store import Store
from wire import cbor
from wire.errors import ConfigError, DecodeError, UsageError
from wire.ids import sha256
from wire.keys import SigningKey

FORMAT = 2
DEFAULT_HOME = "~/.zenmesh"

Migration = Callable[[Path], None]
# From this format to the next; a step cut short is run again. Format 2 may hold votes and ballots of a queen. In the
# same files: but who does not know them would forget them, and could vote twice.
MIGRATIONS: dict[int, Migration] = {1: lambda path: None}

_RESTORE = "put back a backup with `zenmesh home restore`"


class HomeInUse(UsageError):
    """Another process is this node right now."""


@dataclass(frozen=True, slots=True)
class Home:
    """The home at `path` (absolute, links resolved)."""

    path: Path

    @staticmethod
    def locate(option: str | None) -> Path:
        """Where the home is: the command line's word, else $ZENMESH_HOME, else ~/.zenmesh."""
        return Path(option or os.environ.get("ZENMESH_HOME") or DEFAULT_HOME).expanduser()

    @classmethod
    def create(
        cls,
        path: Path,
        settings: Mapping[str, object],
        keys: Mapping[KeyName, SigningKey],
        keep: Callable[[Home], None] | None = None,
    ) -> Home:
        """Make a home: `settings` are the fields of config.toml that differ from their defaults, `keep` writes more.

        Raises:
            ConfigError: a setting is wrong, or there is something at `path` already; nothing was written.
            StoreError: the disk refused.
        """
        check_config(settings)
        path = path.expanduser().resolve()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(str(path), "not empty", "a home needs a new or an empty directory")
        home = cls(path)
        with disk_errors(path):
            POSIX.make_directory(path)
            path.chmod(DIRECTORY_MODE)
            POSIX.sync_directory(path.parent)
            home.keys.mkdir(mode=DIRECTORY_MODE)
            for name, key in keys.items():
                write_key(home.keys, name, key)
            replace_file(home.config_file, [render_config(settings).encode()])
        Store.create(home.state)
        if keep is not None:
            keep(home)
        home.mark_format(FORMAT)
        return home

    @classmethod
    def find(cls, path: Path) -> Home:
        """The home at `path` as it is: of this version's format, or of an older one whose node may run.

        Raises:
            ConfigError: there is none, its format is newer, or its format file is damaged.
        """
        home = cls(path.expanduser().resolve())
        home.check_format()
        return home

    @classmethod
    def open(cls, path: Path) -> Home:
        """The home at `path`, brought to this version's format.

        Raises:
            ConfigError: as `find`.
            HomeInUse: it is of an older format, and its node runs.
        """
        home = cls.find(path)
        if home.format < FORMAT:
            home._migrate()
        return home

    # where things are

    @property
    def format_file(self) -> Path:
        return self.path / "format"

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def genesis_file(self) -> Path:
        return self.path / "genesis"

    @property
    def certificate_file(self) -> Path:
        return self.path / "member.cert"

    @property
    def anchor_file(self) -> Path:
        return self.path / "anchor"

    @property
    def ticket_file(self) -> Path:
        return self.path / "join.ticket"

    @property
    def backup_file(self) -> Path:
        return self.path / "backup.request"

    @property
    def restored_file(self) -> Path:
        return self.path / "restored"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    # what is in them

    @property
    def format(self) -> int:
        """The version of the layout. Raises ConfigError when its file is damaged."""
        text = armour.read(self.format_file, "home format", _RESTORE).get("version", "")
        if not (text.isascii() and text.isdigit()):
            raise ConfigError(str(self.format_file), "damaged", f"it holds no version; {_RESTORE}")
        return int(text)

    def check_format(self) -> int:
        """The version of the layout, if this zenmesh can deal with it. Raises ConfigError."""
        if not self.format_file.exists():
            rule = f"not a zenmesh home (it has no `format` file); make one with `zenmesh init --home {self.path}`"
            if self.keys.exists():
                rule = f"its `format` file is missing; {_RESTORE}"
            raise ConfigError("home", str(self.path), rule)
        version = self.format
        if version > FORMAT:
            rule = f"made by a newer zenmesh (this one knows formats up to {FORMAT}); install that version"
            raise ConfigError(str(self.format_file), version, rule)
        return version

    def mark_format(self, version: int) -> None:
        """Record that the layout is of `version`."""
        armour.write(self.format_file, "home format", {"version": str(version)})

    def config(self) -> Config:
        """The checked config.toml. Raises ConfigError."""
        return load_config(self.config_file)

    def genesis(self) -> bytes | None:
        """The genesis of the federation as received, None while there is no federation. Raises ConfigError."""
        return read_genesis(self.genesis_file) if self.genesis_file.exists() else None

    def write_genesis(self, raw: bytes) -> None:
        """Keep the genesis. Raises StoreError."""
        fields = {"federation": sha256(raw).hex(), "data": armour.to_text(raw)}
        armour.write(self.genesis_file, "genesis", fields)

    def certificate(self) -> bytes | None:
        """The member certificate (COSE_Sign1 bytes), None while there is none. Raises ConfigError."""
        if not self.certificate_file.exists():
            return None
        remedy = f"{_RESTORE}, or run `zenmesh recover --new-term`"
        fields = armour.read(self.certificate_file, "member certificate", remedy)
        return _data(self.certificate_file, fields, remedy)

    def write_certificate(self, raw: bytes) -> None:
        """Keep the member certificate. Raises StoreError."""
        armour.write(self.certificate_file, "member certificate", {"data": armour.to_text(raw)})

    def anchor(self) -> Anchor | None:
        """The block that the ticket of this swarm named, None when it came without one. Raises ConfigError."""
        if not self.anchor_file.exists():
            return None
        remedy = f"{_RESTORE}; if there is none, remove it: the chain is then believed from its genesis on"
        fields = armour.read(self.anchor_file, "anchor", remedy)
        try:
            return cbor.decode_as(_data(self.anchor_file, fields, remedy), Anchor)
        except DecodeError as error:
            raise ConfigError(str(self.anchor_file), "damaged", f"{error}; {remedy}") from error

    def write_anchor(self, anchor: Anchor) -> None:
        """Keep the block that the ticket named. Raises StoreError."""
        armour.write(self.anchor_file, "anchor", {"data": armour.to_text(cbor.encode_struct(anchor))})

    def pending_join(self) -> dict[str, str] | None:
        """The fields of a join that is not through yet, None when there is none. Raises ConfigError."""
        if not self.ticket_file.exists():
            return None
        return armour.read(self.ticket_file, "pending join", "remove it and run `zenmesh join` again")

    def write_pending_join(self, fields: Mapping[str, str]) -> None:
        """Keep what the user asked for (a ticket, a peer, …; one line each). Raises StoreError."""
        armour.write(self.ticket_file, "pending join", fields)

    def clear_pending_join(self) -> None:
        """The join is through, or given up. Raises StoreError."""
        self._remove(self.ticket_file)

    @property
    def restored(self) -> bool:
        """This home came out of an archive, and has not begun a new term since."""
        return self.restored_file.exists()

    def mark_restored(self) -> None:
        """Ask for a new term. Raises StoreError."""
        note = "this home came out of an archive, and must start in a new term: zenmesh recover --new-term"
        armour.write(self.restored_file, "restored home", {"note": note})

    def clear_restored(self) -> None:
        """A new term has begun. Raises StoreError."""
        self._remove(self.restored_file)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the one process of this home. The lock ends with the process, however that ends.

        Raises:
            HomeInUse: another process is.
            ConfigError: this file system has no locks.
        """
        with disk_errors(self.lock_file):
            handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
                raise HomeInUse(f"{self.path} is in use by process {holder}: stop that one first") from None
            except OSError as error:
                raise ConfigError(
                    "home", str(self.path), f"this file system has no locks: {error.strerror}"
                ) from None
            with disk_errors(self.lock_file):
                os.ftruncate(handle, 0)
                os.pwrite(handle, b"%d\n" % os.getpid(), 0)
            yield
        finally:
            os.close(handle)

    def _remove(self, path: Path) -> None:
        with disk_errors(path):
            path.unlink(missing_ok=True)
            POSIX.sync_directory(self.path)

    def _migrate(self) -> None:
        """Copy the home beside itself, then take it from format to format; each step is marked when it is done."""
        with self.lock():
            for version in range(self.format, FORMAT):
                if version not in MIGRATIONS:
                    rule = f"this zenmesh cannot migrate format {version}; use an older version first"
                    raise ConfigError(str(self.format_file), version, rule)
                copy_home(self.path, self.path.with_name(f"{self.path.name}.format-{version}"))
                MIGRATIONS[version](self.path)
                self.mark_format(version + 1)


def read_genesis(path: Path) -> bytes:
    """The genesis in the file `path`, which may have been handed over by another member. Raises ConfigError."""
    remedy = "take the copy of any other member's home"
    fields = armour.read(path, "genesis", remedy)
    raw = _data(path, fields, remedy)
    if sha256(raw).hex() != fields.get("federation"):
        raise ConfigError(str(path), "damaged", f"it is not of the federation that it names; {remedy}")
    return raw


def copy_home(path: Path, copy: Path) -> None:
    """Copy the directory `path` to `copy`, whole or not at all; an earlier whole copy is left as it is."""
    if copy.exists():
        return
    partial = copy.with_name(copy.name + ".partial")
    with disk_errors(copy):
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(path, partial, symlinks=True, ignore=shutil.ignore_patterns("lock", "control.*"))
        POSIX.rename(partial, copy)
        POSIX.sync_directory(copy.parent)


def _data(path: Path, fields: Mapping[str, str], remedy: str) -> bytes:
    try:
        return armour.to_bytes(fields.get("data", ""))
    except ValueError as error:
        raise ConfigError(str(path), "damaged", f"{error}; {remedy}") from None
