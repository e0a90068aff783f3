"""Swarms for the small world: keys from a seed, a federation with a creator, applicants, and their ways to boot.

town = Town("alpha", "beta", "gamma")        # alpha created the federation; the others hold its tickets
town.form()                                   # all started, admitted and OPERATIONAL
town.world.ask(town["beta"], MemoryPut(key="plan", value=b"1"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consensus.certificates import YEAR_MS, Backup, make_member_cert
from consensus.genesis import Params, make_genesis
from consensus.membership import MemberState
from consensus.tickets import Anchor, parse_ticket
from crdt.owner_log import Limits
from mesh.protocol.applicant import Applicant
from mesh.protocol.assembly import Recovered, assemble
from mesh.protocol.commands import Invite, Renew, Success
from mesh.protocol.config import NodeConfig
from mesh.protocol.context import Identity, WallReading
from mesh.protocol.effects import Effect, Joined
from mesh.protocol.intent import JoinIntent
from mesh.protocol.joiner import Joiner
from mesh.protocol.machine import Machine
from mesh.protocol.node import Node
from tests.support.small_world import WALL_START_MS, Disk, Host, World
from wire.ids import FederationId, PeerId, peer_id_of, swarm_id_of
from wire.keys import SigningKey
from wire.rng import Rng
from wire.time import SECOND


@dataclass
class Swarm:
    """The keys of one swarm, and what its home holds besides the disk."""

    name: str
    seed: bytes
    term: int = 1
    genesis: bytes | None = None
    certificates: dict[tuple[bytes | None, int], bytes] = field(default_factory=dict)
    intent: JoinIntent | None = None
    anchor: Anchor | None = None
    boots: int = 0
    lives_ms: int = YEAR_MS  # how long its certificates hold, from the beginning of the world

    @property
    def root(self) -> SigningKey:
        return SigningKey(self._key(b"root"))

    def queen(self, term: int | None = None) -> SigningKey:
        return SigningKey(self._key(b"queen%d" % (term or self.term)))

    @property
    def peer(self) -> PeerId:
        return peer_id_of(SigningKey(self._key(b"node")).public)

    def certify(self, federation: FederationId | None) -> bytes:
        """The certificate for a federation (None: for its genesis), made once per term."""
        made = self.certificates.get((federation, self.term))
        if made is None:
            made = self.certificates[federation, self.term] = make_member_cert(
                federation=federation,
                name=self.name,
                project="demo",
                root=self.root,
                term=self.term,
                queen_key=self.queen().public,
                peer=self.peer,
                not_after_ms=WALL_START_MS + self.lives_ms,
            )
        return made

    def _key(self, name: bytes) -> bytes:
        return Rng(self.seed).split(name.decode()).bytes(32)


@dataclass
class Spare(Swarm):
    """A backup of another swarm: a node and a key of its own, and that swarm's name."""

    owner: Swarm = field(kw_only=True)
    rank: int = 0

    @property
    def root(self) -> SigningKey:
        return self.owner.root

    def named(self) -> Backup:
        """As the certificate of its swarm names it."""
        return Backup(self.queen().public, self.peer, self.rank, WALL_START_MS + YEAR_MS)

    def queen(self, term: int | None = None) -> SigningKey:
        return SigningKey(self._key(b"spare"))

    def certify(self, federation: FederationId | None) -> bytes:
        return b""


# The creator governs as long as its node holds back; as it is on the way to the queens' rule, when all are updated.
CREATORS_RULE = NodeConfig(govern=False)


