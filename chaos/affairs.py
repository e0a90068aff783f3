"""Affairs of the federation, as scenarios have operators do them: propose, vote, leave.

Scenarios name swarms as hosts; what the chain knows of them (ids, certificates) is filled in here, by a table. An
operator whose node is down, or that has nothing to vote on, does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chaos.actions import Action, Leave, Propose, Vote
from chaos.host import Host
from chaos.world import World
from consensus.governance.actions import ACTIONS
from mesh.protocol import commands

# How an action names the swarm that it is about, and the one that proposes, where it does.
_ABOUT: dict[str, Callable[[Host, Host], Mapping[str, object]]] = {
    "allocate_agents": lambda host, other: {"lender": _hex(host), "borrower": _hex(other)},
    "set_priority": lambda host, other: {"kind": "swarm", "target": _hex(other)},
    "admit": lambda host, other: {"certificate": other.home.certificate.hex(), "inviter": _hex(host)},
    "expel": lambda host, other: {"swarm": _hex(other)},
    "reinstate": lambda host, other: {"swarm": _hex(other)},
    "set_weight": lambda host, other: {"swarm": _hex(other)},
    "set_policy": lambda host, other: {"swarm": _hex(other)},
}


def _propose(world: World, action: Propose) -> None:
    host = world.hosts.get(action.host)
    other = None if action.other is None else world.hosts.get(action.other)
    if host is None or (other is None and action.other is not None):
        return
    named = _ABOUT.get(action.action)
    about = {} if other is None or named is None else named(host, other)
    subject = ACTIONS[action.action].subject.value
    details = {**about, **action.details}
    operation = commands.Propose(subject=subject, action=action.action, details=details, deadline_s=action.deadline_s)
    world.ask(host, operation)


def _vote(world: World, action: Vote) -> None:
    host = world.hosts.get(action.host)
    if host is None or host.process is None:
        return
    open_ = host.process.node.context.chain.standing.open.values()
    unvoted = (entry.proposal.id for entry in open_ if host.home.swarm not in entry.ballots)
    proposal = next(unvoted, None)
    if proposal is not None:
        world.ask(host, commands.Vote(proposal=proposal.hex(), choice=action.choice.value))


def _leave(world: World, action: Leave) -> None:
    host = world.hosts.get(action.host)
    if host is not None:
        world.ask(host, commands.Leave())


def _hex(host: Host) -> str:
    return host.home.swarm.hex()


AFFAIRS: dict[type[Action], Callable[[World, Any], None]] = {Propose: _propose, Vote: _vote, Leave: _leave}
