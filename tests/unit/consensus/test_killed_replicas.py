"""A replica that is killed after any of its effects goes on where it was, and contradicts itself in nothing."""

from __future__ import annotations

from itertools import permutations

import pytest

from consensus import evidence
from consensus.bft.messages import CONTENT, Phase, PrePrepare, ViewChange, Vote
from tests.support.council import Council, Member, ballot_tx, proposal_tx
from wire import cbor, cose
from wire.errors import ProtocolViolation
from wire.ids import sha256
from wire.types import MessageType

EFFECTS = 12  # about as many as one replica has for a height
VOTES = {MessageType[phase.name]: phase for phase in Phase}


class Witness:
    """Hears all that leaves a replica, and keeps the envelopes."""

    def __init__(self, council: Council) -> None:
        self.council = council
        self.said: dict[str, dict[bytes, None]] = {}
        council.filter = self.hear

    def hear(self, source: Member, target: Member, kind: MessageType, body: bytes) -> bytes:
        if kind in VOTES:
            phase = VOTES[kind]
            vote = cbor.decode_as(body, PrePrepare if phase is Phase.PRE_PREPARE else Vote)
            raw = cose.reassemble(CONTENT[phase], vote.core, source.key.public, vote.signature).raw
            self.said.setdefault(source.name, {})[raw] = None
        elif kind is MessageType.VIEW_CHANGE:
            self.said.setdefault(source.name, {})[cbor.decode_as(body, ViewChange).header] = None
        return body

    def convicts(self) -> list[str]:
        """Who can be convicted by what it said."""
        return [
            name
            for name, said in self.said.items()
            if any(guilty(*pair, self.council.federation) for pair in permutations(said, 2))
        ]


def guilty(one: bytes, two: bytes, federation: bytes) -> bool:
    try:
        evidence.convicted(one, two, federation, lambda *_: True)
    except ProtocolViolation:
        return False
    return True


def put(council: Council, number: int) -> None:
    """A proposal with everybody's yes, at all who run."""
    tx, raw = proposal_tx(council.federation, council.names[number], number, council.wall_ms)
    for name in council.names:
        for each in (tx, *(ballot_tx(council.federation, voter, number, raw) for voter in council.names)):
            council.submit(name, each)


def decided(council: Council, number: int) -> bool:
    id_ = sha256(b"proposal %d" % number)[:16]
    return all(id_ in member.chain.standing.outcomes for member in council.members.values())


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("effects", range(EFFECTS))
def test_killed_after_any_effect_it_goes_on_where_it_was(effects: int, leads: bool) -> None:
    council = Council(4)
    witness = Witness(council)
    leader = council.members[council.names[0]].replica.leader().swarm
    victim = next(name for name, member in council.members.items() if (member.swarm == leader) is leads)
    council.fuses[victim] = effects
    put(council, 1)
    council.run(0.3)
    council.restart(victim)
    put(council, 2)
    assert council.run_until(lambda: decided(council, 2), limit_s=60)
    assert witness.convicts() == []
