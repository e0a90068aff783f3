"""Dots: the names of changes.

An *actor* is whoever changes values with a counter of its own. It numbers its changes 1, 2, 3, …, so the pair (actor,
counter) names one change in the whole federation, once and for ever. Two writers must never share an actor, and an
actor that lost its memory must come back as a new one: a swarm in one term is a good actor, a swarm is not.

`crdt.ops.Dot` names an op inside one swarm's logs, where the actor goes without saying; `ActorDot` says it.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, NewType

from msgspec import Meta

MAX_ACTOR = 64  # bytes
MAX_COUNTER = (1 << 63) - 1

Actor = NewType("Actor", bytes)

ActorId = Annotated[Actor, Meta(min_length=1, max_length=MAX_ACTOR)]
Counter = Annotated[int, Meta(ge=1, le=MAX_COUNTER)]


class ActorDot(NamedTuple):
    """The name of one change: the `counter`-th of `actor`. Dots sort by actor, then counter."""

    actor: ActorId
    counter: Counter
