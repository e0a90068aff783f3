"""How each voter is, since when, and who says so: what `status` and `members` show of failure.

    active ──silent for `missed_probes` periods──► suspected, by this node
    suspected ──accused by more than half of the weight──► failed, wherever that is known
    failed ──a SUSPEND on the chain──► suspended
    contradicted itself ──a QUARANTINE on the chain──► quarantined
    its certificate has ended ──an EXPIRE on the chain──► expired

The first three are what this node makes of others (`mesh.protocol.detector`): two nodes may differ. The others are
what the chain says: everybody's. Nobody watches who has no vote, and nobody watches at all while the creator governs:
then there is nothing to say.

Since when a swarm is suspended or in quarantine, and on whose word, stands in the block that made it so. Blocks are
read once, as the chain grows, so that `status` has nothing to search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import assert_never

from consensus.accusations import Accusation
from consensus.blocks import MAX_BLOCK, Block, QuarantineTx, SuspendTx, decode_tx
from consensus.chain import Chain
from consensus.membership import Member, MemberState
from mesh.protocol.context import Context
from mesh.protocol.detector import Detector, Health
from mesh.protocol.proofs import name_of
from wire import cbor, cose
from wire.ids import PublicKey, SwarmId
from wire.time import Instant

_READ_AT_ONCE = 1 << 20  # bytes of blocks


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the chain says against a swarm: when, by the clock of the block, and on whose word."""

    time_ms: int
    accusers: tuple[SwarmId, ...] = ()


class Verdicts:
    """The last verdict against each swarm, as read off the chain."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._height = 0  # up to which blocks are read
        self._suspended: dict[SwarmId, Verdict] = {}
        self._quarantined: dict[PublicKey, Verdict] = {}  # by the queen key that contradicted itself

    def read(self) -> None:
        """Read the blocks that came since the last time."""
        while self._height < self._chain.height:
            self._height = max(self._height, self._chain.first - 1)
            for raw, _ in self._chain.blocks(self._height + 1, _READ_AT_ONCE):
                self._height += 1
                block = cbor.decode_as(raw, Block, MAX_BLOCK)
                for tx in block.txs:
                    self._take(tx, block.time_ms)

    def _take(self, raw: bytes, time_ms: int) -> None:
        match decode_tx(raw):
            case SuspendTx(accusations=accusations):
                bodies = [cbor.decode_as(cose.parse(raw).payload, Accusation) for raw in accusations]
                accusers = tuple(SwarmId(body.accuser) for body in bodies)
                self._suspended[SwarmId(bodies[0].accused)] = Verdict(time_ms, accusers)
            case QuarantineTx(first=first):
                self._quarantined[cose.parse(first).kid] = Verdict(time_ms)
            case _:
                pass

    def against(self, member: Member) -> Verdict | None:
        """What made a member SUSPENDED or QUARANTINED; None where that is before the blocks that are held here."""
        if member.state is MemberState.SUSPENDED:
            return self._suspended.get(member.swarm)
        keys = [term.queen_key for term in member.terms.values()]  # in whatever term it was: it may have another now
        said = [self._quarantined[key] for key in keys if key in self._quarantined]
        return max(said, key=attrgetter("time_ms"), default=None)


HealthOf = Callable[[Member, Instant], dict[str, object] | None]


class HealthBook:
    """Each member's health, for people and programs."""

    def __init__(self, context: Context, detector: Detector) -> None:
        self._context = context
        self._detector = detector
        self._verdicts = Verdicts(context.chain)

    def of(self, member: Member, now: Instant) -> dict[str, object] | None:
        """State, since when by the wall clock, and who says so; None for one that nobody watches."""
        match member.state:
            case MemberState.SUSPENDED | MemberState.QUARANTINED:
                self._verdicts.read()
                found = self._verdicts.against(member)
                word = Health[member.state.name]
                return self._row(word, None, ()) if found is None else self._row(word, found.time_ms, found.accusers)
            case MemberState.EXPIRED:
                return self._row(Health.EXPIRED, member.not_after_ms, ())
            case MemberState.ACTIVE | MemberState.TAKING_OVER if self._context.chain.governed:
                health, since = self._detector.condition(member.swarm, now)
                if health is Health.ACTIVE:
                    health = Health[member.state.name]
                since_ms = None if since is None else self._context.wall_ms(since)
                return self._row(health, since_ms, self._detector.accusers(member.swarm, now))
            case MemberState.ACTIVE | MemberState.LEARNER | MemberState.TAKING_OVER:
                return None
            case MemberState.LEFT | MemberState.EXPELLED:
                return None
            case _:
                assert_never(member.state)

    def counts(self, now: Instant) -> dict[Health, int]:
        """How many members are so, for each health."""
        rows = [self.of(member, now) for member in self._context.chain.members()]
        return {health: sum(row is not None and row["state"] == health for row in rows) for health in Health}

    def _row(self, health: Health, since_ms: int | None, accusers: tuple[SwarmId, ...]) -> dict[str, object]:
        accused_by = sorted(name_of(self._context.chain, accuser) for accuser in accusers)
        return {"state": health.value, "since_ms": since_ms, "accused_by": accused_by}