class Town:
    """A small world with named swarms; the first created the federation."""

    def __init__(
        self,
        *names: str,
        seed: int = 1,
        params: Params | None = None,
        config: NodeConfig | None = None,
        lives_ms: Mapping[str, int] | None = None,
    ) -> None:
        self.world = World(seed)
        self.config = config or NodeConfig()
        self.limits = Limits()
        self.swarms = {name: Swarm(name, name.encode() + bytes([seed % 256])) for name in names}
        self.hosts: dict[str, Host] = {}
        for name, lives in (lives_ms or {}).items():
            self.swarms[name].lives_ms = lives
        creator = self.swarms[names[0]]
        creator.genesis = make_genesis(
            "meadow", params or Params(), creator.certify(None), WALL_START_MS - 1000, creator.root
        )
        for number, swarm in enumerate(self.swarms.values()):
            self.add(swarm, f"/ip4/10.0.0.{number + 1}/tcp/4150")

    def add(self, swarm: Swarm, address: str) -> Host:
        """One more machine."""
        self.swarms[swarm.name] = swarm
        host = Host(swarm.name, swarm.peer, address, Disk(), lambda host, now: self._boot(swarm, host, now))
        host.upgrade = lambda host, joined, now: self._upgrade(swarm, host, joined, now)
        self.hosts[swarm.name] = self.world.add(host)
        return host

    def add_backup(self, of: str, rank: int = 0) -> str:
        """A machine more, on which a backup of a swarm waits to be named; the name of the machine."""
        owner, name = self.swarms[of], f"{of}-{rank}"
        spare = Spare(name, name.encode(), term=0, owner=owner, rank=rank)
        spare.intent = JoinIntent(ticket=parse_ticket(self.ticket(of)))
        self.add(spare, f"/ip4/10.0.1.{len(self.hosts)}/tcp/4150")
        self.world.start(self[name])
        return name

    def name_backups(self, of: str, *names: str) -> None:
        """The root key of a swarm names these backups, and the chain shows it to all of them."""
        spares = [spare for name in names if isinstance(spare := self.swarms[name], Spare)]
        backups = tuple(spare.named() for spare in spares)
        node, swarm = self.node(of), self.swarms[of]
        certificate = make_member_cert(
            federation=node.context.federation,
            name=of,
            project="demo",
            root=swarm.root,
            term=swarm.term,
            queen_key=swarm.queen().public,
            peer=swarm.peer,
            not_after_ms=WALL_START_MS + YEAR_MS + self.world.now,
            backups=backups,
        )
        outcome = self.world.ask(self[of], Renew(certificate=certificate.hex()))
        assert isinstance(outcome, Success), outcome
        self.world.run_until(lambda: all(isinstance(self[name].machine, Node) for name in names))
        self.settle()

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def node(self, name: str) -> Node:
        """The running node of a member."""
        machine = self.hosts[name].machine
        assert isinstance(machine, Node), f"{name} runs no node"
        return machine

    def nodes(self) -> list[Node]:
        """All running nodes."""
        return [host.machine for host in self.hosts.values() if isinstance(host.machine, Node)]

    def form(self, names: Sequence[str] | None = None) -> None:
        """Start everyone, admit everyone, wait until all are OPERATIONAL and equal."""
        names = list(names or self.swarms)
        self.world.start(self[names[0]])
        for name in names[1:]:
            self.swarms[name].intent = JoinIntent(ticket=parse_ticket(self.ticket(names[0])))
            self.world.start(self[name])
        self.settle()

    def ticket(self, inviter: str) -> str:
        outcome = self.world.ask(self[inviter], Invite())
        assert isinstance(outcome, Success), outcome
        return str(outcome.result["ticket"])

    def settle(self, limit: int = 60 * SECOND) -> None:
        """Wait until every running machine is an OPERATIONAL member and all hold the same."""
        self.world.run_until(self.settled, limit)

    def settled(self) -> bool:
        machines = [host.machine for host in self.hosts.values() if host.machine is not None]
        nodes = self.nodes()
        operational = all(node.lifecycle.value == "OPERATIONAL" for node in nodes)
        active = all(member.state is MemberState.ACTIVE for node in nodes for member in node.context.chain.members())
        return len(nodes) == len(machines) and operational and active and self.equal()

    def equal(self) -> bool:
        """All running nodes hold the same state and the same chain."""
        return len({(n.context.replica.root(), n.context.chain.head_hash) for n in self.nodes()}) <= 1

    # booting

    def _boot(self, swarm: Swarm, host: Host, now: int) -> tuple[Machine, list[Effect]]:
        swarm.boots += 1
        wall = WALL_START_MS + now // 1000 + host.clock_skew_ms
        if swarm.genesis is None:
            applicant = Applicant(
                swarm=swarm_id_of(swarm.root.public),
                name=swarm.name,
                project="demo",
                peer=swarm.peer,
                certify=swarm.certify,
                backup=isinstance(swarm, Spare),
            )
            joiner = Joiner(self.config, applicant, swarm.intent, WallReading(wall, now), now)
            return joiner, joiner.begin(now)
        return self._node(swarm, host, swarm.genesis, now)

    def _upgrade(self, swarm: Swarm, host: Host, joined: Joined, now: int) -> tuple[Machine, list[Effect]]:
        swarm.genesis, swarm.anchor = joined.genesis, joined.anchor
        return self._node(swarm, host, joined.genesis, now)

    def _node(self, swarm: Swarm, host: Host, genesis: bytes, now: int) -> tuple[Machine, list[Effect]]:
        rng = self.world.rng.split(f"{swarm.name}/{swarm.boots}")
        made = [cert for (_, term), cert in swarm.certificates.items() if term == swarm.term]
        me = Identity(
            swarm=swarm_id_of(swarm.root.public),
            name=swarm.owner.name if isinstance(swarm, Spare) else swarm.name,
            project="demo",
            peer=swarm.peer,
            term=swarm.term,
            queen_key=swarm.queen(),
            certificate=made[-1] if made else b"",
            boot_nonce=rng.bytes(16),
        )
        recovered = Recovered(
            records=list(host.disk.records), snapshots=dict(host.disk.files), clean_mark=host.disk.clean_mark
        )
        node = assemble(
            config=self.config,
            me=me,
            genesis=genesis,
            recovered=recovered,
            limits=self.limits,
            rng=rng,
            wall_ms=WALL_START_MS + now // 1000 + host.clock_skew_ms,
            now=now,
            secrets=rng.split("secrets").bytes,
            anchor=swarm.anchor,
        )
        return node, node.begin(now)
