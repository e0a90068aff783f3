"""Canaries in how one queen follows another: a term that ends and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.rules import Rules

if TYPE_CHECKING:
    from chaos.process import Process


class Undead(Rules):
    """What an old queen writes after another one took over counts all the same."""

    def booted(self, process: Process) -> None:
        chain = process.node.context.chain
        chain.close_of = lambda swarm, term: None  # type: ignore[method-assign]


class Shy(Rules):
    """A backup never takes over."""

    def booted(self, process: Process) -> None:
        process.node.understudy._take_over = lambda *arguments: None  # type: ignore[method-assign]
