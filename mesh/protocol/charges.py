"""What is held against one voter in an epoch, by whom, and which of it convinces the others.

Each accuser has one word, the latest. Words count together when they are of one incarnation; which one counts is what
the heaviest of them name, not the highest that somebody does: else one liar could name one that nobody reached, and
the words of all others would be void.

A certificate needs more than half of the weight, not everyone. Those that are certain to be fresh when they are
ordered go into it first: one accusation from the future, or one that is about to be too old, would make it void. Who
is ahead of us comes last, in case it is only its clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.accusations import Accusation, confirmed
from consensus.succession import ACCUSED_FOR_MS, CLOCKS_APART_MS
from consensus.validators import ValidatorSet
from wire.ids import SwarmId
from wire.time import Instant

Words = dict[SwarmId, tuple[Accusation, bytes]]  # by accuser: what it says, as said and as received


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """That a swarm has failed, for whom who takes over has to convince: since when, how far its log is held by one of
    those who say so, and their accusations."""

    since: Instant
    seq: int
    accusations: tuple[bytes, ...]


@dataclass(slots=True)
class Case:
    """What is held against one voter, in this epoch and its present incarnation."""

    said: Words = field(default_factory=dict)
    accused_at: Instant | None = None  # by this node, the last time
    failed_at: Instant | None = None
    handed_in_at: Instant | None = None

    def hear(self, body: Accusation, raw: bytes) -> None:
        """Take the word of one accuser in the place of what it said before, if it is a later one."""
        accuser = SwarmId(body.accuser)
        known = self.said.get(accuser)
        if known is None or (known[0].incarnation, known[0].made_ms) < (body.incarnation, body.made_ms):
            self.said[accuser] = body, raw

    def against(self, voters: ValidatorSet, wall_ms: int) -> Words:
        """What is said of one incarnation, by the heaviest of all accusers, and still would count when it is
        ordered."""
        oldest, latest = wall_ms - ACCUSED_FOR_MS + CLOCKS_APART_MS, wall_ms + CLOCKS_APART_MS
        self.said = {accuser: said for accuser, said in self.said.items() if said[0].made_ms > oldest}
        counted: dict[int, Words] = {}
        for accuser, said in sorted(self.said.items()):
            if said[0].made_ms <= latest:
                counted.setdefault(said[0].incarnation, {})[accuser] = said
        heaviest = max(counted, key=lambda which: (voters.weight(counted[which]), which), default=None)
        return {} if heaviest is None else counted[heaviest]


def proof(accused: SwarmId, against: Words, voters: ValidatorSet, wall_ms: int) -> Words:
    """As few of these words as confirm that `accused` has failed, the freshest first; all of them where none do."""
    chosen: Words = {}
    for accuser, said in sorted(against.items(), key=lambda word: _doubtful(word[1][0].made_ms, wall_ms)):
        chosen[accuser] = said
        if confirmed(accused, chosen, voters):
            break
    return chosen


def _doubtful(made_ms: int, wall_ms: int) -> tuple[bool, int]:
    """How much may go wrong with an accusation until it is ordered."""
    return made_ms > wall_ms, abs(made_ms - wall_ms)
