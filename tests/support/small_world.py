"""A small deterministic world for tests of the pure node: a heap of events, links, partitions, crashes, disks.

It interprets effects as the runtime does (records are durable at once, messages arrive later or never) with virtual
time and no sockets, so that a scenario of minutes runs in milliseconds and the same seed gives the same run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from mesh.protocol.commands import Operation, Outcome
from mesh.protocol.effects import (
    Compact,
    Conclude,
    Deliberate,
    Dial,
    Disconnect,
    Effect,
    Halt,
    Joined,
    Persist,
    Publish,
    Reply,
    SaveFile,
    Send,
    Trace,
)
from mesh.protocol.events import (
    AddressesChanged,
    Command,
    DialFailed,
    GossipReceived,
    InEvent,
    MessageReceived,
    PeerDown,
    PeerUp,
    StreamOffence,
    WallClock,
)
from mesh.protocol.machine import Machine
from mesh.protocol.trace import TraceRecord
from wire.errors import RemoteError
from wire.ids import PeerId
from wire.rng import Rng
from wire.time import SECOND
from wire.types import Channel

WALL_START_MS = 1_800_000_000_000


@dataclass
class Disk:
    """What survives a crash."""

    records: list[tuple[int, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    clean_mark: bytes | None = None


@dataclass
class Host:
    """One machine of the world; `machine` is None while it is down."""

    name: str
    peer: PeerId
    address: str
    disk: Disk
    boot: Callable[[Host, int], tuple[Machine, list[Effect]]]
    machine: Machine | None = None
    upgrade: Callable[[Host, Joined, int], tuple[Machine, list[Effect]]] | None = None
    replies: dict[int, Outcome] = field(default_factory=dict)
    trace: list[TraceRecord] = field(default_factory=list)
    links: dict[PeerId, None] = field(default_factory=dict)
    clock_skew_ms: int = 0
    gossiped: dict[bytes, None] = field(default_factory=dict)
    asked: list[Mapping[str, object]] = field(default_factory=list)  # proposals, for the operator
    concluded: list[str] = field(default_factory=list)  # those that he need not answer any more
    may_halt: bool = False  # a node that stops itself is down, for the reason `halted`; else the test fails
    halted: str = ""


class World:
    """All hosts and the network between them."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = Rng(seed)
        self.now = SECOND
        self.hosts: dict[PeerId, Host] = {}
        self.cut: set[frozenset[PeerId]] = set()
        self.loss = 0.0
        self.tamper: Callable[[Host, PeerId, Send], bytes | None] | None = None
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = count()
        self._requests = count(1)

    # driving

    def add(self, host: Host) -> Host:
        self.hosts[host.peer] = host
        return host

    def start(self, host: Host) -> None:
        host.machine, effects = host.boot(host, self.now)
        host.disk.clean_mark = None
        self._carry_out(host, effects)
        self.deliver(host, AddressesChanged(addresses=(host.address,)))

    def crash(self, host: Host) -> None:
        host.machine = None
        for peer in list(host.links):
            self._unlink(host.peer, peer, "the other side crashed")

    def stop(self, host: Host) -> None:
        assert host.machine is not None
        self._carry_out(host, host.machine.stop(self.now))
        host.disk.clean_mark = host.machine.clean_mark()
        self.crash(host)

    def run(self, duration: int) -> None:
        """Let `duration` microseconds pass."""
        end = self.now + duration
        while True:
            at = self._next()
            if at is None or at > end:
                break
            self._step(at)
        self.now = end

    def run_until(self, condition: Callable[[], bool], limit: int = 60 * SECOND) -> None:
        """Let time pass until `condition` holds; fails after `limit`."""
        end = self.now + limit
        while not condition():
            at = self._next()
            assert at is not None, "the condition cannot come true: nothing is left to happen"
            assert at <= end, "the condition did not come true in time"
            self._step(at)

    def ask(self, host: Host, operation: Operation, limit: int = 30 * SECOND) -> Outcome:
        """Execute a command and wait for its outcome."""
        request = next(self._requests)
        self.deliver(host, Command(request_id=request, operation=operation))
        self.run_until(lambda: request in host.replies, limit)
        return host.replies.pop(request)

    def partition(self, *groups: list[Host]) -> None:
        """Cut every link between hosts of different groups."""
        for index, group in enumerate(groups):
            for other in groups[index + 1 :]:
                for a in group:
                    for b in other:
                        self.cut.add(frozenset((a.peer, b.peer)))
                        self._unlink(a.peer, b.peer, "partition")

    def heal(self) -> None:
        self.cut.clear()

    def deliver(self, host: Host, event: InEvent) -> None:
        if host.machine is None:
            return
        wall = WALL_START_MS + self.now // 1000 + host.clock_skew_ms
        self._carry_out(host, host.machine.handle(WallClock(ms=wall), self.now))
        if host.machine is not None:
            self._carry_out(host, host.machine.handle(event, self.now))

    def hear(self, host: Host, sender: Host, channel: Channel, message: bytes) -> None:
        """`host` gets a message, as if `sender` had sent it."""
        self.deliver(host, MessageReceived(peer=sender.peer, channel=channel, message=message))

    # the heap

    def _later(self, delay: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._sequence), action))

    def _next(self) -> int | None:
        times = [self._heap[0][0]] if self._heap else []
        for host in self.hosts.values():
            deadline = host.machine.next_deadline() if host.machine else None
            if deadline is not None:
                times.append(max(deadline, self.now))
        return min(times, default=None)

    def _step(self, at: int) -> None:
        self.now = at
        while self._heap and self._heap[0][0] <= at:
            heapq.heappop(self._heap)[2]()
        for host in list(self.hosts.values()):
            deadline = host.machine.next_deadline() if host.machine else None
            if host.machine is not None and deadline is not None and deadline <= at:
                self._carry_out(host, host.machine.tick(at))
                after = host.machine.next_deadline() if host.machine else None
                assert after is None or after > at, f"{host.name}: tick leaves a deadline in the past"

    # effects

    def _carry_out(self, host: Host, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Halt) and host.may_halt:
                host.halted = effect.reason
                self._later(0, lambda: self.crash(host))
                return
            self._release(host, effect)

    def _release(self, host: Host, effect: Effect) -> None:
        match effect:
            case Persist(kind=kind, body=body):
                host.disk.records.append((int(kind), body))
            case SaveFile(name=name, data=data):
                host.disk.files[name] = data
            case Compact(snapshots=snapshots):
                host.disk.files.update(snapshots)
                host.disk.records.clear()
            case Send(peer=peer):
                self._send(host, peer, effect)
            case Publish(topic=topic, message=message):
                self._gossip(host, topic, message)
            case Dial(peer=peer, addresses=addresses):
                self._later(self._delay(), lambda: self._connect(host, peer, addresses))
            case Disconnect(peer=peer, reason=reason):
                self._unlink(host.peer, peer, reason)
            case Reply(request_id=request_id):
                host.replies[request_id] = effect.at(self.now)
            case Trace(record=record):
                host.trace.append(record)
            case Deliberate(proposal=proposal):
                host.asked.append(proposal)
            case Conclude(proposal=proposal_id):
                host.concluded.append(proposal_id)
            case Joined():
                assert host.upgrade is not None
                host.machine, first = host.upgrade(host, effect, self.now)
                self._carry_out(host, first)
                self.deliver(host, AddressesChanged(addresses=(host.address,)))
                for peer in host.links:
                    self.deliver(host, PeerUp(peer=peer, address=self.hosts[peer].address, inbound=False))
            case Halt(reason=reason):
                raise AssertionError(f"{host.name} halted: {reason}")
            case _:
                pass

    def _send(self, host: Host, peer: PeerId, effect: Send) -> None:
        message: bytes | None = effect.message
        if self.tamper is not None:
            message = self.tamper(host, peer, effect)
        if message is None or peer not in host.links or self.rng.random() < self.loss:
            return
        event = MessageReceived(peer=host.peer, channel=effect.channel, message=message)
        self._later(1_000, lambda: self._arrive(peer, host.peer, event))

    def _gossip(self, host: Host, topic: str, message: bytes) -> None:
        """Flood: every host passes on what it sees for the first time."""
        host.gossiped[message] = None
        for peer in host.links:
            if self.rng.random() >= self.loss:
                event = GossipReceived(forwarder=host.peer, topic=topic, message=message)
                self._later(self._delay(), lambda peer=peer, event=event: self._arrive(peer, host.peer, event))

    def _arrive(self, to: PeerId, sender: PeerId, event: InEvent) -> None:
        host = self.hosts[to]
        if host.machine is None or sender not in host.links:
            return
        if isinstance(event, GossipReceived):
            try:
                if event.message in host.gossiped or not host.machine.check_gossip(
                    sender, event.topic, event.message
                ):
                    return
            except RemoteError as error:
                self.deliver(host, StreamOffence(peer=sender, offence=error.offence, detail=error.detail))
                return
            self._gossip(host, event.topic, event.message)
        self.deliver(host, event)

    def _connect(self, host: Host, peer: PeerId, addresses: tuple[str, ...]) -> None:
        target = self.hosts.get(peer)
        reachable = target is not None and target.machine is not None and target.address in addresses
        if host.machine is None:
            return
        if not reachable or frozenset((host.peer, peer)) in self.cut:
            event = DialFailed(peer=peer, address=addresses[0], cause="unreachable", final=True)
            self.deliver(host, event)
            return
        assert target is not None
        if peer in host.links:
            self.deliver(host, PeerUp(peer=peer, address=target.address, inbound=False))
            return
        host.links[peer] = None
        target.links[host.peer] = None
        self.deliver(host, PeerUp(peer=peer, address=target.address, inbound=False))
        self.deliver(target, PeerUp(peer=host.peer, address=host.address, inbound=True))

    def unlink(self, a: PeerId, b: PeerId) -> None:
        """The link between two hosts ends."""
        self._unlink(a, b, "cut")

    def _unlink(self, a: PeerId, b: PeerId, reason: str) -> None:
        for one, other in ((a, b), (b, a)):
            host = self.hosts.get(one)
            if host is not None and host.links.pop(other, "absent") is None:
                self._later(0, lambda host=host, other=other: self.deliver(host, PeerDown(peer=other, reason=reason)))

    def _delay(self) -> int:
        return 1_000 + self.rng.randbelow(20_000)
