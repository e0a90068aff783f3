"""Towns whose queens govern: whole nodes in the small world that propose, vote and decide.

town = town_of(4)                             # alpha to delta; every queen approves, unless a rule says otherwise
decided = result(propose(town, "beta"))       # a decision, as `zenmesh propose --wait` gives it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.governance.proposals import Choice
from consensus.membership import MemberState
from mesh.protocol.commands import Failure, GetDecisions, GetProposals, Outcome, Propose, Success
from mesh.protocol.config import NodeConfig, VotingPolicy
from mesh.protocol.node import Node
from tests.support.small_swarms import Town
from wire import cbor, cose
from wire.ids import sha256
from wire.time import SECOND
from wire.types import ContentType

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon")
URGENT = {"kind": "task", "target": "t1", "priority": "critical"}


def town_of(
    size: int,
    default: Choice | None = Choice.APPROVE,
    *,
    seed: int = 1,
    lives_ms: Mapping[str, int] | None = None,
    **rules: Choice | None,
) -> Town:
    """A federation of so many, governed by its queens, who vote by one policy."""
    config = NodeConfig(voting=VotingPolicy(rules=rules, default=default))
    town = Town(*NAMES[:size], seed=seed, config=config, lives_ms=lives_ms)
    town.form()
    town.world.run_until(lambda: all(voting(node) for node in town.nodes()))
    return town


def voting(node: Node) -> bool:
    """This node votes, and all members that it knows of do."""
    members = node.context.chain.members()
    return node.deciding.replica.voting and all(member.state is MemberState.ACTIVE for member in members)


def propose(town: Town, name: str, action: str = "set_priority", **details: Any) -> Outcome:
    """Ask the federation through one of its nodes, and wait for the decision."""
    subject = "PRIORITY_CHANGE" if action == "set_priority" else "FEDERATION_POLICY"
    command = Propose(subject=subject, action=action, details=details or URGENT, deadline_s=20, wait=True)
    return town.world.ask(town[name], command, limit=60 * SECOND)


def put_to_vote(town: Town, name: str) -> str:
    """Propose something and wait for nothing; its id."""
    command = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=URGENT)
    return str(result(town.world.ask(town[name], command))["proposal"])


def result(outcome: Outcome) -> Mapping[str, Any]:
    """What a command that has to succeed gave."""
    assert isinstance(outcome, Success), outcome
    return outcome.result


def refused(outcome: Outcome) -> Failure:
    """Why a command that has to fail did."""
    assert isinstance(outcome, Failure), outcome
    return outcome


def proposals(town: Town, name: str) -> list[str]:
    """Ids of what is open, as one node sees it."""
    rows: Any = result(town.world.ask(town[name], GetProposals()))["proposals"]
    return [row["proposal"] for row in rows]


def decisions(town: Town, name: str) -> list[tuple[str, str]]:
    """(id, status) of what was decided, as one node sees it."""
    rows: Any = result(town.world.ask(town[name], GetDecisions()))["decisions"]
    return [(row["proposal"], row["status"]) for row in rows]


def everyone_at(town: Town, height: int) -> bool:
    """All running nodes have a chain of this height."""
    return {node.context.chain.height for node in town.nodes()} == {height}


def swarm_hex(town: Town, name: str) -> str:
    """The id of a swarm."""
    return town.node(name).context.me.swarm.hex()


def contradiction(town: Town, liar: str, first: bytes = b"one", second: bytes = b"another") -> tuple[bytes, bytes]:
    """Two votes of one queen that no honest one casts both, on blocks with the hashes of these bytes."""
    chain, key = town.node("alpha").context.chain, town.swarms[liar].queen()
    cores = (chain.core(sha256(block), 0) for block in (first, second))
    one, two = (cose.seal(ContentType.PREPARE, cbor.encode_struct(c), key, chain.federation_id) for c in cores)
    return one, two
