"""Who may ask and vote where the queens govern: the voters of the epoch; and why others may not."""

from __future__ import annotations

import pytest

from consensus.governance.proposals import Choice
from consensus.membership import MemberState
from tests.support.council import ballot_tx, governed_realm, proposal_tx
from tests.support.realm import Realm, swarm
from wire.errors import BadSignature, Overtaken

NAMES = ["alpha", "beta", "gamma", "delta"]


@pytest.fixture
def realm() -> Realm:
    """Four that voted; delta is suspended meanwhile, and eve was never here."""
    realm = governed_realm(NAMES)
    state = realm.chain.state
    membership = state.membership.put(swarm("delta"), MemberState.SUSPENDED)
    realm.chain.state = type(state)(membership.weighed(), state.standing, state.epoch + 1)
    return realm


def test_voters_ask_and_vote(realm: Realm) -> None:
    tx, raw = proposal_tx(realm.federation, "beta", 1, realm.now_ms)
    step = realm.chain.next_step(realm.now_ms)
    step.transact(tx)
    step.transact(ballot_tx(realm.federation, "gamma", 1, raw, Choice.REJECT))
    (entry,) = step.standing.open.values()
    assert dict(entry.ballots) == {swarm("gamma"): Choice.REJECT}


def test_who_voted_in_another_epoch_is_late_and_commits_no_offence(realm: Realm) -> None:
    tx, raw = proposal_tx(realm.federation, "beta", 1, realm.now_ms)
    with pytest.raises(Overtaken, match="a proposal of delta, which has no vote in this epoch"):
        realm.chain.next_step(realm.now_ms).transact(proposal_tx(realm.federation, "delta", 2, realm.now_ms)[0])
    step = realm.chain.next_step(realm.now_ms)
    step.transact(tx)
    with pytest.raises(Overtaken, match="a ballot of delta, which has no vote in this epoch"):
        step.transact(ballot_tx(realm.federation, "delta", 1, raw))


def test_who_is_nobody_is_a_forger(realm: Realm) -> None:
    tx, raw = proposal_tx(realm.federation, "beta", 1, realm.now_ms)
    with pytest.raises(BadSignature, match="a proposal that no queen of its swarm signed"):
        realm.chain.next_step(realm.now_ms).transact(proposal_tx(realm.federation, "eve", 2, realm.now_ms)[0])
    step = realm.chain.next_step(realm.now_ms)
    step.transact(tx)
    with pytest.raises(BadSignature, match="a ballot that no queen of its swarm signed"):
        step.transact(ballot_tx(realm.federation, "eve", 1, raw))
