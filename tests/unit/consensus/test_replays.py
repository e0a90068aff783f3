"""What was decided is not decided again, also once the state has forgotten it: the blocks still hold its ballots."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus import replays
from consensus.bft.messages import Phase
from consensus.governance import standing
from consensus.replays import Replays
from tests.support.chamber import Chamber
from wire.errors import Overtaken
from wire.types import MessageType

PRE_PREPARE, PREPARE = MessageType.PRE_PREPARE, MessageType.PREPARE


@pytest.fixture
def chamber(monkeypatch: pytest.MonkeyPatch) -> Chamber:
    """Three proposals are decided, of which the state has forgotten the first."""
    monkeypatch.setattr(standing, "MAX_OUTCOMES", 2)
    chamber = Chamber(at=1)
    for number in (1, 2, 3):
        chamber.grow(chamber.block(1, *chamber.ballots(number)))
    return chamber


def proposed(chamber: Chamber, number: int) -> bytes:
    block = chamber.block(1, *chamber.ballots(number))
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    return block


def test_no_queen_votes_on_a_block_that_has_it_decided_again(chamber: Chamber) -> None:
    block = proposed(chamber, 1)
    assert chamber.chain.check_block(block), "what is decided by blocks alone would be, with the very same ballots"
    assert (chamber.voted(PREPARE), chamber.blamed) == ([], "")
    chamber.votes(Phase.PREPARE, chamber.core(block))
    assert chamber.replica.records() == []


def test_what_is_new_is_voted_on(chamber: Chamber) -> None:
    proposed(chamber, 4)
    assert len(chamber.voted(PREPARE)) == 1


def test_nobody_waits_for_it(chamber: Chamber) -> None:
    with pytest.raises(Overtaken, match="a while ago"):
        chamber.submit(chamber.proposal_tx(1))
    with pytest.raises(Overtaken, match="on the chain already"):
        chamber.submit(chamber.proposal_tx(2))
    chamber.submit(chamber.proposal_tx(4))
    assert chamber.replica.pending == 1


def test_a_copy_knows_what_was_forgotten_and_forgets_no_more_for_the_first(chamber: Chamber) -> None:
    twin = chamber.chain.copy()
    chamber.grow(chamber.block(1, *chamber.ballots(4)))
    assert (len(twin.replays), len(chamber.chain.replays)) == (1, 2)
    twin.adopt(chamber.chain)
    assert len(twin.replays) == 2


def test_what_is_kept_is_bounded_by_deadlines_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MOST", 2000)
    chamber = Chamber()
    chamber.grow(chamber.block(1, *chamber.ballots(1)))
    before = chamber.chain.standing
    [outcome] = before.outcomes.values()
    after = replace(before, outcomes={}, forgotten=before.history)
    known = Replays()
    for number in range(6000):
        deadline_ms = 1_000 + number
        body = replace_body(outcome, number, deadline_ms)
        known.note(replace(before, outcomes={body.proposal.id: body}), after, time_ms=0)
    assert len(known) <= 2 * 2000 + 1024
    assert (0).to_bytes(16, "big") not in known
    assert (5999).to_bytes(16, "big") in known
    for number in range(6000, 9000):
        body = replace_body(outcome, number, 1_000 + number)
        known.note(replace(before, outcomes={body.proposal.id: body}), after, time_ms=1 << 40)
    assert len(known) <= 2 * 1024 + 1


def replace_body(outcome: standing.Outcome, number: int, deadline_ms: int) -> standing.Outcome:
    """The outcome of another proposal, with such a deadline."""
    fields = {name: getattr(outcome.proposal.body, name) for name in outcome.proposal.body.__struct_fields__}
    changed = {**fields, "proposal": number.to_bytes(16, "big"), "deadline_ms": deadline_ms}
    return replace(outcome, proposal=replace(outcome.proposal, body=type(outcome.proposal.body)(**changed)))
