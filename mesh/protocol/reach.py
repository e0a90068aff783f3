"""How much of the federation is in reach, and what may be done with that.

| state | weight in reach | what may be done |
|---|---|---|
| QUORATE | the epoch's quorum | everything |
| DEGRADED | more than half, but no quorum | nothing is decided; the shared state goes on |
| MINORITY | half or less | nothing new is promised to others; own writes and the shared state go on |

In reach is who answered a probe of ours that was sent within the profile's window; this node itself always is. The
rule belongs to the epoch, never to who is reachable: nobody shrinks a federation by being cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from consensus.validators import ValidatorSet
from mesh.protocol.context import Context
from wire.ids import SwarmId
from wire.time import Instant


class QuorumState(StrEnum):
    """What the reachable weight allows."""

    QUORATE = "QUORATE"
    DEGRADED = "DEGRADED"
    MINORITY = "MINORITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is in reach now."""

    state: QuorumState
    weight: int
    total: int
    needed: int  # weight that decides
    silent: tuple[str, ...]  # names of voters out of reach

    @property
    def reason(self) -> str:
        """A sentence for `status`: why, and what would mend it."""
        here = f"{self.weight} of {self.total} weight is in reach"
        if self.state is QuorumState.QUORATE:
            return f"{here}: decisions can be made"
        return f"{here} and a decision takes {self.needed}: waiting for {', '.join(self.silent)}"

    @property
    def refusal(self) -> str:
        """Why nothing can be decided; empty when it can."""
        if self.state is QuorumState.QUORATE:
            return ""
        return f"{self.reason} ({self.state.value}); start their nodes or mend the network: see `zenmesh peers`"


def reach(context: Context, now: Instant) -> Reach:
    """Who answered lately, weighed by the rule of the epoch."""
    voters = context.chain.validators()
    heard = [v.swarm for v in voters.validators if in_reach(context, v.swarm, now)]
    silent = tuple(context.name_of(v.swarm) for v in voters.validators if v.swarm not in heard)
    return Reach(
        state=_state(voters, heard),
        weight=voters.weight(heard),
        total=voters.total,
        needed=voters.rule.needed(voters.total),
        silent=silent,
    )


def _state(voters: ValidatorSet, heard: list[SwarmId]) -> QuorumState:
    if voters.is_quorum(heard):
        return QuorumState.QUORATE
    return QuorumState.DEGRADED if voters.is_majority(heard) else QuorumState.MINORITY


def in_reach(context: Context, swarm: SwarmId, now: Instant) -> bool:
    """It answered lately, or is this very node."""
    if swarm == context.me.swarm:
        return True
    link = context.links.of_swarm(swarm)
    return link is not None and now - link.answered <= context.config.profile.contact_window
