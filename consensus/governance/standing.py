"""What queens have decided and are deciding: open proposals with their ballots, outcomes, parameters, policies.

A frozen value, part of the state that each block of the chain hands to the next. Everything in it is bounded, and
what falls out at a bound follows from what is hashed, as everything does that blocks depend on: so that who begins
with a copy (`consensus.image`) goes on as everyone else. Outcomes fall out the oldest first, so do directives, and of
priorities the one whose target sorts first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from consensus.genesis import Params
from consensus.governance.proposals import Choice, Proposal, ProposalId
from consensus.governance.tally import Status, Tally
from wire import cbor
from wire.ids import ZERO_DIGEST, Digest, SwarmId, tagged_hash

RULES = 1  # the newest version of the federation's rules that this code knows
_VOID = "void"
MAX_OPEN = 1024
MAX_OPEN_OF_ONE = 16
MAX_OUTCOMES = 1024  # the newest; older ones are in the blocks
MAX_DIRECTIVES = 4096
MAX_PRIORITIES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenProposal:
    """A proposal on the chain that is not decided yet; `height` is where it was ordered."""

    proposal: Proposal
    height: int
    ballots: Mapping[SwarmId, Choice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a proposal; `void` says why an approved action changed nothing, empty when it did.

    That it changed nothing is hashed. The sentence is for people: another version words it otherwise, and has the
    same state all the same.
    """

    proposal: Proposal
    status: Status
    tally: Tally
    height: int
    time_ms: int
    void: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a swarm may ask of the others."""

    max_agents: int | None = None
    max_duration_ms: int | None = None
    allowed_types: tuple[str, ...] | None = None
    read: bool = True
    write: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """A decided allocation or pre-emption, for the swarms that it concerns to carry out."""

    action: str
    details: bytes
    time_ms: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The decided state beside the membership."""

    params: Params
    governed: bool = False  # by the queens; else by the creator alone
    protocol_version: int = 1
    open: Mapping[ProposalId, OpenProposal] = field(default_factory=dict)
    outcomes: Mapping[ProposalId, Outcome] = field(default_factory=dict)
    history: Digest = ZERO_DIGEST  # over every outcome ever, each hashed with those before it
    forgotten: Digest = ZERO_DIGEST  # the same, before the first that `outcomes` holds
    policies: Mapping[SwarmId | None, Policy] = field(default_factory=dict)
    priorities: Mapping[tuple[str, str], str] = field(default_factory=dict)
    directives: Mapping[ProposalId, Directive] = field(default_factory=dict)

    @cached_property
    def beyond_us(self) -> str:
        """Why this code cannot judge what follows; empty when it can."""
        return unknown_rules(self.protocol_version, RULES)

    def open_of(self, proposer: SwarmId) -> int:
        """How many proposals of one swarm are open."""
        return sum(1 for entry in self.open.values() if entry.proposal.proposer == proposer)

    def in_order(self) -> list[OpenProposal]:
        """What is open, as it is tallied: by height, and within a block by id. It follows from what is hashed."""
        return sorted(self.open.values(), key=lambda entry: (entry.height, entry.proposal.id))

    def policy_of(self, swarm: SwarmId) -> Policy:
        """What holds for a swarm: its own policy, else the one for all, else no limit."""
        return self.policies.get(swarm) or self.policies.get(None) or Policy()

    @cached_property
    def hash(self) -> Digest:
        """Of everything here; equal on every node at one height."""
        rows = [
            [self.governed, self.protocol_version, msgspec.to_builtins(self.params)],
            [
                [entry.proposal.hash, entry.height, [[swarm, int(c)] for swarm, c in sorted(entry.ballots.items())]]
                for _, entry in sorted(self.open.items())
            ],
            self.history,
            [
                [swarm or b"", p.max_agents, p.max_duration_ms, p.allowed_types, p.read, p.write]
                for swarm, p in sorted(self.policies.items(), key=lambda item: item[0] or b"")
            ],
            [[*target, priority] for target, priority in sorted(self.priorities.items())],
            [[proposal, d.action, d.details, d.time_ms] for proposal, d in sorted(self.directives.items())],
        ]
        return tagged_hash("zenmesh/standing", cbor.encode(rows))

    # changing

    def proposed(self, entry: OpenProposal) -> Standing:
        return replace(self, open={**self.open, entry.proposal.id: entry})

    def voted(self, proposal: ProposalId, voter: SwarmId, choice: Choice) -> Standing:
        entry = self.open[proposal]
        return self.proposed(replace(entry, ballots={**entry.ballots, voter: choice}))

    def closed(self, outcome: Outcome) -> Standing:
        """A proposal is decided: it is open no more."""
        left = {key: entry for key, entry in self.open.items() if key != outcome.proposal.id}
        outcomes = {**self.outcomes, outcome.proposal.id: outcome}
        forgotten = self.forgotten
        if len(outcomes) > MAX_OUTCOMES:
            forgotten = _after(forgotten, outcomes.pop(next(iter(outcomes))))
        history = _after(self.history, outcome)
        return replace(self, open=left, outcomes=outcomes, history=history, forgotten=forgotten)

    def parametrized(self, params: Params) -> Standing:
        return replace(self, params=params)

    def ruled(self, swarm: SwarmId | None, policy: Policy) -> Standing:
        return replace(self, policies={**self.policies, swarm: policy})

    def prioritized(self, target: tuple[str, str], priority: str) -> Standing:
        others = {key: value for key, value in self.priorities.items() if key != target}
        if len(others) >= MAX_PRIORITIES:
            del others[min(others)]
        return replace(self, priorities={**others, target: priority})

    def directed(self, proposal: ProposalId, directive: Directive) -> Standing:
        others = dict(self.directives)
        if len(others) >= MAX_DIRECTIVES:
            del others[min(others, key=lambda one: (others[one].time_ms, one))]
        return replace(self, directives={**others, proposal: directive})

    def upgraded(self, version: int) -> Standing:
        return replace(self, protocol_version=version)

    def activated(self) -> Standing:
        return replace(self, governed=True)


def unknown_rules(decided: int, known: int) -> str:
    """A sentence for whoever runs code that knows rules up to version `known`; empty when that is enough."""
    if decided <= known:
        return ""
    what = f"the federation's rules are of version {decided}, and this zenmesh knows versions up to {known}"
    return f"{what}: install a newer zenmesh and start it again; nothing is lost"


def _after(history: Digest, outcome: Outcome) -> Digest:
    """The digest over all outcomes up to this one."""
    tally = outcome.tally
    row = [
        outcome.proposal.hash, outcome.status.value, tally.approve, tally.reject, tally.abstain, tally.total,
        outcome.height, outcome.time_ms, _VOID if outcome.void else "",
    ]  # fmt: skip
    return tagged_hash("zenmesh/outcome", history, cbor.encode(row))
