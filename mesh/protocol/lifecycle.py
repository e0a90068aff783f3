"""The lifecycle that users see: INIT → DISCOVERING → CONNECTING → SYNCING → OPERATIONAL ⇄ RECOVERING.

A pure function of what the node sees, evaluated after every event; the table below is the whole rule.

| state | first row whose condition holds |
|---|---|
| INIT | its swarm belongs to no federation any more |
| RECOVERING | was its swarm's queen, and another one took over |
| OPERATIONAL | in step with the federation, and more than half of the members are linked (or there is nobody else) |
| RECOVERING | was operational, and is not now |
| SYNCING | linked to a member, not in step yet |
| CONNECTING | knows where a member may be, not linked |
| DISCOVERING | knows no address of any member |
| INIT | belongs to no federation |
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Lifecycle(StrEnum):
    """States of a node, as users asked for them."""

    INIT = "INIT"
    DISCOVERING = "DISCOVERING"
    CONNECTING = "CONNECTING"
    SYNCING = "SYNCING"
    OPERATIONAL = "OPERATIONAL"
    RECOVERING = "RECOVERING"


class Surroundings(NamedTuple):
    """What the lifecycle depends on."""

    members: int  # of the federation, this one included
    linked: int  # other members with an established link
    addresses_known: bool  # of any other member
    in_step: bool  # the chain reaches us, the first anti-entropy after (re)connecting is done, our log is confirmed
    was_operational: bool
    fenced: bool = False  # this node was its swarm's queen, and is a backup now
    gone: str = ""  # why its swarm does not belong any more, for people

    @property
    def missing(self) -> int:
        """How many more links it takes to reach more than half of the members, this one included."""
        return max(0, self.members // 2 - self.linked)


def lifecycle_of(seen: Surroundings) -> Lifecycle:
    """The state that follows from what is seen."""
    if seen.gone:
        return Lifecycle.INIT
    if seen.fenced:
        return Lifecycle.RECOVERING
    if seen.in_step and not seen.missing:
        return Lifecycle.OPERATIONAL
    if seen.was_operational:
        return Lifecycle.RECOVERING
    if seen.linked:
        return Lifecycle.SYNCING
    return Lifecycle.CONNECTING if seen.addresses_known else Lifecycle.DISCOVERING


def lifecycle_reason(state: Lifecycle, seen: Surroundings) -> str:
    """A sentence for `status`."""
    others = max(seen.members - 1, 0)
    match state:
        case Lifecycle.INIT:
            return seen.gone or "no federation yet: create one or join one"
        case Lifecycle.DISCOVERING:
            return "no address of any member is known: looking on the LAN and at the bootstrap addresses"
        case Lifecycle.CONNECTING:
            return f"dialling {others} other member(s)"
        case Lifecycle.SYNCING:
            return f"linked to {seen.linked} of {others} other member(s), fetching the shared state"
        case Lifecycle.OPERATIONAL:
            return f"in step with {seen.linked} of {others} other member(s)"
        case Lifecycle.RECOVERING:
            if seen.fenced:
                return "another queen took over for this swarm meanwhile: `read-only` says what can be done"
            if seen.missing:
                return f"only {seen.linked} of {others} other member(s) are linked: waiting for {seen.missing} more"
            return "catching up after a gap in contact"
