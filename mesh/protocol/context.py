"""What the machines of one node share: who it is, the federation's chain, the replicated state, links and clocks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property

from consensus.certificates import Backup
from consensus.chain import Chain
from consensus.membership import MemberState
from crdt.ops import Author
from crdt.replica import Replica
from mesh.protocol.config import NodeConfig
from mesh.protocol.dialer import Dialer
from mesh.protocol.links import Links
from mesh.protocol.neighbours import neighbours
from mesh.protocol.scores import Scores
from mesh.protocol.verifier import MemoVerifier
from wire.ids import FederationId, PeerId, SwarmId
from wire.keys import SigningKey
from wire.rng import Rng
from wire.time import Instant

_ROUNDING_MS = 1  # by which two readings of one clock may seem to differ


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who this node is. `term` is the one that the home's certificate names; the chain may not know it yet. 0: this
    node is a backup, and was no queen so far. `queen_key` is the key that signs once it is."""

    swarm: SwarmId
    name: str
    project: str
    peer: PeerId
    term: int
    queen_key: SigningKey
    certificate: bytes
    boot_nonce: bytes

    @cached_property
    def author(self) -> Author:
        return Author(self.swarm, self.term)

    def on(self, chain: Chain) -> Identity:
        """The same node in the term that the chain has given it meanwhile, if that is a later one."""
        member = chain.member(self.swarm)
        if member is None or (member.queen_key, member.peer) != (self.queen_key.public, self.peer):
            return self
        return self if member.term <= self.term else replace(self, term=member.term)


@dataclass(slots=True)
class WallReading:
    """The wall clock as last told, carried forward by the monotonic one."""

    ms: int
    at: Instant

    def now(self, now: Instant) -> int:
        """Milliseconds since 1970 at `now`."""
        return self.ms + (now - self.at) // 1_000

    def holds(self, ms: int, now: Instant) -> bool:
        """A clock that shows `ms` at `now` tells nothing new: the reading still leads there."""
        return abs(self.now(now) - ms) <= _ROUNDING_MS


@dataclass(slots=True, kw_only=True)
class Context:
    """Shared state of one node's machines. Each field has one machine that changes it; the others read."""

    config: NodeConfig
    me: Identity
    federation: FederationId
    chain: Chain
    replica: Replica
    links: Links
    dialer: Dialer
    scores: Scores
    verify: MemoVerifier
    wall: WallReading
    rng: Rng
    started: Instant
    addresses: tuple[str, ...] = ()
    incarnation: int = 0  # how often this node has refuted accusations in its term
    forked_at: int | None = None  # a height at which two blocks are certified
    counters: Counter[str] = field(default_factory=Counter)
    _neighbours: list[SwarmId] = field(default_factory=list)
    _population: int = 0
    _understudy: Backup | None = None
    _epoch: int | None = None  # of what follows from it

    def wall_ms(self, now: Instant) -> int:
        return self.wall.now(now)

    @property
    def queens_decide(self) -> bool:
        """This node votes with the others, or is ready to."""
        return self.config.govern or self.chain.governed

    def swarm_of(self, peer: PeerId) -> SwarmId | None:
        """The member swarm whose queen or backup `peer` is, by the chain."""
        member = self.chain.member_by_peer(peer) or self.chain.state.membership.by_backup(peer)
        return None if member is None else member.swarm

    def author_of(self, swarm: SwarmId) -> Author:
        """The author of a member's current term."""
        member = self.chain.member(swarm)
        return Author(swarm, 0 if member is None else member.term)

    def name_of(self, swarm: SwarmId) -> str:
        """A member's name, or its id in hex when the chain does not know it."""
        member = self.chain.member(swarm)
        return swarm.hex() if member is None else member.name

    def population(self) -> int:
        """How many members there are, this one included even before the chain names it."""
        self._follow()
        return self._population

    def others(self) -> list[SwarmId]:
        """Every other member, in the chain's order."""
        return [member.swarm for member in self.chain.members() if member.swarm != self.me.swarm]

    def neighbours(self) -> list[SwarmId]:
        """The members that this node keeps links with: in all but large federations, every other one."""
        self._follow()
        return self._neighbours

    def understudy(self) -> Backup | None:
        """What the chain says of this node while it is a backup of its swarm's queen."""
        self._follow()
        return self._understudy

    def has_left(self) -> bool:
        """The chain held here says that this swarm has left."""
        return self.chain.standing_of(self.me.swarm) is MemberState.LEFT

    def _follow(self) -> None:
        """Work out anew what follows from the chain, once it has grown: it is asked for after every event."""
        if self._epoch != self.chain.epoch:
            self._epoch = self.chain.epoch
            self._neighbours = neighbours(self.me.swarm, self.others(), self.config)
            mine = self.chain.member(self.me.swarm)
            self._population = len(self.chain.members()) + (mine is None)
            part = self.me.queen_key.public, self.me.peer
            backups = mine.backups if mine is not None else ()
            self._understudy = next((one for one in backups if (one.key, one.peer) == part), None)
