"""How much of the federation is in reach, and what may be done with that.

In reach is who answered a probe of ours that was sent within the profile's window; this node itself always is. The
rule belongs to the epoch, never to who is reachable: nobody shrinks a federation by being cut off. The table is
`QuorumState`, each state with what it allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from consensus.membership import SILENT
from consensus.takeover import roots
from consensus.validators import ValidatorSet
from mesh.protocol.context import Context
from wire.ids import SwarmId
from wire.time import Instant

MEND = "start their nodes or mend the network: see `zenmesh peers`"


class QuorumState(StrEnum):
    """What the weight in reach allows."""

    QUORATE = "QUORATE"  # the epoch's quorum
    DEGRADED = "DEGRADED"  # more than half, but no quorum
    MINORITY = "MINORITY"  # half or less

    @property
    def powers(self) -> tuple[Power, ...]:
        """What may be done, in the order in which it is lost."""
        return _POWERS[self]


class Power(StrEnum):
    """Something that a node may do, as long as so much is in reach."""

    DECIDE = "decide"  # what the federation decides: proposals, admissions, departures
    PROMISE = "promise"  # to another swarm, up to what needs no decision
    OWN = "own"  # own agents, own writes, and the shared state as it comes


_POWERS = {
    QuorumState.QUORATE: (Power.DECIDE, Power.PROMISE, Power.OWN),
    QuorumState.DEGRADED: (Power.PROMISE, Power.OWN),
    QuorumState.MINORITY: (Power.OWN,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What is in reach now."""

    state: QuorumState
    weight: int
    total: int
    needed: int  # weight that decides
    silent: tuple[str, ...]  # names of voters out of reach
    votes_away: tuple[str, ...] = ()  # who counts in the total and does not vote, with the reason
    mend: str = MEND

    @property
    def away(self) -> tuple[str, ...]:
        """Whose weight is missing."""
        return (*self.silent, *self.votes_away)

    @property
    def reason(self) -> str:
        """A sentence for `status`: why."""
        here = f"{self.weight} of {self.total} weight is in reach"
        if self.state is QuorumState.QUORATE:
            return f"{here}: decisions can be made"
        return f"{here} and a decision takes {self.needed}: waiting for {', '.join(self.away)}"

    @property
    def remedy(self) -> str:
        """What would mend it; empty when nothing has to be."""
        return "" if self.state is QuorumState.QUORATE else self.mend

    @property
    def refusal(self) -> str:
        """Why nothing can be decided; empty when it can."""
        if Power.DECIDE in self.state.powers:
            return ""
        return f"{self.reason} ({self.state.value}); {self.remedy}"


def reach(context: Context, now: Instant) -> Reach:
    """Who answered lately, weighed by the rule of the epoch."""
    voters = context.chain.validators()
    heard = [v.swarm for v in voters.validators if in_reach(context, v.swarm, now)]
    silent = tuple(context.name_of(v.swarm) for v in voters.validators if v.swarm not in heard)
    counted = [m for m in context.chain.members() if m.state in SILENT and m.weight]
    return Reach(
        state=_state(voters, heard),
        weight=voters.weight(heard),
        total=voters.total,
        needed=voters.rule.needed(voters.total),
        silent=silent,
        votes_away=tuple(f"{m.name} ({m.state.name.lower()})" for m in counted),
        mend=MEND if context.chain.governed else await_creator(context),
    )


def growing_pain(context: Context, now: Instant) -> str:
    """Why one more member cannot be afforded now: by the rule of so many, who is in reach would decide no more, not
    even that it votes. Empty when it can, or when nothing can be decided anyway."""
    chain, voters, seen = context.chain, context.chain.validators(), reach(context, now)
    grown = replace(voters.rule, members=max(voters.rule.members, len(chain.members()) + 1))
    if seen.refusal or grown.reached(seen.weight, seen.total):
        return ""
    return (
        f"with one more member a decision takes {grown.needed(seen.total)} of {seen.total} weight, more than is in "
        f"reach: waiting for {', '.join(seen.away)}; start their nodes, or expel who is gone for good"
    )


def await_creator(context: Context) -> str:
    """What would mend it that the creator, which governs alone, is out of reach."""
    members = roots(context.chain)
    needed = members.rule.needed(members.total)
    keys = (
        f"{needed} of {members.total} root keys" if needed < members.total else "all root keys, its own among them,"
    )
    return f"start its node; where it is lost for good, {keys} take over: `zenmesh takeover request`"


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
