"""The node loop: one task that owns the machine and carries out its effects, strictly in order.

Events from the network, the control API, discovery and the clock meet in one bounded inbox. The loop takes what has
gathered, hands each event to the machine, and interprets the effects. Records of one round are written together with
a single fsync before any later effect of the round is released: group commit, and the one rule of durability. While
a slow disk works, the other tasks go on (`mesh.runtime.disk`).

    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.run)
        outcome = await loop.execute(GetStatus())
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import trio

from mesh.protocol.commands import Failure, FailureKind, Operation, Outcome
from mesh.protocol.commits import commits
from mesh.protocol.effects import (
    Compact,
    Conclude,
    Deliberate,
    Dial,
    Disconnect,
    Effect,
    Halt,
    Joined,
    Penalize,
    Persist,
    Publish,
    Reply,
    SaveFile,
    Send,
    Settle,
    Subscribe,
    Trace,
    Trust,
)
from mesh.protocol.events import AddressesChanged, Command, InEvent, NetworkEvent, PeerDown, PeerUp, WallClock
from mesh.protocol.machine import Machine
from mesh.protocol.trace import TraceRecord
from mesh.runtime import clock
from mesh.runtime.disk import Disk
from mesh.storage.store import Record, Store
from wire.errors import Offence
from wire.ids import PeerId
from wire.time import Instant
from wire.types import Channel

EVENTS_PER_ROUND = 64
MAX_COMMANDS = 256
WALL_CLOCK_PERIOD_S = 1.0


class Network(Protocol):
    """What the loop needs of a network; sending never raises because of the peer."""

    async def receive(self) -> NetworkEvent: ...
    def send(self, peer: PeerId, channel: Channel, message: bytes) -> None: ...
    def publish(self, topic: str, message: bytes) -> None: ...
    def subscribe(self, topic: str) -> None: ...
    def dial(self, peer: PeerId, addresses: tuple[str, ...]) -> None: ...
    def disconnect(self, peer: PeerId, reason: str) -> None: ...
    def set_trusted(self, peer: PeerId, trusted: bool) -> None: ...


class Reporter(Protocol):
    """Where trace records and offence counts go."""

    def trace(self, record: TraceRecord, now: int) -> None: ...
    def offence(self, peer: PeerId, offence: Offence, detail: str) -> None: ...


class Halted(Exception):
    """The node stopped itself: going on would be wrong. The message is a sentence for the operator."""


Upgrade = Callable[[Joined], tuple[Machine, list[Effect]]]


class Deliberation(Protocol):
    """Whoever speaks for this queen where its policy is silent; never waits."""

    def ask(self, proposal: Mapping[str, object]) -> None: ...

    def conclude(self, proposal: str) -> None: ...


class NodeLoop:
    """Runs one machine for the life of the process; a joiner is replaced by the node it becomes."""

    def __init__(
        self,
        machine: Machine,
        network: Network,
        store: Store,
        reporter: Reporter,
        upgrade: Upgrade | None = None,
        deliberation: Deliberation | None = None,
    ) -> None:
        self.machine = machine
        self._network = network
        self._disk = Disk(store)
        self._reporter = reporter
        self._upgrade = upgrade
        self._deliberation = deliberation
        self._inbox: deque[InEvent] = deque()
        self._wake = trio.Event()
        self._drained = trio.Event()
        self._waiting: dict[int, tuple[trio.Event, list[Outcome]]] = {}
        self._requests = 0
        self._stopping = False
        self._has_joined = False
        self._addresses: AddressesChanged | None = None
        self._links: dict[PeerId, PeerUp] = {}

    # entrances

    def post(self, event: InEvent) -> None:
        """Queue an event of a local source (discovery, scrub)."""
        self._inbox.append(event)
        self._wake.set()

    async def execute(self, operation: Operation) -> Outcome:
        """Ask the machine and wait for its answer."""
        if len(self._waiting) >= MAX_COMMANDS:
            return Failure(
                kind=FailureKind.FAILED,
                message=f"{MAX_COMMANDS} requests are being answered already: try again shortly",
                retry_after_s=1.0,
            )
        if self._stopping:
            return Failure(kind=FailureKind.NOT_RUNNING, message="the node is shutting down")
        self._requests += 1
        done: list[Outcome] = []
        answered = trio.Event()
        self._waiting[self._requests] = (answered, done)
        request_id = self._requests
        try:
            self.post(Command(request_id=request_id, operation=operation))
            await answered.wait()
        finally:
            self._waiting.pop(request_id, None)
        return done[0]

    # the loop

    async def run(self, first: list[Effect]) -> None:
        """Carry out `first`, then live until cancelled.

        Raises:
            Halted: the machine stopped itself.
            StoreError: the disk failed.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump_network)
            nursery.start_soon(self._pump_clock)
            await self._carry_out(first)
            deadline = self.machine.next_deadline()
            while True:
                await self._wait(deadline)
                deadline = await self._round()

    async def stop(self) -> None:
        """Let the machine say its last words and mark the store clean. Call once `run` was cancelled."""
        self._stopping = True
        await self._carry_out(self.machine.stop(clock.now()))
        self._disk.close(self.machine.clean_mark())
        self._refuse_waiting()

    async def _pump_network(self) -> None:
        while True:
            event = await self._network.receive()
            self.post(event)
            if len(self._inbox) >= EVENTS_PER_ROUND * 4:  # back-pressure: the network's own inbox is bounded
                self._drained = trio.Event()
                await self._drained.wait()

    async def _pump_clock(self) -> None:
        while True:
            self.post(WallClock(ms=clock.wall_ms()))
            await trio.sleep(WALL_CLOCK_PERIOD_S)

    async def _wait(self, deadline: Instant | None) -> None:
        if self._inbox:
            await trio.lowlevel.checkpoint()
            return
        timeout = float("inf") if deadline is None else max(0, deadline - clock.now()) / 1e6
        self._wake = trio.Event()
        with trio.move_on_after(timeout):
            await self._wake.wait()

    async def _round(self) -> Instant | None:
        """What has gathered, then what is due; when there is something to do without either."""
        effects: list[Effect] = []
        for _ in range(min(len(self._inbox), EVENTS_PER_ROUND)):
            event = self._inbox.popleft()
            self._remember(event)
            effects += self.machine.handle(event, clock.now())
        self._drained.set()
        now = clock.now()
        deadline = self.machine.next_deadline()
        if deadline is not None and deadline <= now:
            effects += self.machine.tick(now)
            deadline = self.machine.next_deadline()
        machine = self.machine
        await self._carry_out(effects)
        return deadline if machine is self.machine else self.machine.next_deadline()

    async def _carry_out(self, effects: list[Effect]) -> None:
        """Release effects in order, each after the records that stand before it are durable."""
        for commit in commits(effects):
            if commit.compact is not None:
                await self._disk.compact(dict(commit.compact.snapshots))
            if commit.records:
                await self._disk.append([Record(record.kind, record.body) for record in commit.records])
            for effect in commit.rest:
                await self._release(effect)

    async def _release(self, effect: Effect) -> None:
        match effect:
            case Persist() | Compact():
                raise AssertionError("made durable by the commit")
            case SaveFile(name=name, data=data, durable=durable):
                await self._disk.save_file(name, data, durable)
            case Settle():
                await self._disk.settle()
            case Send(peer=peer, channel=channel, message=message):
                self._network.send(peer, channel, message)
            case Publish(topic=topic, message=message):
                self._network.publish(topic, message)
            case Subscribe(topic=topic):
                self._network.subscribe(topic)
            case Dial(peer=peer, addresses=addresses):
                self._network.dial(peer, addresses)
            case Disconnect(peer=peer, reason=reason):
                self._network.disconnect(peer, reason)
            case Trust(peer=peer, trusted=trusted):
                self._network.set_trusted(peer, trusted)
            case Reply(request_id=request_id):
                self._answer(request_id, effect.at(clock.now()))
            case Deliberate(proposal=proposal):
                if self._deliberation is not None:
                    self._deliberation.ask(proposal)
            case Conclude(proposal=proposal_id):
                if self._deliberation is not None:
                    self._deliberation.conclude(proposal_id)
            case Penalize(peer=peer, offence=offence, detail=detail):
                self._reporter.offence(peer, offence, detail)
            case Trace(record=record):
                self._reporter.trace(record, clock.now())
            case Joined():
                await self._become(effect)
            case Halt(reason=reason):
                raise Halted(reason)

    def _remember(self, event: InEvent) -> None:
        """What stands, for a machine that takes over from the joiner."""
        match event:
            case AddressesChanged():
                self._addresses = event
            case PeerUp(peer=peer):
                self._links[peer] = event
            case PeerDown(peer=peer):
                self._links.pop(peer, None)
            case _:
                pass

    async def _become(self, joined: Joined) -> None:
        assert self._upgrade is not None, "only a joiner joins"
        if self._has_joined:
            return  # several members said yes within one round
        self._has_joined = True
        self.machine, effects = self._upgrade(joined)
        for event in ([self._addresses] if self._addresses else []) + list(self._links.values()):
            effects += self.machine.handle(event, clock.now())
        await self._carry_out(effects)

    def _answer(self, request_id: int, outcome: Outcome) -> None:
        waiting = self._waiting.get(request_id)
        if waiting is not None:
            answered, done = waiting
            done.append(outcome)
            answered.set()

    def _refuse_waiting(self) -> None:
        for request_id in list(self._waiting):
            self._answer(request_id, Failure(kind=FailureKind.NOT_RUNNING, message="the node was stopped"))
