"""One simulated process: the real node on the real store, on a disk, with clocks and a fuse.

It does what the daemon's loop does: hands each event to the machine, makes records durable, releases effects in
order. A crash may strike at any call to the disk and before any effect is released (`fuse`). While a process is
paused, or lags, what arrives waits in its inbox, which is bounded as the daemon's is.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.disk import Crash
from chaos.scenario import Policy
from chaos.trace import Kind
from consensus.bft.desk import ReplicaConfig
from consensus.governance.proposals import Choice
from crdt.owner_log import Limits
from mesh.protocol.assembly import Recovered, assemble
from mesh.protocol.commands import Failure, Outcome
from mesh.protocol.config import PROFILES, NodeConfig, VotingPolicy
from mesh.protocol.effects import (
    Dial,
    Disconnect,
    Effect,
    Halt,
    Publish,
    Reply,
    SaveFile,
    Send,
    Settle,
    Subscribe,
    Trace,
    Trust,
)
from mesh.protocol.events import AddressesChanged, InEvent, PeerFound, WallClock
from mesh.protocol.node import Node
from mesh.storage.store import Doubt, Record, Store
from wire.errors import StoreError

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.world import World

_CHOICES = {
    Policy.APPROVE: (Choice.APPROVE,),
    Policy.REJECT: (Choice.REJECT,),
    Policy.OPERATORS: (None,),
    Policy.DRAWN: (Choice.APPROVE, Choice.APPROVE, Choice.APPROVE, Choice.REJECT, None),
}
STATE = Path("/state")
MAX_INBOX = 8_192  # events
_ENDS = (Crash, StoreError, AssertionError)  # what ends a process: a plan, its disk, an invariant of its own
_WALL_PERIOD = 1_000_000  # the daemon reads its wall clock once a second


def _config(world: World, host: Host) -> NodeConfig:
    """As the scenario has it. Where queens vote each in its own way, a queen's way is the same after each start."""
    scenario = world.scenario
    choice = world.rng.split(f"{host.name}/policy").choice(_CHOICES[scenario.policy])
    return NodeConfig(
        profile=PROFILES[scenario.profile],
        govern=scenario.govern,
        replica=ReplicaConfig(all_to_all=scenario.votes_to_all),
        checkpoint_every=scenario.checkpoint_every,
        leap_from=scenario.checkpoint_every * 5 // 4,
        voting=VotingPolicy(default=choice),
    )


