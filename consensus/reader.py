"""What can be asked of a chain, and follows from its state alone: who belongs, who votes, by which keys."""

from __future__ import annotations

from consensus.genesis import Genesis, Params
from consensus.governance.standing import Standing
from consensus.membership import Member, MemberState
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.state import State
from consensus.validators import Validator, ValidatorSet
from wire.ids import Digest, PeerId, PublicKey, SwarmId


class Reader:
    """A state and the genesis that it began with. A `KeyRing` for the replicated state."""

    genesis: Genesis
    state: State

    @property
    def epoch(self) -> int:
        """How often the membership, and so who votes, has changed."""
        return self.state.epoch

    @property
    def state_hash(self) -> Digest:
        return self.state.hash

    @property
    def params(self) -> Params:
        """The federation's parameters, as decided."""
        return self.state.standing.params

    @property
    def standing(self) -> Standing:
        """What the queens decided, and what is open."""
        return self.state.standing

    @property
    def governed(self) -> bool:
        """The queens govern; else the creator does, alone."""
        return self.state.standing.governed

    def validators(self) -> ValidatorSet:
        """Who certifies the next block."""
        if self.governed:
            return self.state.validators
        return alone(self.creator, self.creator.queen_key, self.epoch)

    @property
    def creator(self) -> Member:
        """The governor, in its current term."""
        return self.state.membership.everyone[self.genesis.members[0].swarm]

    def members(self) -> tuple[Member, ...]:
        """Who belongs, ascending by swarm id."""
        return self.state.membership.members()

    def member(self, swarm: SwarmId) -> Member | None:
        return self.state.membership.member(swarm)

    def member_by_peer(self, peer: PeerId) -> Member | None:
        return self.state.membership.by_peer(peer)

    def belonged(self, peer: PeerId) -> bool:
        """Whether `peer` speaks, or spoke last, for a swarm that belongs or did."""
        return any(member.peer == peer for member in self.state.membership.everyone.values())

    def standing_of(self, swarm: SwarmId) -> MemberState | None:
        """What became of a swarm, past members included."""
        member = self.state.membership.everyone.get(swarm)
        return None if member is None else member.state

    def member_by_name(self, name: str) -> Member | None:
        return self.state.membership.by_name(name)

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        """The key that signs for `swarm` in `term`, past members included."""
        member = self.state.membership.everyone.get(swarm)
        known = member.terms.get(term) if member else None
        return known.queen_key if known else None

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        """(seq, hash) of the last batch that counts of a closed term."""
        member = self.state.membership.everyone.get(swarm)
        known = member.terms.get(term) if member else None
        return known.close if known else None


class Moment(Reader):
    """What could be asked of a chain while this was its state."""

    def __init__(self, genesis: Genesis, state: State) -> None:
        self.genesis, self.state = genesis, state


def alone(creator: Member, key: PublicKey, epoch: int) -> ValidatorSet:
    """The creator as the only validator."""
    validator = Validator(swarm=creator.swarm, term=creator.term, key=key, weight=1)
    return ValidatorSet(epoch, (validator,), QuorumRule(QuorumSetting.AUTO, 1))
