"""The world: virtual time, hosts, the ways between them, and an agenda of what is to happen.

    world = World(scenario)
    world.run_until(condition, limit)      # true time in microseconds; everything in between happens

One event happens at a time, in the order of (time, number). All randomness comes from the scenario's seed and is
split by purpose, so that leaving one action out does not reshuffle the rest. Observers (checkers, the timeline) are
called after every event that a node handled and before every effect that is released.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from chaos.actions import Left
from chaos.agenda import Agenda
from chaos.colony import Colony, Home, found
from chaos.disk import Crash, SimulatedDisk
from chaos.gossip import Gossip
from chaos.host import Host
from chaos.ledger import Ledger, quorum
from chaos.links import Links
from chaos.process import STATE, Process
from chaos.rules import Rules
from chaos.scenario import Scenario
from chaos.trace import Kind, Trace
from mesh.protocol.commands import Operation
from mesh.protocol.effects import Effect, Persist
from mesh.protocol.events import Command, InEvent
from mesh.protocol.verifier import MemoVerifier
from mesh.storage.store import Store
from wire import keys
from wire.errors import StoreError
from wire.ids import PeerId
from wire.rng import Rng

SECOND = 1_000_000
BOOTSTRAPS = 3  # addresses that each host is told of


class Observer(Protocol):
    """Somebody who watches every step and changes nothing."""

    def stepped(self, world: World, process: Process, event: InEvent) -> None:
        """A node has handled `event`, and what followed is done."""

    def asking(self, world: World, process: Process, request: int, operation: Operation) -> None:
        """A user is about to ask a node."""

    def persisted(self, world: World, process: Process, record: Persist) -> None:
        """A record is durable."""

    def releasing(self, world: World, process: Process, effect: Effect) -> None:
        """An effect is about to leave a process."""

    def fallen(self, world: World, process: Process, invariant: str) -> None:
        """A node stopped itself: an invariant of its own is broken."""


class World:
    """Everything that a scenario happens in."""

    def __init__(
        self,
        scenario: Scenario,
        observers: Sequence[Observer] = (),
        rules: Callable[[Rng], Rules] = Rules,
        keep: bool = False,
    ) -> None:
        self.scenario = scenario
        self.rng = Rng(scenario.seed)
        self.now = 0
        self.trace = Trace(keep)
        self.counters: Counter[str] = Counter()
        self.verify: keys.Verify = MemoVerifier() if scenario.memo else keys.verify
        self.rules = rules(self.rng.split("rules"))
        self.observers = tuple(observers)
        names = [f"s{number}" for number in range(1, scenario.swarms + 1)]
        self.colony: Colony = found(
            names,
            scenario.profile,
            self.rng.split("colony"),
            self.verify,
            by_queens=scenario.govern and not scenario.handover,
            late=scenario.late,
            backups=scenario.backups,
            expire_s=scenario.expire_s,
        )
        self.ledger = Ledger(self.colony.verified, self.verify)
        self.hosts: dict[str, Host] = {}
        self.links = Links(self)
        self.gossip = Gossip(self)
        self._addresses: dict[str, Host] = {}
        self._owners: dict[bytes, Host] = {}
        self._peers: dict[PeerId, Host] = {}
        self._agenda = Agenda()
        self.core: Sequence[Host] = ()  # who is healed; nobody before the faults are over
        self._numbers = 0
        self.events = 0
        for home in self.colony.homes:
            self.settle_in(home, home.name)

    # hosts

    def settle_in(self, home: Home, name: str) -> Host:
        """A new host for a home (a twin's is another host with the same home)."""
        number = len(self.hosts)
        address = f"/ip4/10.{number >> 16}.{number >> 8 & 255}.{number & 255}/tcp/4150"
        disk = SimulatedDisk(rng=self.rng.split(f"{name}/disk"))
        Store.create(STATE, disk)
        store, _ = Store.open(STATE, disk)
        host = self.hosts[name] = self._addresses[address] = Host(name, home, address, disk)
        if name not in self.scenario.late:
            store.append(self.colony.chain)
            host.height = self.colony.verified.height
        store.close(b"")
        self._owners.setdefault(home.swarm, host)
        self._peers.setdefault(home.peer, host)
        return host

    def host_of(self, peer: PeerId) -> Host | None:
        """The first host of a peer."""
        return self._peers.get(peer)

    def instances(self, peer: PeerId) -> list[Host]:
        """All hosts of a peer, none of which others can tell from the rest: twins have one key."""
        return [host for host in self.hosts.values() if host.peer == peer]

    def owner(self, swarm: bytes) -> Host:
        """The first host of a swarm."""
        return self._owners[swarm]

    def at_address(self, address: str) -> Host | None:
        """Who listens there, or would."""
        return self._addresses.get(address)

    def bootstrap(self, host: Host) -> list[Host]:
        """Whose addresses the configuration of `host` names: its neighbours in a ring, enough to find all others."""
        ring = list(self.hosts.values())
        place = ring.index(host)
        near = [ring[(place + step) % len(ring)] for step in range(1, BOOTSTRAPS + 1)]
        return [other for other in dict.fromkeys(near) if other.peer != host.peer]

    def start(self, host: Host) -> None:
        """Start a process, unless one runs, or who came late is not admitted yet."""
        if host.process is not None or not self.admitted(host):
            return
        host.image = host.disk.image()
        host.disk.crash_at = None
        try:
            process = Process.boot(self, host)
        except Crash:
            self.crashed(host, "crashed while starting")
        except StoreError as error:
            self.crashed(host, f"its disk cannot be used: {error.detail}")
        else:
            self.rules.booted(process)
            self.trace.note(self.now, host.name, Kind.STATE, "started", None)

    def admitted(self, host: Host) -> bool:
        """Its swarm belonged from the beginning, or was admitted meanwhile."""
        return host.name not in self.scenario.late or host.home.swarm in self.ledger.chain.state.membership.everyone

    def member(self, host: Host) -> bool:
        """Its swarm belongs, as far as anybody knows."""
        return self.ledger.chain.member(host.home.swarm) is not None

    def speaks(self, host: Host) -> bool:
        """It is the queen of its swarm, as far as anybody knows: not a backup, and not one that was replaced."""
        member = self.ledger.chain.member(host.home.swarm)
        return member is not None and member.peer == host.peer

    def quorate(self, hosts: Sequence[Host]) -> bool:
        """Those of `hosts` who can be counted on decide: honest queens, on whose disks nothing rotted. Who votes is
        by the chain that they hold: somebody else may hold a block that nobody else does, and be down, or lose it.
        """
        sound = [host for host in hosts if host.honest and not host.rotten]
        held = min(max((host.height for host in sound), default=0), self.ledger.height)
        membership, voters = self.ledger.state(held).membership, self.ledger.voters(held + 1)
        queens = [host.home.swarm for host in sound if membership.by_peer(host.peer)]
        return voters.weight(queens) >= quorum(voters)

    def crashed(self, host: Host, why: str, leaves: Left | None = None) -> None:
        """The process of `host` is gone; what its disk keeps depends on how. A power cut tells nobody."""
        left, host.leaves = leaves or host.leaves, Left.KILL
        self.trace.note(self.now, host.name, Kind.STATE, "down", why)
        host.process = None
        self.links.gone(host, silently=left is Left.POWER_CUT)
        self.gossip.gone(host)
        failing, capacity = host.disk.failing, host.disk.capacity
        host.disk = host.disk.after(left, self.rng.split(f"{host.name}/crash/{host.boots}"))
        host.disk.failing, host.disk.capacity = failing, capacity

    def stop(self, host: Host) -> None:
        """End a process in order."""
        if host.process is not None:
            host.process.stop()
            if host.process is not None:
                self.crashed(host, "stopped in order")

    def ask(self, host: Host, operation: Operation) -> int:
        """A user asks the node of `host`; the number under which `host.replies` will hold the outcome."""
        request = self.number()
        if host.process is not None:
            host.asked[request] = type(operation).__name__
            for observer in self.observers:
                observer.asking(self, host.process, request, operation)
            host.process.feed(Command(request_id=request, operation=operation))
        return request

    # time

    def at(self, time: int, action: Callable[[], None]) -> None:
        """Let something happen at a time (not in the past)."""
        self._numbers += 1
        self._agenda.add((max(time, self.now), self._numbers, action))

    def later(self, delay: int, action: Callable[[], None]) -> None:
        """Let something happen after a while."""
        self.at(self.now + delay, action)

    def run(self, until: int) -> None:
        """Let everything happen that happens before `until`, and be there."""
        due = self._agenda.due
        while (entry := due(until)) is not None:
            self.now = entry[0]
            self.events += 1
            entry[2]()
        self.now = max(self.now, until)

    def run_until(self, condition: Callable[[], bool], limit: int) -> bool:
        """Let things happen until `condition` holds; False when it did not before `limit`."""
        while not condition():
            entry = self._agenda.due(limit)
            if entry is None:
                self.now = max(self.now, limit)
                return condition()
            self.now = entry[0]
            self.events += 1
            entry[2]()
        return True

    def number(self) -> int:
        """A number that no other thing in this world has."""
        self._numbers += 1
        return self._numbers

    # what others hear of

    def count(self, what: str) -> None:
        """One more of something that the summary tells."""
        self.counters[what] += 1

    def fallen(self, process: Process, invariant: str) -> None:
        """A node found an invariant of its own broken, and stops."""
        self.crashed(process.host, f"a broken invariant of its own: {invariant}")
        for observer in self.observers:
            observer.fallen(self, process, invariant)

    def watch(self, process: Process, event: InEvent) -> None:
        """Tell the observers of a step; who was late starts once a chain names it."""
        chain = process.node.context.chain
        process.host.height = chain.height
        if chain.height > self.ledger.height and not process.host.byzantine:
            self.ledger.follow(chain)
        for name in self.scenario.late:  # whoever made the ledger follow: a checker may have been quicker
            if self.hosts[name].boots == 0:
                self.start(self.hosts[name])
        for observer in self.observers:
            observer.stepped(self, process, event)

    def kept(self, process: Process, record: Persist) -> None:
        """Tell the observers of a record that is durable."""
        for observer in self.observers:
            observer.persisted(self, process, record)

    def release(self, process: Process, effect: Effect) -> None:
        """Tell the observers of an effect."""
        for observer in self.observers:
            observer.releasing(self, process, effect)
