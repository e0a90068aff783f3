"""A node that dies by its own SIGKILL at a crash point: at the first record of a row of the write-ahead table.

    doom = Doom(directory / "doom")
    Federation(directory, doom.launch)      # its nodes are doomed
    doom.strike("PREPARE", Moment.WRITTEN)  # whichever of them is the first to write one dies there, and no other

It is the daemon of `zenmesh run` but for the two calls at which it may die: the append of records, and the fsync in
it. What rests on the records has not left by then. Whoever comes by takes the file away, so that it strikes once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from bootstrap.home import Home
from mesh.protocol.effects import Persist, RecordKind
from mesh.storage.files import PosixFileSystem
from mesh.storage.store import Record, Store
from tests.support.stand_in import launching, stand_in
from tests.support.write_ahead import ROWS


class Moment(StrEnum):
    """Where the process ends."""

    WRITTEN = "written, and not synced"
    DURABLE = "durable, and nothing has left"


class Doom:
    """A file that says at which record of which row somebody dies."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.launch = launching("tests.support.doomed", str(file))

    def strike(self, row: str, moment: Moment) -> None:
        """The next one to come by dies."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{row}\n{moment}")
        draft.rename(self._file)

    @property
    def pending(self) -> bool:
        """Nobody has come by yet."""
        return self._file.exists()

    def claimed(self, records: Sequence[Record]) -> Moment | None:
        """Where this process, which is about to write `records`, has to die."""
        try:
            row, _, moment = self._file.read_text().partition("\n")
        except FileNotFoundError:
            return None
        known = [Persist(kind=RecordKind(record.kind), body=record.body) for record in records]
        if not any(map(ROWS[row], known)):
            return None
        try:
            self._file.unlink()
        except FileNotFoundError:  # somebody else was quicker
            return None
        return Moment(moment)


def _die(*arguments: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def doomed(doom: Doom) -> None:
    """From now on this process dies where `doom` says."""
    append = Store.append

    def appending(store: Store, records: Sequence[Record]) -> None:
        moment = doom.claimed(records)
        if moment is Moment.WRITTEN:
            PosixFileSystem.sync = _die  # type: ignore[method-assign]
        append(store, records)
        if moment is Moment.DURABLE:
            _die()

    Store.append = appending  # type: ignore[method-assign]


def change(file: str, home: Home) -> None:
    """Doom the process of a home's node."""
    doomed(Doom(Path(file)))


if __name__ == "__main__":
    stand_in(sys.argv[1:], change)
