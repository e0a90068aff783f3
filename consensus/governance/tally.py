"""The tally: from the ballots on the chain to APPROVED, REJECTED, EXPIRED, or still open. Pure arithmetic.

    APPROVED   approve > τ·W          REJECTED   approve + outstanding ≤ τ·W          else open, until the deadline

τ is one half for RESOURCE_ALLOCATION and PRIORITY_CHANGE; for FEDERATION_POLICY it is the epoch's own quorum rule.
Voters and weights are those of the epoch of the block that tallies: who departed drops out with its ballot. The
target of an expulsion neither votes nor counts. ABSTAIN uses weight up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from consensus.governance.proposals import Choice, Subject
from consensus.quorum import reaches_majority
from consensus.validators import ValidatorSet
from wire.ids import SwarmId


class Status(StrEnum):
    """Where a proposal stands."""

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Weights by choice, out of `total`."""

    approve: int
    reject: int
    abstain: int
    total: int

    @property
    def outstanding(self) -> int:
        """Weight that has not spoken."""
        return self.total - self.approve - self.reject - self.abstain


def count(ballots: Mapping[SwarmId, Choice], voters: ValidatorSet, without: SwarmId | None = None) -> Tally:
    """The weights behind each choice; `without` neither votes nor counts."""
    weights = dict.fromkeys(Choice, 0)
    total = voters.total
    for validator in voters.validators:
        if validator.swarm == without:
            total -= validator.weight
        elif validator.swarm in ballots:
            weights[ballots[validator.swarm]] += validator.weight
    return Tally(
        approve=weights[Choice.APPROVE],
        reject=weights[Choice.REJECT],
        abstain=weights[Choice.ABSTAIN],
        total=total,
    )


def judge(tally: Tally, subject: Subject, voters: ValidatorSet) -> Status:
    """What `tally` decides about a proposal of `subject`, before its deadline."""
    reached = voters.rule.reached if subject is Subject.FEDERATION_POLICY else reaches_majority
    if reached(tally.approve, tally.total):
        return Status.APPROVED
    if not reached(tally.approve + tally.outstanding, tally.total):
        return Status.REJECTED
    return Status.OPEN
