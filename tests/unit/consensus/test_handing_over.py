"""From the creator's rule to the queens': whose certificates count, what begins an epoch, what the hash is of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.bft.messages import Phase
from consensus.blocks import GovernTx, block_hash, encode_tx, make_certificate, sign_core, support
from consensus.governance.proposals import Choice
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import CREATOR, Realm, queen, swarm
from wire.errors import RemoteError
from wire.ids import sha256, tagged_hash


@pytest.fixture
def realm() -> Realm:
    """alpha governs; beta and gamma are active."""
    realm = Realm()
    for name in ("beta", "gamma"):
        realm.order(realm.join(name))
        realm.order(realm.promote(name))
    return realm


def govern(realm: Realm, *names: str) -> bytes:
    return encode_tx(GovernTx(tuple(support(realm.federation, swarm(name), 1, queen(name)) for name in names)))


def test_the_creator_certifies_the_handing_over_and_nothing_after_it(realm: Realm) -> None:
    raw = realm.block(govern(realm, "beta", "gamma"))
    assert realm.chain.append(raw, realm.proof(raw))
    after = realm.block(realm.leave("gamma"), time_ms=realm.now_ms + 5000)
    place = realm.chain.validators().position(swarm(CREATOR))
    assert place is not None
    core = realm.chain.core(block_hash(after), view=0)
    with pytest.raises(RemoteError, match="too little weight"):
        realm.chain.append(after, make_certificate(core, [place], [sign_core(core, queen(CREATOR))], 3))
    with pytest.raises(AssertionError, match="made of a quorum"):
        realm.chain.propose([realm.leave("gamma")], realm.now_ms, queen(CREATOR))


def test_the_queens_certify_nothing_before_it(realm: Realm) -> None:
    raw = realm.block(realm.leave("gamma"))
    with pytest.raises(RemoteError, match="bad signature"):
        realm.chain.append(raw, realm.proof(raw, queen("beta")))


def test_any_two_of_three_queens_certify_after_it() -> None:
    chamber = Chamber(3)
    block = chamber.block()
    for alone in chamber.order:
        with pytest.raises(AssertionError, match="made of a quorum"):
            chamber.certificate(Phase.COMMIT, chamber.core(block), [alone])
        two = [name for name in chamber.order if name != alone]
        chamber.chain.copy(lambda *_: True).append(block, chamber.certificate(Phase.COMMIT, chamber.core(block), two))


def test_a_new_term_of_the_creator_is_certified_by_the_queens_once_they_govern() -> None:
    """Its new queen alone certifies it only while it governs."""
    chamber = Chamber(3)
    block = chamber.block(1, chamber.realm.bump(CREATOR, 2))
    with pytest.raises(RemoteError):
        chamber.chain.append(block, chamber.realm.proof(block, queen(CREATOR, 2), block_hash=block_hash(block)))
    chamber.grow(block)
    assert chamber.chain.creator.term == 2


# epochs and the state's hash


def vote_on(chamber: Chamber, action: str, **details: object) -> list[bytes]:
    tx, raw = proposal_tx(chamber.federation, "alpha", 7, chamber.wall_ms, action, **details)
    return [tx, *(ballot_tx(chamber.federation, name, 7, raw) for name in chamber.order)]


@pytest.mark.parametrize(
    ("txs", "begins"),
    [
        pytest.param(lambda c: [c.realm.join("guest")], True, id="a learner comes"),
        pytest.param(lambda c: [c.realm.leave("beta")], True, id="a member goes"),
        pytest.param(lambda c: [c.realm.bump("beta", 2)], True, id="a new term"),
        pytest.param(lambda c: vote_on(c, "expel", swarm=swarm("delta").hex(), reason=""), True, id="an expulsion"),
        pytest.param(
            lambda c: vote_on(c, "set_weight", swarm=swarm("delta").hex(), weight=2), True, id="a decided weight"
        ),
        pytest.param(lambda c: vote_on(c, "set_parameter", name="quorum", value="auto"), True, id="another quorum"),
        pytest.param(lambda c: [c.proposal_tx()], False, id="a proposal"),
        pytest.param(lambda c: c.ballots(), False, id="a decision about something else"),
        pytest.param(
            lambda c: vote_on(c, "set_parameter", name="admission", value="open"), False, id="another parameter"
        ),
    ],
)
def test_what_changes_the_membership_begins_an_epoch(txs: Callable[[Chamber], list[bytes]], begins: bool) -> None:
    chamber = Chamber()
    before = chamber.chain.epoch
    block = chamber.block(1, *txs(chamber))
    chamber.grow(block)
    assert chamber.chain.epoch == chamber.chain.validators().epoch == before + begins


def test_the_states_hash_is_of_the_members_and_once_the_queens_govern_of_their_decisions(realm: Realm) -> None:
    state = realm.chain.state
    assert state.hash == state.membership.state_hash
    realm.order(govern(realm, "beta", "gamma"))
    state = realm.chain.state
    assert state.hash == tagged_hash("zenmesh/state", state.membership.state_hash, state.standing.hash)


@pytest.mark.parametrize("apart", [False, True], ids=["in one block", "in two"])
@pytest.mark.parametrize("turned", [False, True], ids=["by id", "against it"])
def test_proposals_are_tallied_by_height_and_within_a_block_by_id(apart: bool, turned: bool) -> None:
    """Two on one thing, decided by one block: the later one stands. The order follows from what is hashed."""
    chamber = Chamber()
    words = ("low", "high")
    opened = [
        proposal_tx(chamber.federation, "alpha", number, chamber.wall_ms, kind="task", target="t", priority=priority)
        for number, priority in enumerate(words)
    ]
    ids = [sha256(b"proposal %d" % number)[:16] for number in (0, 1)]
    order = sorted((0, 1), key=lambda number: ids[number])
    order = order[::-1] if turned else order
    txs = [opened[number][0] for number in order]
    for block in [[tx] for tx in txs] if apart else [txs]:
        chamber.grow(chamber.block(1, *block))
    ballots = [
        ballot_tx(chamber.federation, name, number, opened[number][1], Choice.APPROVE)
        for number in (1, 0)
        for name in chamber.order
    ]
    chamber.grow(chamber.block(1, *ballots))
    last = order[-1] if apart or not turned else order[0]
    assert chamber.chain.standing.priorities == {("task", "t"): words[last]}


def test_who_leaves_in_the_block_that_tallies_still_counts() -> None:
    """Voters and weights are those of the epoch that the block belongs to."""
    chamber = Chamber()
    tx, raw = proposal_tx(
        chamber.federation, "alpha", 7, chamber.wall_ms, "set_parameter", name="admission", value="vote"
    )
    ballots = [ballot_tx(chamber.federation, name, 7, raw) for name in ("beta", "gamma", "delta")]
    chamber.grow(chamber.block(1, tx, *ballots, chamber.realm.leave("beta")))
    [outcome] = chamber.chain.standing.outcomes.values()
    assert (outcome.tally.approve, outcome.tally.total) == (3, 4)
    assert chamber.chain.params.admission == "vote"
