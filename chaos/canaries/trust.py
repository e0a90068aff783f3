"""Canaries that believe too much: whatever is signed, what is from the future, that equal numbers are equal logs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from chaos.rules import Rules
from crdt.sync.messages import Hello, VectorRow, Want, Wants
from crdt.sync.session import SyncEvent, SyncSession, _Heard

if TYPE_CHECKING:
    from chaos.process import Process
    from mesh.protocol.syncing import _Active
    from wire.time import Instant

Said = TypeVar("Said", VectorRow, Want)

_AN_HOUR_MS = 3_600_000


class Credulous(Rules):
    """Whatever is signed at all is signed by whom it says."""

    def booted(self, process: Process) -> None:
        process.node.context.replica.verify = lambda public, message, signature: True


class Timeless(Rules):
    """A batch from the next hour is taken as if it were from now."""

    def booted(self, process: Process) -> None:
        replica = process.node.context.replica
        replica.limits = replace(replica.limits, future_ms=_AN_HOUR_MS)


class _Numb(SyncSession):
    """A session in which logs of one length are one log, as far as is compared and as far as is served."""

    def _on_hello(self, hello: Hello, wall_ms: int) -> None:
        super()._on_hello(structs.replace(hello, rows=tuple(map(self._taken, hello.rows))), wall_ms)

    def _on_message(self, message: _Heard, wall_ms: int) -> list[SyncEvent]:
        if isinstance(message, Wants):
            message = structs.replace(message, wants=tuple(map(self._taken, message.wants)))
        return super()._on_message(message, wall_ms)

    def _taken(self, said: Said) -> Said:
        """What a peer said of a log, with our hash at that place."""
        log = self._replica.logs.get(said.author)
        mine = log.head_at(said.seq) if log is not None else None
        return said if mine is None else structs.replace(said, hash=mine.hash)


class Numb(Rules):
    """To compare version vectors is to compare numbers."""

    def booted(self, process: Process) -> None:
        syncing = process.node.syncing
        prepared = syncing._prepared

        def numb(now: Instant) -> _Active:
            active = prepared(now)
            active.session.__class__ = _Numb
            return active

        syncing._prepared = numb  # type: ignore[method-assign]
