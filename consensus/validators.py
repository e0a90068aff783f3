"""Who votes in an epoch, with what weight, and the certificates that they make together.

    validators = ValidatorSet(epoch, members, rule)            ascending by swarm id
    certificate = validators.certify(core, {swarm: signature})
    core = validators.open(certificate, COMMIT, federation, verify)      # raises unless a quorum of this set signed

Weight comes from this set alone, never from a message. A certificate holds no more signatures than a quorum takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, islice
from operator import sub

from consensus.blocks import Core, make_certificate, open_certificate
from consensus.quorum import QuorumName, QuorumRule, reaches_majority, reaches_weak_quorum
from wire import keys
from wire.errors import Offence, ProtocolViolation
from wire.ids import PublicKey, SwarmId
from wire.types import ContentType

ROTATION = 64  # heights after which another validator leads, though nobody failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """One queen that votes."""

    swarm: SwarmId
    term: int
    key: PublicKey
    weight: int


@dataclass(frozen=True)
class ValidatorSet:
    """The voters of one epoch and the rule by which they decide."""

    epoch: int
    validators: tuple[Validator, ...]
    rule: QuorumRule
    silent: int = 0  # weight of members that do not vote and yet count

    def __len__(self) -> int:
        return len(self.validators)

    @cached_property
    def total(self) -> int:
        """The weight of all who count."""
        return self.silent + sum(validator.weight for validator in self.validators)

    @cached_property
    def _keys(self) -> list[PublicKey]:
        return [validator.key for validator in self.validators]

    @cached_property
    def _positions(self) -> dict[SwarmId, int]:
        return {validator.swarm: position for position, validator in enumerate(self.validators)}

    def position(self, swarm: SwarmId) -> int | None:
        """Where a swarm stands in the order; None for one that does not vote."""
        return self._positions.get(swarm)

    def validator(self, swarm: SwarmId) -> Validator | None:
        position = self.position(swarm)
        return None if position is None else self.validators[position]

    def by_key(self, key: PublicKey) -> Validator | None:
        """Whose queen key that is."""
        return next((validator for validator in self.validators if validator.key == key), None)

    def leader(self, view: int, height: int) -> Validator:
        """Who proposes the block of `height` in `view`: stable, but for a planned rotation."""
        return self.validators[(view + height // ROTATION) % len(self.validators)]

    def weight(self, swarms: Iterable[SwarmId]) -> int:
        """What these weigh together; who does not vote weighs nothing."""
        positions = {self.position(swarm) for swarm in swarms}
        return sum(self.validators[position].weight for position in positions if position is not None)

    def is_quorum(self, swarms: Iterable[SwarmId]) -> bool:
        """They decide."""
        return self.rule.reached(self.weight(swarms), self.total)

    def is_weak(self, swarms: Iterable[SwarmId]) -> bool:
        """At least one of them is honest, if less than a third lie."""
        return reaches_weak_quorum(self.weight(swarms), self.total)

    def is_majority(self, swarms: Iterable[SwarmId]) -> bool:
        """More than half."""
        return reaches_majority(self.weight(swarms), self.total)

    # what it survives

    @property
    def crashes_tolerated(self) -> int:
        """How many may be down, whoever they are, while the others decide."""
        left = accumulate(self._heaviest, sub, initial=self.total - self.silent)
        return sum(self.rule.reached(weight, self.total) for weight in islice(left, 1, None))

    @property
    def liars_tolerated(self) -> int:
        """How many may lie, whoever they are, while the others decide and agree."""
        if self.rule.name is QuorumName.MAJORITY:
            return 0
        lying, count = 0, 0
        for weight in self._heaviest:
            lying += weight
            if reaches_weak_quorum(lying, self.total):
                break
            count += 1
        return min(count, self.crashes_tolerated)

    @property
    def _heaviest(self) -> list[int]:
        return sorted((validator.weight for validator in self.validators), reverse=True)

    # certificates

    def certify(self, core: Core, signatures: Mapping[SwarmId, bytes]) -> bytes:
        """A certificate from `signatures` on `core`, which reach a quorum."""
        chosen: list[int] = []
        weight = 0
        for position, validator in enumerate(self.validators):
            if validator.swarm in signatures and not self.rule.reached(weight, self.total):
                chosen.append(position)
                weight += validator.weight
        assert self.rule.reached(weight, self.total), "a certificate is made of a quorum"
        signed = [signatures[self.validators[position].swarm] for position in chosen]
        return make_certificate(core, chosen, signed, len(self))

    def open(self, raw: bytes, content: ContentType, federation: bytes, verify: keys.Verify) -> Core:
        """What the certificate `raw` says, every signature verified, their weight a quorum of this very set.

        Raises:
            RemoteError: malformed, of another federation or epoch, a bad signature, or too little weight.
        """
        core, signers = open_certificate(raw, self._keys, federation, verify, content)
        if core.epoch != self.epoch:
            raise ProtocolViolation(f"a certificate of epoch {core.epoch}, not {self.epoch}", Offence.CHAIN)
        if not self.rule.reached(sum(self.validators[position].weight for position in signers), self.total):
            raise ProtocolViolation("a certificate of too little weight", Offence.CHAIN)
        return core