class Process:
    """A running node. Made by `boot`; gone when its host forgets it."""

    def __init__(self, world: World, host: Host, store: Store, node: Node) -> None:
        self.world = world
        self.host = host
        self.store = store
        self.node = node
        self.inbox: deque[InEvent] = deque()
        self.paused = False
        self.in_doubt = False  # its disk may have forgotten what it signed, and no clean end says what that was
        self.fuse: int | None = None  # effects that are still released before a crash
        self._wake_at: int | None = None
        self._deadline: int | None = None  # of the node, after its last step, on its own clock

    @classmethod
    def boot(cls, world: World, host: Host) -> Process:
        """Start on what is on the disk. Raises Crash, or StoreError when the disk cannot be used."""
        host.boots += 1
        store, read = Store.open(STATE, host.disk, expected=True)
        found = world.rules.opened(read)
        rng = world.rng.split(f"{host.name}/boot/{host.boots}")
        now = host.clocks.monotonic(world.now)
        node = assemble(
            config=_config(world, host),
            me=host.home.identity(rng.bytes(16)),
            genesis=world.colony.genesis,
            recovered=Recovered(
                records=[(record.kind, record.body) for record in found.records],
                snapshots=found.snapshots,
                clean_mark=found.clean_body if found.clean else None,
                cut=bool(found.doubt),
                torn=found.torn,
                damaged=found.doubt is Doubt.DAMAGE,
            ),
            limits=Limits(),
            rng=rng,
            wall_ms=host.clocks.wall_ms(world.now),
            now=now,
            secrets=rng.split("secrets").bytes,
            verify=world.verify,
            verified=world.colony.chain_of(found) if world.scenario.memo else None,
        )
        process = cls(world, host, store, node)
        process.in_doubt = bool(read.doubt) and not read.clean
        for damage in found.damage:
            world.trace.note(world.now, host.name, Kind.DISK, "damage", damage.detail)
        host.process = process
        process.carry_out(node.begin(now))
        process.feed(AddressesChanged(addresses=(host.address,)))
        for neighbour in world.bootstrap(host):
            process.feed(PeerFound(source="bootstrap", peer=neighbour.peer, addresses=(neighbour.address,)))
        process._tell_wall()
        return process

    # events

    def feed(self, event: InEvent) -> None:
        """Something happened: handle it, or keep it while this process does nothing."""
        if self.paused or self.host.lag:
            if len(self.inbox) >= MAX_INBOX:
                self.world.count("inbox_full")
                return
            self.inbox.append(event)
            if not self.paused:
                self.world.later(self.host.lag, self._drain_one)
            return
        self._handle(event)

    def resume(self) -> None:
        """Go on after a pause, with all that has come meanwhile."""
        self.paused = False
        self.tick()
        while self.inbox and self.alive:
            self._handle(self.inbox.popleft())

    @property
    def alive(self) -> bool:
        """Not crashed, halted or stopped."""
        return self.host.process is self

    def tick(self) -> None:
        """Do what is due, and say when to come back."""
        if not self.alive or self.paused:
            return
        now = self.host.clocks.monotonic(self.world.now)
        if self._deadline is None or self._deadline > now:
            self._wake_by(self._deadline)
            return
        try:
            self.carry_out(self.node.tick(now))
            left = self.node.next_deadline() if self.alive else None
            assert left is None or left > now, "a tick left a deadline in the past: the node would spin"
            self._wake_by(left)
        except _ENDS as end:
            self._ended_by(end)

    def stop(self) -> None:
        """End in order."""
        try:
            self.carry_out(self.node.stop(self.host.clocks.monotonic(self.world.now)))
            self.store.close(self.node.clean_mark())
        except _ENDS as end:
            self._ended_by(end)

    def reschedule(self) -> None:
        """The clocks were changed: timers fall due at another time."""
        self._wake_at = None
        self._wake_by(self.node.next_deadline())

    def _drain_one(self) -> None:
        if self.alive and not self.paused and self.inbox:
            self._handle(self.inbox.popleft())

    def _handle(self, event: InEvent) -> None:
        try:
            self.carry_out(self.node.handle(event, self.host.clocks.monotonic(self.world.now)))
        except _ENDS as end:
            self._ended_by(end)
        if self.host.process is self:
            self.world.watch(self, event)
            self._wake_by(self.node.next_deadline())

    def _tell_wall(self) -> None:
        """Show the node its wall clock, when that is not where the node thinks that it is."""
        if self.alive:
            clocks, now = self.host.clocks, self.world.now
            if not self.node.context.wall.holds(clocks.wall_ms(now), clocks.monotonic(now)):
                self.feed(WallClock(ms=clocks.wall_ms(now)))
            self.world.later(_WALL_PERIOD, self._tell_wall)

    def _wake_by(self, deadline: int | None) -> None:
        """Have a wake-up planned for `deadline`, on the node's own clock."""
        self._deadline = deadline
        if deadline is None:
            self._wake_at = None
            return
        at = max(self.host.clocks.true_time_of(deadline), self.world.now + 1)
        if self._wake_at is None or at < self._wake_at or self._wake_at <= self.world.now:
            self._wake_at = at
            self.world.at(at, self._wake)

    def _wake(self) -> None:
        if self._wake_at is not None and self._wake_at <= self.world.now:
            self.tick()

    def _ended_by(self, end: BaseException) -> None:
        """This process is over: a crash by plan, a disk that failed, a broken invariant."""
        match end:
            case Crash():
                self.world.crashed(self.host, "crashed")
            case StoreError():
                self.world.crashed(self.host, f"its disk failed: {end.detail}")
            case _:
                self.world.fallen(self, str(end))

    # effects

    def carry_out(self, effects: list[Effect]) -> None:
        """Release effects in order, each after what stands before it is durable."""
        if not effects:
            return
        for commit in self.world.rules.commits(effects):
            if commit.compact is not None:
                self.store.compact(dict(commit.compact.snapshots))
            if commit.records:
                self.store.append([Record(record.kind, record.body) for record in commit.records])
                for record in commit.records:
                    self.world.kept(self, record)
            for effect in commit.rest:
                if self.fuse is not None:
                    self._burn(self.fuse)
                self.world.release(self, effect)
                self._release(effect)

    def _burn(self, fuse: int) -> None:
        if fuse == 0:
            raise Crash
        self.fuse = fuse - 1

    def _release(self, effect: Effect) -> None:
        world, host = self.world, self.host
        match effect:
            case Send(peer=peer, channel=channel, message=message):
                world.links.send(host, peer, channel, message)
            case Trace(record=record):
                detail = " ".join(f"{name}={value}" for name, value in record.fields.items())
                world.trace.note(world.now, host.name, Kind.NODE, record.kind.value, detail)
            case Publish(topic=topic, message=message):
                world.gossip.publish(host, topic, message)
            case Subscribe(topic=topic):
                world.gossip.subscribe(host, topic)
            case Dial(peer=peer, addresses=addresses):
                world.links.dial(host, peer, addresses)
            case Disconnect(peer=peer, reason=reason):
                world.links.disconnect(host, peer, reason)
            case Trust(peer=peer, trusted=trusted):
                world.links.trust(host, peer, trusted)
            case Reply(request_id=request_id):
                self._answer(request_id, effect.at(host.clocks.monotonic(world.now)))
            case SaveFile(name=name, data=data, durable=durable):
                self.store.save_file(name, data, durable)
            case Settle():
                self.store.settle()
            case Halt(reason=reason):
                world.crashed(host, f"it halted: {reason}")
            case _:
                pass  # penalties are the node's own books

    def _answer(self, request_id: int, outcome: Outcome) -> None:
        text = f"{outcome.kind.name}: {outcome.message}" if isinstance(outcome, Failure) else "ok"
        operation = self.host.asked.pop(request_id, "")
        self.world.trace.note(self.world.now, self.host.name, Kind.COMMAND, operation, text)
        self.host.replies[request_id] = outcome
