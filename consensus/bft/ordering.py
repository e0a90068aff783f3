"""The normal case: a leader proposes, replicas prepare and commit, and the block is decided.

| heard | is answered, if |
|---|---|
| PRE_PREPARE of this view | PREPARE: by its leader, nothing else prepared, the block may be next, its time is near |
| a quorum of PREPARE, or their certificate | COMMIT, locked on the block: still in that view, and the block is here |
| a quorum of COMMIT of any view, or their certificate | the block is decided; who lacks it fetches it |
"""

from __future__ import annotations

from consensus.bft.desk import Desk
from consensus.bft.effects import Decided, NoteKind
from consensus.bft.messages import CONTENT, CertificateNews, Phase, PrePrepare, Vote, check_vote, open_core
from consensus.bft.safety import Signed
from consensus.blocks import MAX_CERTIFICATE, Certificate, Core, block_hash
from consensus.chain import Draft
from wire import cbor
from wire.errors import BadSignature, ProtocolViolation
from wire.ids import Digest, SwarmId
from wire.time import Instant
from wire.types import MessageType


class Ordering:
    """From transactions to decided blocks, as long as the view holds."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # hearing

    def on_pre_prepare(self, sender: SwarmId, message: PrePrepare, body: bytes, now: Instant, wall_ms: int) -> None:
        """A leader proposes a block. Raises RemoteError for what no honest one proposes."""
        desk = self._desk
        core = open_core(message.core, desk.federation)
        here = core.height != desk.height + 1 and desk.place(sender, core.epoch, core.height)  # the next one waits
        begun = here and (core.view < desk.view or (core.view == desk.view and desk.entered))
        if not begun and core.epoch == desk.validators.epoch and core.height >= desk.height:
            desk.held.add(sender, MessageType.PRE_PREPARE, body)
        if not begun or core.view < desk.view:
            return
        leader = desk.validators.leader(core.view, core.height)
        check_vote(Phase.PRE_PREPARE, message.core, leader.key, message.signature, desk.federation, desk.verify)
        if block_hash(message.block) != core.block_hash:
            raise ProtocolViolation("a PRE_PREPARE with another block than it names")
        desk.book(Phase.PRE_PREPARE, core, leader.swarm, message.signature)
        if desk.round.proposal is None and self._acceptable(core, message.block, wall_ms):
            self._accept(core, message.block, now)

    def on_vote(self, sender: SwarmId, phase: Phase, message: Vote, now: Instant) -> None:
        """Somebody's PREPARE or COMMIT. Raises RemoteError when it is forged."""
        desk = self._desk
        core = open_core(message.core, desk.federation)
        desk.place_vote(sender, phase, core)
        swarm = SwarmId(message.voter)
        if swarm == desk.me or not desk.votes.wanted(core, desk.view, desk.chain.height):
            return
        voter = desk.validators.validator(swarm)
        if voter is None:
            raise BadSignature("a vote by nobody who votes")
        if desk.votes.known(phase, core, swarm):
            return
        check_vote(phase, message.core, voter.key, message.signature, desk.federation, desk.verify)
        desk.book(phase, core, swarm, message.signature)
        self.count(now)

    def on_certificate(self, sender: SwarmId, message: CertificateNews, now: Instant) -> None:
        """A leader hands on what it collected. Raises RemoteError unless a quorum signed it."""
        desk = self._desk
        if message.phase is Phase.PRE_PREPARE:
            raise ProtocolViolation("a certificate of a phase that has none")
        claimed = open_core(cbor.decode_as(message.certificate, Certificate, MAX_CERTIFICATE).core, desk.federation)
        if not desk.place(sender, claimed.epoch, claimed.height):
            return
        core = desk.validators.open(message.certificate, CONTENT[message.phase], desk.federation, desk.verify)
        if message.phase is Phase.PREPARE:
            self._prepared(core, message.certificate)
        else:
            self._decide(core, message.certificate, sender, now)

    def count(self, now: Instant) -> None:
        """See whether a quorum agrees: on the PREPAREs of this view, or on the COMMITs of any."""
        desk = self._desk
        if desk.entered and desk.rules.voted(Phase.COMMIT, desk.view, desk.height) is None:
            agreed = desk.agreed(Phase.PREPARE, desk.view)
            if agreed is not None:
                desk.hand_on(Phase.PREPARE, agreed[1])
                self._prepared(agreed[0], agreed[1])
        for view in desk.votes.views(Phase.COMMIT, desk.height):
            agreed = desk.agreed(Phase.COMMIT, view)
            if agreed is not None:
                desk.hand_on(Phase.COMMIT, agreed[1])
                self._decide(agreed[0], agreed[1], next(iter(agreed[2])), now)
                return

    # accepting

    def _acceptable(self, core: Core, block: bytes, wall_ms: int) -> bool:
        """The block may be decided here and now. Raises RemoteError for one that no honest leader proposes."""
        desk = self._desk
        forced = desk.forced()
        if forced is not None and core.block_hash != forced:
            raise ProtocolViolation("a leader proposes another block than its view is bound to")
        judged = desk.chain.check_block(block)
        skew = judged.time_ms - wall_ms
        if forced is None and abs(skew) > desk.config.clock_window_ms:
            desk.note(NoteKind.CLOCK, core.view, core.height, f"{skew} ms")
            return False
        if forced is None and desk.chain.replays.within(judged.txs):  # a leader that leaped may not know better
            return False
        return desk.rules.allows(Phase.PREPARE, core)

    def _accept(self, core: Core, block: bytes, now: Instant) -> None:
        """Make the leader's block ours, and say PREPARE."""
        desk = self._desk
        self.take_up(core, block, now)
        self._cast(Phase.PREPARE, core, desk.rules.prepare(core, block))
        self.count(now)

    def take_up(self, core: Core, block: bytes, now: Instant) -> None:
        """`block` is what the present view proposes at our height."""
        round_ = self._desk.round
        round_.proposal = Digest(core.block_hash)
        round_.bodies[round_.proposal] = block
        round_.began = now if round_.began is None else round_.began

    def _prepared(self, core: Core, certificate: bytes) -> None:
        """A quorum prepared: lock on it and say COMMIT, if we are still there and have the block."""
        desk = self._desk
        block = desk.round.bodies.get(Digest(core.block_hash))
        known = desk.rules.voted(Phase.COMMIT, core.view, core.height)
        if core.view != desk.view or not desk.entered or block is None or known is not None:
            return
        desk.note(NoteKind.PREPARED, core.view, core.height, core.block_hash.hex())
        self._cast(Phase.COMMIT, core, desk.rules.commit(core, certificate, block))

    def _decide(self, core: Core, certificate: bytes, witness: SwarmId, now: Instant) -> None:
        """A quorum committed: the block is decided, whatever view that was in."""
        desk = self._desk
        block = desk.round.bodies.get(Digest(core.block_hash))
        if block is None:
            desk.fetch(witness)
            return
        took = None if desk.round.began is None else now - desk.round.began
        desk.chain.append(block, certificate)
        desk.note(NoteKind.DECIDED, core.view, core.height, core.block_hash.hex())
        desk.add(Decided(block, certificate))
        desk.pacemaker.decided(took)

    def _cast(self, phase: Phase, core: Core, signed: Signed) -> None:
        """Send a vote of ours, durable first, and count it."""
        desk = self._desk
        desk.say(signed, None if desk.all_to_all else desk.validators.leader(core.view, core.height).swarm)
        desk.book(phase, core, desk.me, cbor.decode_as(signed.body, Vote).signature)

    # proposing

    def propose(self, now: Instant, wall_ms: int) -> None:
        """As the leader: begin the next height when there is something for it."""
        desk = self._desk
        if not self._may_propose():
            return
        block = self._begun() or (self._bound() if desk.forced() is not None else self._drafted(now, wall_ms))
        if block is None:
            return
        core = desk.chain.core(block_hash(block), desk.view)
        signed = desk.rules.pre_prepare(core, block)
        desk.note(NoteKind.PROPOSED, core.view, core.height, core.block_hash.hex())
        desk.say(signed)
        desk.book(Phase.PRE_PREPARE, core, desk.me, cbor.decode_as(signed.body, PrePrepare).signature)
        self._accept(core, block, now)

    def batch_deadline(self) -> Instant | None:
        """Until when a leader waits for more to put into its block: a proposal and the ballots on it, which take
        about a round to come, need one block and not two."""
        desk = self._desk
        oldest = desk.pool.oldest()
        if oldest is None or not self._may_propose():
            return None
        return oldest + max(desk.config.batch_delay, min(desk.pacemaker.round, desk.config.batch_patience))

    def _may_propose(self) -> bool:
        desk = self._desk
        mine = desk.voting and desk.entered and desk.leader().swarm == desk.me
        return mine and desk.rules.voted(Phase.PREPARE, desk.view, desk.height) is None

    def _begun(self) -> bytes | None:
        """What we proposed here before we were killed: nothing else may follow."""
        desk = self._desk
        digest = desk.rules.voted(Phase.PRE_PREPARE, desk.view, desk.height)
        return None if digest is None else desk.rules.bodies()[digest]

    def _bound(self) -> bytes:
        opened = self._desk.opened
        assert opened is not None, "a forced block comes with the view that forces it"
        assert opened.block is not None, "a forced block comes whole"
        return opened.block

    def _drafted(self, now: Instant, wall_ms: int) -> bytes | None:
        """The next block, when it is time for one: nothing that decides, or needs no ballots, is made to wait."""
        desk = self._desk
        if len(desk.pool) == 0 and not desk.chain.state.overdue(wall_ms):
            return None
        draft: Draft = desk.chain.draft(desk.pool.all(), wall_ms)
        for tx, _ in draft.refused:
            desk.pool.remove(tx)
        batch = self.batch_deadline()
        waited = draft.included and batch is not None and now >= batch
        return draft.block if draft.decides or draft.urgent or waited else None
