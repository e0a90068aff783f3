"""What a block of the queens may hold: the order within it, how many voters it changes, drafts, forks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus import chain
from consensus.bft.messages import Phase
from consensus.blocks import MAX_BLOCK, MAX_TX, Block, GovernTx, LeaveTx, QuarantineTx, encode_tx, support
from consensus.governance.proposals import Choice
from consensus.governance.standing import (
    Outcome,
)
from consensus.governance.tally import Status
from consensus.membership import MemberState
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import Realm, queen, swarm
from wire import cbor, cose
from wire.errors import BadSignature, Equivocation, Overtaken, ProtocolViolation
from wire.ids import sha256
from wire.types import ContentType


@pytest.fixture
def chamber() -> Chamber:
    return Chamber()


def outcome_of(chamber: Chamber, number: int) -> Outcome | None:
    return chamber.chain.standing.outcomes.get(sha256(b"proposal %d" % number)[:16])


# order within a block


def test_a_ballot_in_the_block_of_the_deadline_is_too_late(chamber: Chamber) -> None:
    tx, *ballots = chamber.ballots()
    chamber.grow(chamber.block(1, tx))
    deadline = chamber.wall_ms + 60_000
    late = chamber.block(1, *ballots, time_ms=deadline)
    with pytest.raises(Overtaken, match="not open"):
        chamber.chain.check_block(late)
    chamber.grow(chamber.block(1, *ballots[:3], time_ms=deadline - 1))
    outcome = outcome_of(chamber, 1)
    assert outcome is not None
    assert outcome.status is Status.APPROVED


def test_what_nobody_decides_expires_with_the_first_block_from_its_deadline_on(chamber: Chamber) -> None:
    tx, *ballots = chamber.ballots()
    chamber.grow(chamber.block(1, tx, ballots[0]))
    state = chamber.chain.state
    deadline = chamber.wall_ms + 60_000
    assert state.next_expiry_ms() == deadline
    assert (state.overdue(deadline - 1), state.overdue(deadline)) == (False, True)
    chamber.grow(chamber.block(1, chamber.realm.leave("beta"), time_ms=deadline))
    outcome = outcome_of(chamber, 1)
    assert outcome is not None
    assert (outcome.status, outcome.tally.approve, outcome.time_ms) == (Status.EXPIRED, 1, deadline)


def test_a_block_without_transactions_closes_a_proposal(chamber: Chamber) -> None:
    chamber.grow(chamber.block(1))
    deadline = chamber.wall_ms + 60_000
    with pytest.raises(ProtocolViolation, match="nothing in it"):
        chamber.chain.check_block(chamber.block(txs=(), time_ms=deadline - 1))
    chamber.grow(chamber.block(txs=(), time_ms=deadline))
    assert outcome_of(chamber, 1) is not None


def test_what_is_rejected_is_closed_and_changes_nothing(chamber: Chamber) -> None:
    tx, raw = proposal_tx(chamber.federation, chamber.order[0], 1, chamber.wall_ms)
    noes = [ballot_tx(chamber.federation, name, 1, raw, Choice.REJECT) for name in chamber.order[:2]]
    chamber.grow(chamber.block(1, tx, *noes))
    outcome = outcome_of(chamber, 1)
    assert outcome is not None
    assert (outcome.status, outcome.tally.reject) == (Status.REJECTED, 2)
    assert chamber.chain.standing.priorities == {}


def test_ballots_of_who_departed_drop_out(chamber: Chamber) -> None:
    tx, *ballots = chamber.ballots()
    voter = chamber.order[0]
    chamber.grow(chamber.block(1, tx, *ballots[:2]))
    chamber.grow(chamber.block(1, chamber.realm.leave(voter)))
    assert outcome_of(chamber, 1) is None, "one of the three who are left"
    chamber.grow(chamber.block(1, ballots[2]))
    outcome = outcome_of(chamber, 1)
    assert outcome is not None
    assert (outcome.tally.approve, outcome.tally.total) == (2, 3)


# how many voters a block changes


@pytest.mark.parametrize(("size", "leaving", "may"), [(4, 1, True), (4, 2, False), (10, 1, True), (10, 2, False)])
def test_a_block_changes_one_voter(size: int, leaving: int, may: bool) -> None:
    chamber = Chamber(size)
    block = chamber.block(1, *(chamber.realm.leave(name) for name in chamber.order[:leaving]))
    if may:
        chamber.chain.check_block(block)
        return
    with pytest.raises(ProtocolViolation, match="too many voters at once"):
        chamber.chain.check_block(block)


@pytest.mark.parametrize(("leaving", "may"), [(2, True), (3, False)])
def test_a_block_changes_a_sixth_of_the_weight(leaving: int, may: bool) -> None:
    chamber = Chamber(12)
    block = chamber.block(1, *(chamber.realm.leave(name) for name in chamber.order[:leaving]))
    if may:
        chamber.chain.check_block(block)
        return
    with pytest.raises(ProtocolViolation, match="too many voters at once"):
        chamber.chain.check_block(block)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: [r.bump("beta", 2), r.leave("gamma")], id="a new key counts as a change"),
        pytest.param(lambda r: [r.leave("gamma"), r.bump("beta", 2)], id="whatever comes first"),
    ],
)
def test_what_counts_as_a_change_of_voters(chamber: Chamber, change: Callable[[Realm], list[bytes]]) -> None:
    with pytest.raises(ProtocolViolation, match="too many voters at once"):
        chamber.chain.check_block(chamber.block(1, *change(chamber.realm)))


@pytest.mark.parametrize("away", ["alpha", "beta"])
def test_the_last_voter_stays(away: str) -> None:
    """Nobody could decide anything without it; learners and who is in quarantine cannot."""
    chamber = Chamber(2)
    last = next(name for name in chamber.order if name != away)
    chamber.grow(chamber.block(1, chamber.realm.join("guest")))
    chamber.grow(chamber.block(1, chamber.realm.leave(away)))
    for tx in (chamber.realm.leave(last), contradiction(chamber, last)):
        with pytest.raises(ProtocolViolation, match="nobody would be left"):
            chamber.chain.check_transaction(tx, chamber.wall_ms)
    with pytest.raises(ProtocolViolation, match="nobody would be left"):
        Chamber(1, at=0).submit(chamber.realm.leave("alpha"))
    chamber.chain.check_transaction(chamber.realm.leave("guest"), chamber.wall_ms)


def contradiction(chamber: Chamber, name: str) -> bytes:
    """Two PREPAREs of one queen for one slot."""
    cores = [chamber.core(block) for block in (b"one", b"other")]
    sealed = [
        cose.seal(ContentType.PREPARE, cbor.encode_struct(core), queen(name), chamber.federation) for core in cores
    ]
    return encode_tx(QuarantineTx(*sealed))


def test_learners_come_and_go_without_limit(chamber: Chamber) -> None:
    guests = [f"guest{number}" for number in range(5)]
    chamber.grow(chamber.block(1, *(chamber.realm.join(name) for name in guests[:1])))
    chamber.grow(chamber.block(1, chamber.realm.leave(guests[0]), chamber.realm.leave("beta")))
    assert len(chamber.chain.members()) == 3


@pytest.mark.parametrize(
    ("action", "details"),
    [
        pytest.param("expel", {"reason": "lies"}, id="one voter less"),
        pytest.param("set_weight", {"weight": 7}, id="a weight counts as a change"),
    ],
)
def test_an_approved_action_that_changes_too_many_waits_for_the_next_block(
    chamber: Chamber, action: str, details: dict[str, object]
) -> None:
    tx, raw = proposal_tx(
        chamber.federation, "alpha", 1, chamber.wall_ms, action, swarm=swarm("delta").hex(), **details
    )
    ballots = [ballot_tx(chamber.federation, name, 1, raw) for name in ("alpha", "beta", "gamma")]
    chamber.grow(chamber.block(1, tx, *ballots, chamber.realm.bump("beta", 2)))
    assert outcome_of(chamber, 1) is None
    assert chamber.chain.state.overdue(chamber.wall_ms)
    draft = chamber.chain.draft([], chamber.wall_ms)
    assert (draft.decides, draft.included) == (True, ())
    delta = chamber.chain.member(swarm("delta"))
    assert delta is not None
    assert (delta.state, delta.certified_weight) == (MemberState.ACTIVE, 1)


def test_the_handing_over_begins_an_epoch_though_nobody_loses_its_weight() -> None:
    realm = Realm()
    realm.order(realm.join("beta"))
    realm.order(realm.promote("beta"))
    epoch = realm.chain.epoch
    realm.order(encode_tx(GovernTx((support(realm.federation, swarm("beta"), 1, queen("beta")),))))
    assert (realm.chain.epoch, len(realm.chain.validators())) == (epoch + 1, 2)


# drafts


def test_a_draft_takes_what_may_be_and_says_why_not_the_rest(chamber: Chamber) -> None:
    tx, *ballots = chamber.ballots()
    bad = chamber.realm.leave("eve")
    draft = chamber.chain.draft([ballots[0], tx, ballots[0], bad], chamber.wall_ms)
    assert draft.included == (tx, ballots[0])
    assert [refused for refused, _ in draft.refused] == [ballots[0], bad]
    assert [type(error) for _, error in draft.refused] == [Overtaken, BadSignature]
    assert (draft.decides, draft.urgent) == (False, False)
    assert cbor.decode_as(draft.block, Block).txs == draft.included
    chamber.chain.check_block(draft.block)


def test_a_draft_is_urgent_with_what_needs_no_ballots_and_decides_what_has_them(chamber: Chamber) -> None:
    assert chamber.chain.draft([chamber.realm.leave("beta")], chamber.wall_ms).urgent
    assert chamber.chain.draft(chamber.ballots(), chamber.wall_ms).decides


def test_a_drafts_time_advances(chamber: Chamber) -> None:
    draft = chamber.chain.draft(chamber.ballots(), 0)
    assert cbor.decode_as(draft.block, Block).time_ms == chamber.chain.time_ms + 1


def test_a_draft_is_within_the_size_of_a_block(chamber: Chamber) -> None:
    pieces = [encode_tx(LeaveTx(bytes([number]) * 16_000)) for number in range(80)]
    filling = [chamber.proposal_tx(number) for number in range(10)]
    step = chamber.chain.draft([*filling, *pieces], chamber.wall_ms)
    assert step.included == tuple(filling)
    large = large_proposals(chamber)
    draft = chamber.chain.draft(large, chamber.wall_ms)
    assert 0 < len(draft.included) < len(large)
    assert draft.included == tuple(large[: len(draft.included)])
    assert len(draft.block) <= MAX_BLOCK < len(draft.block) + MAX_TX + 4096
    chamber.chain.check_block(draft.block)


def test_a_draft_holds_so_many_transactions(chamber: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_TXS", 3)
    txs = [chamber.proposal_tx(number) for number in range(5)]
    draft = chamber.chain.draft(txs, chamber.wall_ms)
    assert (draft.included, draft.refused) == (tuple(txs[:3]), ())


def large_proposals(chamber: Chamber) -> list[bytes]:
    """More than a block holds, each as large as may be."""
    certificate = "ab" * 20_000
    return [
        proposal_tx(
            chamber.federation, chamber.order[number % 4], number, chamber.wall_ms, "admit", certificate=certificate
        )[0]
        for number in range(40)
    ]


# forks


def test_two_certified_blocks_of_one_height_are_a_fork_that_anyone_can_verify(chamber: Chamber) -> None:
    first, other = chamber.block(1), chamber.block(2)
    proof = chamber.certificate(Phase.COMMIT, chamber.core(other))
    chamber.grow(first)
    chamber.grow(chamber.block(3))
    with pytest.raises(Equivocation, match=f"two blocks are certified for height {chamber.chain.height - 1}"):
        chamber.chain.append(other, proof)


def test_a_fork_from_before_the_queens_governed_is_one_too(chamber: Chamber) -> None:
    """Its creator may have begun it with a new key, that this very block names."""
    fork = Realm(chamber.chain.params)
    fork.governor = queen("alpha", 2)
    block, proof = fork.order(fork.bump("alpha", 2))
    with pytest.raises(Equivocation, match="height 1"):
        chamber.chain.append(block, proof)


def test_another_block_at_a_decided_height_without_a_quorum_is_no_fork(chamber: Chamber) -> None:
    first, other = chamber.block(1), chamber.block(2)
    prepared = chamber.certificate(Phase.PREPARE, chamber.core(other))
    chamber.grow(first)
    with pytest.raises(BadSignature):
        chamber.chain.append(other, prepared)
    assert chamber.chain.height == chamber.height - 1


def test_what_was_judged_before_is_not_judged_again_and_little_is_kept(chamber: Chamber) -> None:
    """A leader may make others judge as many blocks as it likes: they remember the last few."""
    blocks = [chamber.block(number) for number in range(20)]
    for block in blocks:
        chamber.chain.check_block(block)
    assert len(chamber.chain._judged) == 8
    chamber.grow(blocks[0])
    assert chamber.chain._judged == {}
