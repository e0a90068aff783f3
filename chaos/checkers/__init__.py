"""The invariants that a world is judged by, one module each. New features add theirs to `ALL`.

A checker sees what nodes do and hold, never what they say of themselves; see `base` for what it may look at, `panel`
for how it is asked.
"""

from __future__ import annotations

from chaos.checkers.agreement import Agreement
from chaos.checkers.alone import Alone
from chaos.checkers.authenticity import Authentic
from chaos.checkers.base import Checker, Violation
from chaos.checkers.bound import Bound
from chaos.checkers.bounds import Bounds
from chaos.checkers.certified import Certified
from chaos.checkers.convergence import Convergence, converged
from chaos.checkers.convicted import Convicted
from chaos.checkers.decided import Decided
from chaos.checkers.durability import Acknowledged, DurableFirst
from chaos.checkers.fenced import Fenced
from chaos.checkers.footing import Footing
from chaos.checkers.holding import Holding
from chaos.checkers.honour import Honour
from chaos.checkers.membership import OneChain
from chaos.checkers.monotone import Monotone
from chaos.checkers.once import Once
from chaos.checkers.one_vote import OneVote
from chaos.checkers.onward import Onward
from chaos.checkers.panel import OWN_INVARIANTS, Broken, Panel
from chaos.checkers.prompt import Prompt
from chaos.checkers.punctual import Punctual
from chaos.checkers.succession import Succession
from chaos.checkers.tallied import Tallied
from chaos.checkers.vote_first import VoteFirst

ALL: tuple[type[Checker], ...] = (
    Footing,
    Agreement,
    Authentic,
    Monotone,
    Once,
    Punctual,
    DurableFirst,
    Holding,
    Certified,
    Decided,
    Tallied,
    OneChain,
    OneVote,
    Fenced,
    VoteFirst,
    Onward,
    Bound,
    Convicted,
    Alone,
    Honour,
    Bounds,
    Acknowledged,
    Prompt,
    Succession,
    Convergence,
)

__all__ = ["ALL", "OWN_INVARIANTS", "Broken", "Checker", "Panel", "Violation", "converged"]
