"""The federation's state: membership, decisions, epoch. A frozen value that every block turns into the next.

    state = State.founded(genesis)
    state = state.after(block, scene)          # RemoteError, with a sentence for a person, when the block may not be

What a block does, in this order: proposals whose deadline has come expire; its transactions; then every open proposal
is tallied, by the voters of the epoch that the block belongs to, and what is approved takes effect. A block that
changes the membership, or hands over to the queens, begins an epoch.

While the queens govern, a block may change few voters (one, or a sixth of the weight), so that two epochs in a row
share a quorum; an approved action that would change more waits for the next block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from consensus import transactions
from consensus.blocks import Block, decode_tx
from consensus.genesis import Genesis
from consensus.governance.actions import ACTIONS, Scene, left_out, read_details
from consensus.governance.standing import OpenProposal, Outcome, Standing
from consensus.governance.tally import Status, Tally, count, judge
from consensus.membership import VOTING, Membership, MemberState
from consensus.validators import ValidatorSet
from consensus.view import View
from wire import keys
from wire.errors import Offence, Overtaken, ProtocolViolation, RemoteError
from wire.ids import Digest, SwarmId, tagged_hash

MOST_CHANGED = 6  # a block changes voters of at most such a part of the weight, or a single one


@dataclass(frozen=True)
class State:
    """What holds after a block."""

    membership: Membership
    standing: Standing
    epoch: int = 0

    @classmethod
    def founded(cls, genesis: Genesis) -> State:
        """At height 0: the founders belong, the creator governs."""
        membership = Membership(setting=genesis.params.quorum_setting)
        for cert in genesis.members:
            membership = membership.join(cert, MemberState.ACTIVE, None, None)
        return cls(membership.weighed(), Standing(params=genesis.params))

    @cached_property
    def hash(self) -> Digest:
        """Equal on every node at one height. A federation that never was governed by its queens has no decisions."""
        if not self.standing.governed:
            return self.membership.state_hash
        return tagged_hash("zenmesh/state", self.membership.state_hash, self.standing.hash)

    @cached_property
    def validators(self) -> ValidatorSet:
        """Who votes from here on."""
        return self.membership.validators(self.epoch)

    def after(self, block: Block, context: Context) -> State:
        """The state after `block`.

        Raises:
            RemoteError: a transaction may not be, or the block changes too many voters, or nothing at all; or rules
                hold by now that this code does not know.
        """
        if beyond := self.standing.beyond_us:
            raise ProtocolViolation(beyond)
        step = Step(self, block.height, block.time_ms, context)
        step.expire()
        for raw in block.txs:
            step.transact(raw)
        step.tally()
        if not block.txs and not step.decided:
            raise ProtocolViolation("a block with nothing in it", Offence.CHAIN)
        return step.done()

    def overdue(self, time_ms: int) -> bool:
        """A block at `time_ms` would decide something, though nobody says anything."""
        return any(
            entry.proposal.body.deadline_ms <= time_ms or _judged(entry, self.validators)[1] is not Status.OPEN
            for entry in self.standing.open.values()
        )

    def next_expiry_ms(self) -> int | None:
        """The deadline that comes next, in wall time."""
        return min((entry.proposal.body.deadline_ms for entry in self.standing.open.values()), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a block is judged by, beside the state before it."""

    genesis: Genesis
    block_hash_at: Callable[[int], bytes | None]
    verify: keys.Verify

    @property
    def federation(self) -> bytes:
        return self.genesis.federation_id


class Surplus(ProtocolViolation):
    """More voters would change than one block may: it can come with a later one."""


