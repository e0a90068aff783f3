"""Votes as they come in: who said what in which slot, when a quorum agrees, and who contradicts himself.

Bounded: votes on heights and views far ahead are left out, and so is all that is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from consensus.bft.messages import CONTENT, Phase
from consensus.blocks import Core
from consensus.validators import ValidatorSet
from wire import cbor, cose
from wire.ids import Digest, SwarmId

AHEAD_HEIGHTS = 8
AHEAD_VIEWS = 16

Slot = tuple[Phase, int, int]  # phase, view, height


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements of one voter, as envelopes that anyone can verify."""

    swarm: SwarmId
    first: bytes
    second: bytes


@dataclass(slots=True)
class _Ballots:
    """One slot: the first vote of each voter."""

    cores: dict[SwarmId, tuple[Core, bytes]] = field(default_factory=dict)  # swarm: (core, signature)
    by_digest: dict[Digest, dict[SwarmId, bytes]] = field(default_factory=dict)


class VoteBook:
    """The votes of one epoch above the last decided height."""

    def __init__(self, validators: ValidatorSet) -> None:
        self.validators = validators
        self._slots: dict[Slot, _Ballots] = {}

    def wanted(self, core: Core, view: int, height: int) -> bool:
        """A vote on `core` is of use to one who stands in `view` and has decided `height`."""
        far = core.height > height + AHEAD_HEIGHTS or core.view > view + AHEAD_VIEWS
        return core.epoch == self.validators.epoch and core.height > height and not far

    def known(self, phase: Phase, core: Core, voter: SwarmId) -> bool:
        """This very vote was booked already."""
        ballots = self._slots.get((phase, core.view, core.height))
        return ballots is not None and voter in ballots.by_digest.get(Digest(core.block_hash), {})

    def add(self, phase: Phase, core: Core, voter: SwarmId, signature: bytes) -> Contradiction | None:
        """Book an authentic vote of a validator; says so when it contradicts an earlier one, which stays."""
        ballots = self._slots.setdefault((phase, core.view, core.height), _Ballots())
        if voter in ballots.cores:
            before = ballots.cores[voter]
            return None if before[0] == core else self._contradiction(phase, voter, before, (core, signature))
        ballots.cores[voter] = (core, signature)
        ballots.by_digest.setdefault(Digest(core.block_hash), {})[voter] = signature
        return None

    def of(self, voter: SwarmId) -> list[bytes]:
        """What a voter said, as envelopes that anyone can verify, the latest height and view first."""
        voted = [slot for slot, ballots in self._slots.items() if voter in ballots.cores]
        voted.sort(key=lambda slot: (slot[2], slot[1], slot[0]), reverse=True)
        return [self._envelope(slot[0], voter, *self._slots[slot].cores[voter]) for slot in voted]

    def agreed(self, phase: Phase, view: int, height: int) -> tuple[Digest, Mapping[SwarmId, bytes]] | None:
        """(block hash, signatures) when a quorum agrees in a slot."""
        ballots = self._slots.get((phase, view, height))
        for digest, signatures in ballots.by_digest.items() if ballots else ():
            if self.validators.is_quorum(signatures):
                return digest, signatures
        return None

    def views(self, phase: Phase, height: int) -> list[int]:
        """The views in which somebody voted on `height`, ascending."""
        return sorted(slot[1] for slot in self._slots if (slot[0], slot[2]) == (phase, height))

    def decided(self, height: int) -> None:
        """Votes on `height` and below are of no use any more."""
        self._slots = {slot: ballots for slot, ballots in self._slots.items() if slot[2] > height}

    def _contradiction(
        self, phase: Phase, voter: SwarmId, first: tuple[Core, bytes], second: tuple[Core, bytes]
    ) -> Contradiction:
        return Contradiction(voter, self._envelope(phase, voter, *first), self._envelope(phase, voter, *second))

    def _envelope(self, phase: Phase, voter: SwarmId, core: Core, signature: bytes) -> bytes:
        """A vote as anyone can verify it."""
        validator = self.validators.validator(voter)
        assert validator is not None, "only validators' votes are booked"
        return cose.reassemble(CONTENT[phase], cbor.encode_struct(core), validator.key, signature).raw
