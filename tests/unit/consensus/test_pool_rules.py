"""What waits to be ordered: in which order, how much, what waits for its proposal, what nobody need wait for."""

from __future__ import annotations

import pytest

from consensus.bft.pool import MAX_ASIDE, Pool
from consensus.blocks import QuarantineTx, encode_tx
from consensus.governance.proposals import Choice
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import swarm
from wire.errors import DecodeError, Overloaded, Overtaken, RemoteError

NOW = 100


@pytest.fixture
def chamber() -> Chamber:
    return Chamber()


def pool_of(chamber: Chamber, most: int = 100, most_bytes: int = 1 << 20) -> Pool:
    pool = Pool(chamber.chain, most, most_bytes)
    pool.renew(chamber.wall_ms)
    return pool


def fill(pool: Pool, chamber: Chamber, *txs: bytes, now: int = NOW) -> None:
    for tx in txs:
        pool.add(tx, now, chamber.wall_ms)


def test_first_come_first_ordered(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    assert pool.oldest() is None
    txs = [chamber.proposal_tx(3), chamber.realm.leave("beta"), chamber.proposal_tx(1)]
    for at, tx in enumerate(txs):
        fill(pool, chamber, tx, now=NOW + at)
    assert (pool.all(), len(pool), pool.oldest()) == (txs, 3, NOW)
    pool.remove(txs[0])
    assert (pool.all(), pool.oldest()) == (txs[1:], NOW + 1)
    assert (txs[0] in pool, txs[1] in pool) == (False, True)


def test_what_is_here_already_is_fine_and_waits_once(chamber: Chamber) -> None:
    pool = pool_of(chamber, most=1)
    tx = chamber.proposal_tx()
    fill(pool, chamber, tx, tx, now=NOW)
    assert pool.all() == [tx]


@pytest.mark.parametrize("bound", ["number", "bytes"])
def test_it_is_bounded_and_what_leaves_makes_room(chamber: Chamber, bound: str) -> None:
    first, second, third = (chamber.proposal_tx(number) for number in (1, 2, 3))
    size = len(first) + len(second)
    pool = pool_of(chamber, most=2) if bound == "number" else pool_of(chamber, most_bytes=size)
    fill(pool, chamber, first, second)
    with pytest.raises(Overloaded):
        fill(pool, chamber, third)
    pool.remove(third)
    pool.remove(first)
    pool.remove(first)
    fill(pool, chamber, third)
    assert pool.all() == [second, third]


def test_what_can_be_in_no_block_is_refused_with_its_sentence(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    tx, raw = proposal_tx(chamber.federation, chamber.order[0], 1, chamber.wall_ms)
    ballot = ballot_tx(chamber.federation, chamber.order[1], 1, raw)
    for bad, kind in (
        (b"\xff", DecodeError),
        (chamber.realm.leave("beta", 2), RemoteError),
        (proposal_tx(chamber.federation, "eve", 1, chamber.wall_ms)[0], RemoteError),
        (proposal_tx(chamber.federation, chamber.order[0], 1, chamber.wall_ms - 60_000)[0], Overtaken),
        (encode_tx(QuarantineTx(b"x", b"y")), RemoteError),
    ):
        with pytest.raises(kind):
            fill(pool, chamber, bad)
    fill(pool, chamber, tx, ballot)
    other = ballot_tx(chamber.federation, chamber.order[1], 1, raw, Choice.REJECT)
    with pytest.raises(Overtaken):
        fill(pool, chamber, other)
    assert pool.all() == [tx, ballot]


# ballots before their proposal


def test_a_ballot_that_comes_first_waits_for_its_proposal(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    tx, *ballots = chamber.ballots()
    other, *_ = chamber.ballots(2)
    fill(pool, chamber, *ballots, *ballots)
    assert pool.all() == []
    fill(pool, chamber, other)
    assert pool.all() == [other]
    fill(pool, chamber, tx)
    assert pool.all() == [other, tx, *ballots]


def test_a_ballot_that_comes_first_waits_until_its_proposal_is_on_the_chain(chamber: Chamber) -> None:
    """It came in a block, by another leader: nobody will bring it to this pool."""
    pool = pool_of(chamber)
    tx, *ballots = chamber.ballots()
    fill(pool, chamber, *ballots)
    chamber.grow(chamber.block(1, tx))
    pool.renew(chamber.wall_ms)
    assert pool.all() == ballots


def test_a_ballot_on_what_is_decided_waits_for_nothing(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    tx, *ballots = chamber.ballots()
    chamber.grow(chamber.block(1, tx, *ballots[:3]))
    pool.renew(chamber.wall_ms)
    with pytest.raises(Overtaken):
        fill(pool, chamber, ballots[3])


def test_ballots_that_turn_out_wrong_are_dropped_as_their_proposal_comes(chamber: Chamber) -> None:
    """Two of one voter, and more than there is room for."""
    pool = pool_of(chamber, most=2)
    tx, raw = proposal_tx(chamber.federation, chamber.order[0], 1, chamber.wall_ms)
    voters = (chamber.order[1], chamber.order[1], chamber.order[2])
    choices = (Choice.APPROVE, Choice.REJECT, Choice.APPROVE)
    ballots = [ballot_tx(chamber.federation, v, 1, raw, c) for v, c in zip(voters, choices, strict=True)]
    fill(pool, chamber, *ballots)
    fill(pool, chamber, tx)
    assert pool.all() == [tx, ballots[0]]
    pool.remove(tx)
    pool.remove(ballots[0])
    fill(pool, chamber, chamber.proposal_tx(2), chamber.realm.leave("beta"))
    assert len(pool) == 2


def test_what_is_not_here_leaves_no_room_behind(chamber: Chamber) -> None:
    first, second = chamber.proposal_tx(1), chamber.proposal_tx(2)
    pool = pool_of(chamber, most_bytes=len(first))
    fill(pool, chamber, first)
    pool.remove(second)
    with pytest.raises(Overloaded):
        fill(pool, chamber, second)


def test_a_second_ballot_of_one_voter_is_dropped_as_the_proposal_comes(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    tx, raw = proposal_tx(chamber.federation, chamber.order[0], 1, chamber.wall_ms)
    yes, no = (
        ballot_tx(chamber.federation, chamber.order[1], 1, raw, choice) for choice in (Choice.APPROVE, Choice.REJECT)
    )
    fill(pool, chamber, yes, no)
    fill(pool, chamber, tx)
    assert pool.all() == [tx, yes]


def test_the_oldest_ballot_without_proposal_goes_where_there_are_too_many(chamber: Chamber) -> None:
    pool = pool_of(chamber, most=MAX_ASIDE * 2)
    kept, gone = 1, 0
    for number in range(MAX_ASIDE + 1):
        _, raw = proposal_tx(chamber.federation, chamber.order[0], number, chamber.wall_ms)
        fill(pool, chamber, ballot_tx(chamber.federation, chamber.order[1], number, raw))
    for number, count in ((gone, 1), (kept, 3)):
        fill(pool, chamber, chamber.proposal_tx(number))
        assert len(pool) == count


# after a block


def test_after_a_block_what_it_ordered_or_overtook_is_gone(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    tx, *ballots = chamber.ballots()
    leave, bump = chamber.realm.leave("beta"), chamber.realm.bump("beta", 2)
    fill(pool, chamber, tx, *ballots, leave)
    chamber.grow(chamber.block(1, tx, *ballots[:3]))
    pool.renew(chamber.wall_ms)
    assert pool.all() == [leave], "the fourth ballot came too late"
    chamber.grow(chamber.block(1, bump))
    pool.renew(chamber.wall_ms)
    assert pool.all() == []


def test_what_changes_too_many_voters_at_once_waits_for_the_next_block(chamber: Chamber) -> None:
    pool = pool_of(chamber)
    leaves = [chamber.realm.leave(name) for name in chamber.order[1:3]]
    fill(pool, chamber, *leaves)
    assert pool.all() == leaves
    pool.renew(chamber.wall_ms)
    assert pool.all() == leaves
    draft = chamber.chain.draft(pool.all(), chamber.wall_ms)
    assert (draft.included, draft.refused) == ((leaves[0],), ())
    chamber.grow(draft.block)
    pool.renew(chamber.wall_ms)
    assert pool.all() == [leaves[1]]
    assert chamber.chain.member(swarm(chamber.order[1])) is None
