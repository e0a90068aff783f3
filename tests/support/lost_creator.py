"""Whole nodes of a federation of before, in the small world: alpha created it, governs it, and need not come back.

town = of_before("beta", "gamma", "delta")       # all are down
start(town, "beta", "gamma", "delta")            # updated, and ready to govern
"""

from __future__ import annotations

from consensus.governance.proposals import Choice
from mesh.protocol.commands import MemoryPut
from mesh.protocol.config import NodeConfig, VotingPolicy
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.time import SECOND

READY = NodeConfig(govern_patience=60 * SECOND, voting=VotingPolicy(default=Choice.APPROVE))


def of_before(*names: str) -> Town:
    """A federation of before, in which alpha wrote something and all went down."""
    town = Town("alpha", *names, config=CREATORS_RULE)
    town.form()
    town.world.ask(town["alpha"], MemoryPut(key="plan", value=b'"by alpha"'))
    town.settle()
    town.world.run(30 * SECOND)  # all know where the others are
    for host in town.hosts.values():
        town.world.stop(host)
    return town


def start(town: Town, *names: str, config: NodeConfig = READY) -> None:
    town.config = config
    for name in names:
        town.world.start(town[name])
    town.world.run(10 * SECOND)
