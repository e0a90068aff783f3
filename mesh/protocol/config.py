"""The node's numbers: timing profiles and bounds, each with its unit and its reason.

Durations are microseconds (`wire.time.Instant` differences) unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from consensus.bft.desk import ReplicaConfig
from consensus.governance.proposals import Choice
from consensus.governance.standing import RULES
from mesh.protocol.messages import Capabilities
from wire.time import SECOND, seconds


class ProfileName(StrEnum):
    """Timing presets: one building, the internet, or the slow pace of the original specification."""

    LAN = "lan"
    WAN = "wan"
    SPEC = "spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How fast a node probes, speaks and gives up."""

    probe: int  # one ping to each member per period; a lost one is noticed after one period
    missed_probes: int  # in a row: then a member is suspected, and after twice as many its link is dialled anew
    pings_per_second: int  # of one node; with more links the period over each is longer
    heartbeat: int  # signed digest on gossip
    announce: int  # DISCOVERY on gossip, though nothing changed: each new link is told anyway
    contact_window: int  # members silent for longer do not count as reachable
    redial_cap: int  # longest pause between two dials of one member
    sync_round: int  # periodic anti-entropy with a few random members
    fence: int  # a queen with backups that reached no quorum for so long stops: it may have been replaced
    rank_delay: int  # a backup gives each that goes before it so much time

    def period_of(self, links: int) -> int:
        """Between two pings over one link of so many, of which every other is ours."""
        return max(self.probe, links * SECOND // (2 * self.pings_per_second))

    def fence_of(self, members: int) -> int:
        """The fence in a federation of so many, where it takes longer to ping everyone."""
        return max(self.fence, 3 * self.period_of(members))

    def guard_of(self, members: int) -> int:
        """How long a backup that took over waits for the fence of the queen before it: its clock may run slow."""
        return self.fence_of(members) * 21 // 20


PROFILES: dict[ProfileName, Profile] = {
    ProfileName.LAN: Profile(
        probe=seconds(1),
        missed_probes=3,
        pings_per_second=16,
        heartbeat=seconds(5),
        announce=seconds(60),
        contact_window=seconds(5),
        redial_cap=seconds(1),
        sync_round=seconds(30),
        fence=seconds(5),
        rank_delay=seconds(1),
    ),
    ProfileName.WAN: Profile(
        probe=seconds(5),
        missed_probes=3,
        pings_per_second=2,
        heartbeat=seconds(30),
        announce=seconds(300),
        contact_window=seconds(30),
        redial_cap=seconds(30),
        sync_round=seconds(30),
        fence=seconds(60),
        rank_delay=seconds(5),
    ),
    ProfileName.SPEC: Profile(
        probe=seconds(30),
        missed_probes=3,
        pings_per_second=2,
        heartbeat=seconds(30),
        announce=seconds(300),
        contact_window=seconds(100),
        redial_cap=seconds(30),
        sync_round=seconds(30),
        fence=seconds(90),
        rank_delay=seconds(5),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VotingPolicy:
    """How a queen votes without being asked: by action, else by `default`; None leaves it to its operator."""

    rules: Mapping[str, Choice | None] = field(default_factory=dict)
    default: Choice | None = None

    def choice(self, action: str) -> Choice | None:
        return self.rules.get(action, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """Everything tunable about the pure node."""

    profile: Profile = PROFILES[ProfileName.LAN]
    capabilities: Capabilities = field(default_factory=Capabilities)

    flush_interval: int = seconds(0.1)  # own writes closer together than this share a batch
    flush_ops: int = 256
    flush_bytes: int = 240 * 1024

    direct_members: int = 16  # up to so many members, batches also go straight to each
    seek_pause: int = seconds(1)  # between two questions to new links after members that cannot be reached
    gossip_interval: int = seconds(0.5)  # two gossip messages a second per owner: gossip is dear
    gossip_batch_limit: int = 200 * 1024  # bytes; larger batches are fetched by anti-entropy

    dial_base: int = seconds(0.25)
    refused_cap: int = seconds(10)  # between two dials of a peer that refuses us, by when it may have thought better
    dial_yield: int = seconds(0.3)  # the higher peer id lets the lower one dial first
    stranger_deadline: int = seconds(10)
    max_strangers: int = 16
    max_links: int = 256
    full_mesh: int = 128  # up to so many others, each is a neighbour
    neighbours: int = 64  # beyond that: so many, on average
    few_links: int = 4  # with fewer, a node that misses neighbours calls on any member
    max_book: int = 1024  # peers with addresses
    max_addresses: int = 16  # per peer
    book_interval: int = seconds(5)

    sync_sessions: int = 4
    sync_deadline: int = seconds(30)  # without progress
    sync_pause: int = seconds(1)  # between two sessions with one peer
    sync_fanout: int = 3

    join_retry: int = seconds(2)
    forward_deadline: int = seconds(8)
    promote_retry: int = seconds(2)
    admission_deadline_s: int = 24 * 3600  # how long the members may vote on a stranger
    decision_patience_s: int = 30  # who waits for a decision waits so much longer than the deadline
    indirect_probes: int = 3  # how many others are asked to probe a member that does not answer
    accuse_again: int = seconds(30)  # a failed member is accused anew, since words against it grow old
    suspend_after: int = seconds(60)  # how long a member stays failed before it is suspended
    submit_retry: int = seconds(1)  # a transaction that is not ordered is sent again, to all
    rules: int = RULES  # the newest version of the federation's rules that this node knows
    govern: bool = True  # this node is ready to govern with the others; else it holds that back
    govern_patience: int = seconds(60)  # the creator waits so long for the last ones to be ready
    checkpoint_every: int = 100  # heights; who is far behind leaps to the last checkpoint but one, or the last
    leap_from: int = 256  # so many blocks are replayed rather than leapt over
    replica: ReplicaConfig = field(default_factory=ReplicaConfig)
    voting: VotingPolicy = field(default_factory=VotingPolicy)
    startup_patience: int = seconds(3)  # how long an unclean but whole log waits for a majority to confirm it
    replicated_deadline: int = seconds(10)

    compact_bytes: int = 16 * 1024 * 1024  # journal written since the last compaction
    retain_bytes: int = 4 * 1024 * 1024  # of one owner's recent batches, for laggards
    max_pending_joins: int = 64
    max_pending_ops: int = 4096
