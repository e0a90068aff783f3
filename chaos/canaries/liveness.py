"""Canaries that never go wrong, and never get anywhere: only the end of a run shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.rules import Rules

if TYPE_CHECKING:
    from chaos.process import Process


class Sleeping(Rules):
    """A node wants no session with anybody: it lives on what it is told in passing."""

    def booted(self, process: Process) -> None:
        doubts = process.node.syncing.doubts
        doubts.certain = lambda peer: None  # type: ignore[method-assign]
        doubts.differs = lambda peer, root, now, patient=False: None  # type: ignore[method-assign]
