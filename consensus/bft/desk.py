"""What the parts of a replica share: where it stands, what it has heard, and the list of effects under construction.

`Ordering` and `Views` read and write here; each field has one of them, or the replica itself, that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consensus.bft.effects import Convict, Effect, Fetch, Note, NoteKind, Say, Serve, Store
from consensus.bft.held import Held
from consensus.bft.messages import CertificateNews, Phase
from consensus.bft.pacemaker import Pace, Pacemaker
from consensus.bft.pool import Pool
from consensus.bft.safety import SafetyRules, Signed
from consensus.bft.viewchange import Beginning
from consensus.bft.votes import VoteBook
from consensus.blocks import Core
from consensus.chain import Chain
from consensus.validators import Validator, ValidatorSet
from wire import cbor, keys
from wire.ids import Digest, SwarmId
from wire.time import Instant, seconds
from wire.types import MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaConfig:
    """Bounds and durations (microseconds unless named otherwise)."""

    pace: Pace = field(default_factory=Pace)
    batch_delay: int = seconds(0.01)  # how long a leader waits for ballots: at least so long,
    batch_patience: int = seconds(0.25)  # where rounds take longer as long as one, and never longer than this
    repeat: int = seconds(0.5)  # while nothing is decided, what was said last is said again
    submit_again: int = 16  # transactions at once that wait here and that the leader may lack
    clock_window_ms: int = 10_000  # between a new block's time and our wall clock
    all_to_all: int = 6  # up to so many validators, votes go to everyone
    pool: int = 4096  # transactions that wait
    pool_bytes: int = 16 * 1024 * 1024


@dataclass(slots=True)
class Round:
    """What is known of the height after the last decided one."""

    proposal: Digest | None = None  # accepted in the present view
    began: Instant | None = None
    bodies: dict[Digest, bytes] = field(default_factory=dict)  # blocks, of any view
    neighbours: dict[tuple[SwarmId, Phase, int], None] = field(default_factory=dict)  # said of the heights beside
    handed: dict[tuple[int, bytes], None] = field(default_factory=dict)  # what the leader of a view was handed


class Desk:
    """The state of one replica."""

    def __init__(
        self, chain: Chain, me: SwarmId, rules: SafetyRules, config: ReplicaConfig, verify: keys.Verify
    ) -> None:
        self.chain = chain
        self.me = me
        self.rules = rules
        self.config = config
        self.verify = verify
        self.federation = chain.federation_id
        self.pool = Pool(chain, config.pool, config.pool_bytes)
        self.pacemaker = Pacemaker(config.pace)
        self.abstains = False
        self._out: list[Effect] = []
        self.begin_epoch()
        self.entered = rules.view == 0  # the present view's leader may propose

    def begin_epoch(self) -> None:
        """Another set of voters: nothing that was heard in the epochs before counts in this one."""
        self.validators: ValidatorSet = self.chain.validators()
        seat = self.validators.validator(self.me)
        self._seated = seat is not None and seat.key == self.rules.public  # else it is another node's by now
        self.rules.begin_epoch(self.validators.epoch)
        self.votes = VoteBook(self.validators)
        self.held = Held()
        self.round = Round()
        self.opened: Beginning | None = None  # how the present view began; None in view 0
        self.entered = True

    # where we stand

    @property
    def view(self) -> int:
        """The view that this replica is in, or wants to be in."""
        return self.rules.view

    @property
    def height(self) -> int:
        """The one that is to be decided."""
        return self.chain.height + 1

    @property
    def voting(self) -> bool:
        """This swarm votes in this epoch, with our key, and does not abstain; the queens govern, by known rules."""
        return self._seated and not self.abstains and self.chain.governed and not self.chain.standing.beyond_us

    def leader(self, ahead: int = 0) -> Validator:
        """Who proposes next in this view, or `ahead` views later."""
        return self.validators.leader(self.view + ahead, self.height)

    def forced(self) -> Digest | None:
        """What the present view is bound to propose at our height."""
        return self.opened.forced if self.opened is not None and self.opened.base + 1 == self.height else None

    def busy(self, wall_ms: int) -> bool:
        """There is something to decide."""
        begun = self.round.proposal is not None or not self.entered or self.forced() is not None
        return begun or len(self.pool) > 0 or self.chain.state.overdue(wall_ms)

    def place(self, sender: SwarmId, epoch: int, height: int) -> bool:
        """True for what belongs to our height; else one side is behind, and gets or asks for blocks."""
        if epoch < self.validators.epoch or height < self.height:
            self.serve(sender, min(height, self.chain.height))
            return False
        if epoch > self.validators.epoch or height > self.height:
            self.fetch(sender)
            return False
        return True

    def place_vote(self, sender: SwarmId, phase: Phase, core: Core) -> None:
        """Likewise for a vote. Rounds overlap: the last votes on a block come when it is decided, the first on the
        next one before. So one height off, only what is said a second time shows that a side is behind.
        """
        said = (sender, phase, core.height)
        if abs(core.height - self.height) == 1 and said not in self.round.neighbours:
            self.round.neighbours[said] = None
        else:
            self.place(sender, core.epoch, core.height)

    # hearing

    def book(self, phase: Phase, core: Core, voter: SwarmId, signature: bytes) -> None:
        """Count an authentic vote; who contradicts himself is convicted."""
        contradiction = self.votes.add(phase, core, voter, signature)
        if contradiction is not None:
            self._out.append(Convict(contradiction.swarm, contradiction.first, contradiction.second))

    def agreed(self, phase: Phase, view: int) -> tuple[Core, bytes, Mapping[SwarmId, bytes]] | None:
        """(core, certificate, signatures) when a quorum agrees on our height in a phase of `view`."""
        agreed = self.votes.agreed(phase, view, self.height)
        if agreed is None:
            return None
        core = self.chain.core(agreed[0], view)
        return core, self.validators.certify(core, agreed[1]), agreed[1]

    # saying

    def say(self, signed: Signed, to: SwarmId | None = None) -> None:
        """Send what we signed, durable first, to one validator or to all."""
        if signed.record is not None:
            self._out.append(Store(signed.record))
        self.send(signed.message, signed.body, to)

    def send(self, message: MessageType, body: bytes, to: SwarmId | None = None) -> None:
        """Send a message to one validator or to all."""
        if to != self.me:
            self._out.append(Say(message, body, to))

    def hand_on(self, phase: Phase, certificate: bytes) -> None:
        """Who alone collects votes tells the others what came of them."""
        if not self.all_to_all:
            self.send(MessageType.CERTIFICATE, cbor.encode_struct(CertificateNews(phase, certificate)))

    @property
    def all_to_all(self) -> bool:
        """Votes go to everyone, and everyone counts them."""
        return len(self.validators) <= self.config.all_to_all

    def fetch(self, swarm: SwarmId) -> None:
        """Ask who is further for blocks."""
        self.add_once(Fetch(swarm))

    def serve(self, swarm: SwarmId, from_height: int) -> None:
        """Send blocks to who is behind."""
        self.add_once(Serve(swarm, max(from_height, 1)))

    def note(self, kind: NoteKind, view: int, height: int, detail: str = "") -> None:
        self._out.append(Note(kind, view, height, detail))

    def add(self, effect: Effect) -> None:
        self._out.append(effect)

    def add_once(self, effect: Effect) -> None:
        if effect not in self._out:
            self._out.append(effect)

    def take(self) -> list[Effect]:
        """All effects since the last time, in order."""
        out, self._out = self._out, []
        return out
