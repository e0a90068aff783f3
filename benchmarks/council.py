"""Deciding in large federations, in the simulated world: the messages and the CPU that a decision takes.

Every node is the real one, verifies each signature by itself, and votes by policy; the network and the disk are not
real. What is counted is all that nodes send from the question on until every node has the decision, their probes too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.report import Figure, milliseconds
from chaos.process import Process
from chaos.runner import rare_collections
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from mesh.protocol.commands import Operation, Propose
from mesh.protocol.config import ProfileName
from mesh.protocol.effects import Effect, Persist, Send
from mesh.protocol.events import InEvent

SIZES = {4: 20, 31: 5, 100: 1}  # swarms, decisions
SETTLE = 10 * SECOND
PATIENCE = 60 * SECOND


@dataclass
class Counter:
    """An observer that counts what is sent and what is made durable."""

    sent: int = 0
    octets: int = 0
    records: int = 0

    def releasing(self, world: World, process: Process, effect: Effect) -> None:
        if isinstance(effect, Send):
            self.sent += 1
            self.octets += len(effect.message)

    def persisted(self, world: World, process: Process, record: Persist) -> None:
        self.records += 1

    def stepped(self, world: World, process: Process, event: InEvent) -> None:
        pass

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> None:
        pass

    def fallen(self, world: World, process: Process, invariant: str) -> None:
        raise AssertionError(invariant)


def run() -> Iterator[Figure]:
    """All figures of this module."""
    with rare_collections():
        for swarms, decisions in SIZES.items():
            yield from _decisions(swarms, decisions)


def _decisions(swarms: int, count: int) -> Iterator[Figure]:
    counter = Counter()
    scenario = Scenario(seed=1, swarms=swarms, profile=ProfileName.WAN, govern=True, memo=False)
    world = World(scenario, (counter,))
    for host in world.hosts.values():
        world.start(host)
    world.run(SETTLE)
    sent = octets = records = 0
    virtual = cpu = 0.0
    for number in range(count):
        before, began = (counter.sent, counter.octets, counter.records), world.now
        start = time.process_time()
        _decide(world, number)
        cpu += time.process_time() - start
        virtual += (world.now - began) / SECOND
        sent, octets, records = (
            total + now - then
            for total, now, then in zip(
                (sent, octets, records), (counter.sent, counter.octets, counter.records), before, strict=True
            )
        )
        world.run(world.now + SECOND)
    yield Figure(name=f"{swarms} swarms: messages for a decision, a node", value=f"{sent / count / swarms:.1f}")
    yield Figure(name=f"{swarms} swarms: bytes for a decision, a node", value=f"{octets / count / swarms:,.0f}")
    yield Figure(name=f"{swarms} swarms: records for a decision, a node", value=f"{records / count / swarms:.1f}")
    yield Figure(name=f"{swarms} swarms: CPU for a decision, a node", value=milliseconds(cpu / count / swarms))
    yield Figure(name=f"{swarms} swarms: a decision, in virtual time", value=milliseconds(virtual / count))


def _decide(world: World, number: int) -> None:
    """Have something decided, and wait until every node knows it."""
    nodes = [host.process.node for host in world.hosts.values() if host.process is not None]
    before = [len(node.context.chain.standing.outcomes) for node in nodes]
    details = {"kind": "task", "target": f"t{number}", "priority": "high"}
    asker = list(world.hosts.values())[-1]
    world.ask(asker, Propose(subject="PRIORITY_CHANGE", action="set_priority", details=details))
    behind = list(zip(nodes, before, strict=True))

    def known() -> bool:
        while behind and len(behind[-1][0].context.chain.standing.outcomes) > behind[-1][1]:
            behind.pop()
        return not behind

    assert world.run_until(known, world.now + PATIENCE), "nothing was decided"