class Step:
    """A state on its way through one block."""

    def __init__(self, before: State, height: int, time_ms: int, context: Context) -> None:
        self.before = before
        self.membership, self.standing = before.membership, before.standing
        self.height, self.time_ms, self.context = height, time_ms, context
        self.decided = 0

    def transact(self, raw: bytes) -> None:
        """One transaction more; raises RemoteError and changes nothing when it may not be."""
        view = View(
            genesis=self.context.genesis,
            membership=self.membership,
            standing=self.standing,
            voters=self.before.validators,
            height=self.height - 1,
            time_ms=self.time_ms,
            block_hash_at=self.context.block_hash_at,
            verify=self.context.verify,
        )
        membership, standing = transactions.apply(view, decode_tx(raw))
        self._left(membership)
        self._limit(membership)
        self.membership, self.standing = membership, standing

    def expire(self) -> None:
        """Proposals whose deadline has come are over: a ballot in this very block is too late."""
        for entry in self.standing.in_order():
            if entry.proposal.body.deadline_ms <= self.time_ms:
                self._close(entry, Status.EXPIRED, _judged(entry, self.before.validators)[0])

    def tally(self) -> None:
        """Decide what the ballots decide, and let it take effect."""
        for entry in self.standing.in_order():
            tally, status = _judged(entry, self.before.validators)
            if status is Status.APPROVED:
                self._effect(entry, tally)
            elif status is Status.REJECTED:
                self._close(entry, status, tally)

    def done(self) -> State:
        membership = self.membership.weighed() if self.membership is not self.before.membership else self.membership
        began = membership is not self.before.membership or self.standing.governed != self.before.standing.governed
        return State(membership, self.standing, self.before.epoch + began)

    def _effect(self, entry: OpenProposal, tally: Tally) -> None:
        body = entry.proposal.body
        details = read_details(body.subject, body.action, body.details)
        scene = Scene(
            membership=self.membership,
            standing=self.standing,
            proposal=entry.proposal.id,
            time_ms=self.time_ms,
            federation=self.context.federation,
            verify=self.context.verify,
        )
        void = ""
        try:
            membership, standing = ACTIONS[body.action].effect(scene, details)
            self._left(membership)
            if not self._within(membership):
                return  # it stays open, and the next block tallies it again
            self.membership, self.standing = membership, standing
        except RemoteError as error:
            void = error.detail
        self._close(entry, Status.APPROVED, tally, void)

    def _close(self, entry: OpenProposal, status: Status, tally: Tally, void: str = "") -> None:
        outcome = Outcome(
            proposal=entry.proposal,
            status=status,
            tally=tally,
            height=self.height,
            time_ms=self.time_ms,
            void=void,
        )
        self.standing = self.standing.closed(outcome)
        self.decided += 1

    def _limit(self, membership: Membership) -> None:
        if not self._within(membership):
            raise Surplus("a block that changes too many voters at once", Offence.CHAIN)

    def _left(self, membership: Membership) -> None:
        """Those who have a vote afterwards can decide: else nothing, not even their remedy, could be any more."""
        if membership is self.membership or not self.before.standing.governed:
            return
        voters = membership.weighed().validators(self.before.epoch)
        if not voters.validators:
            raise ProtocolViolation("nobody would be left who has a vote, and so nothing could be decided any more")
        if not voters.is_quorum(voter.swarm for voter in voters.validators):
            raise Overtaken(  # what one node could do with, another one that is a block further may not
                "those who would be left with a vote could decide nothing any more: first bring back, or expel, who"
                " is suspended or expired"
            )

    def _within(self, membership: Membership) -> bool:
        """Few enough voters of this block's epoch, or new ones, would change. A changed weight counts as a change."""
        if membership is self.membership or not self.before.standing.governed:
            return True
        old, new = _voters(self.before.membership), _voters(membership)
        changed = [swarm for swarm in {**old, **new} if old.get(swarm) != new.get(swarm)]
        if len(changed) <= 1:
            return True
        weights = {v.swarm: v.weight for v in self.before.validators.validators}
        moved = sum(weights.get(swarm, 1) for swarm in changed)
        return MOST_CHANGED * moved <= self.before.validators.total


def _voters(membership: Membership) -> dict[SwarmId, tuple[bytes, int]]:
    voting = (m for m in membership.members() if m.state in VOTING)
    return {m.swarm: (m.queen_key, m.certified_weight) for m in voting}


def _judged(entry: OpenProposal, voters: ValidatorSet) -> tuple[Tally, Status]:
    body = entry.proposal.body
    tally = count(entry.ballots, voters, left_out(body))
    return tally, judge(tally, body.subject, voters)
