"""The handover gives certificates that have ended, or soon will, a month: the same for all rules and readers."""

from __future__ import annotations

import pytest

from consensus.blocks import ExpireTx, GovernTx, RenewTx, encode_tx, support
from consensus.certificates import YEAR_MS
from consensus.handover import GRACE_MS
from consensus.image import decode, encode
from consensus.membership import MemberState
from tests.support.chamber import Chamber
from tests.support.realm import CREATED_MS, CREATOR, DAY_MS, Realm, queen, swarm
from tests.support.takeovers import certificate, of_before, supported
from wire.errors import Overtaken

HANDOVER_MS = CREATED_MS + 400 * DAY_MS  # the creator's own certificate ended more than a month ago
GRACE_ENDS_MS = HANDOVER_MS + GRACE_MS
READY = ("beta", "gamma", "delta")


def handed_over(**ends_ms: int) -> Realm:
    """The creator governed for over a year; then all but eve are ready. Certificates end as named, or by then."""
    realm = Realm()
    for name in (*READY, "eve"):
        realm.order(realm.approve(name, not_after_ms=ends_ms.get(name, CREATED_MS + YEAR_MS)))
        realm.order(realm.promote(name))
    realm.now_ms = HANDOVER_MS - 1_000
    realm.order(encode_tx(GovernTx(tuple(support(realm.federation, swarm(one), 1, queen(one)) for one in READY))))
    assert realm.chain.time_ms == HANDOVER_MS
    return realm


def end_of(realm: Realm, name: str) -> int:
    return realm.chain.state.membership.everyone[swarm(name)].not_after_ms


def expire(name: str, end_ms: int) -> bytes:
    return encode_tx(ExpireTx(swarm(name), end_ms))


@pytest.mark.parametrize(
    ("ended_ms", "ends_ms"),
    [
        pytest.param(CREATED_MS + YEAR_MS, GRACE_ENDS_MS, id="past"),
        pytest.param(HANDOVER_MS, GRACE_ENDS_MS, id="at that moment"),
        pytest.param(GRACE_ENDS_MS - 1, GRACE_ENDS_MS, id="within the month"),
        pytest.param(GRACE_ENDS_MS, GRACE_ENDS_MS, id="with it"),
        pytest.param(GRACE_ENDS_MS + 1, GRACE_ENDS_MS + 1, id="later"),
    ],
)
def test_no_certificate_ends_within_a_month_of_the_handover(ended_ms: int, ends_ms: int) -> None:
    assert end_of(handed_over(beta=ended_ms), "beta") == ends_ms


def test_who_was_past_its_end_keeps_its_vote_for_the_whole_month_and_no_longer() -> None:
    realm = handed_over()
    chamber = Chamber(realm=realm)
    for name in ("alpha", *READY):
        with pytest.raises(Overtaken, match="not in force"):
            chamber.chain.check_transaction(expire(name, CREATED_MS + YEAR_MS), HANDOVER_MS + 1)
        with pytest.raises(Overtaken, match="has not ended yet"):
            chamber.chain.check_transaction(expire(name, GRACE_ENDS_MS), GRACE_ENDS_MS - 1)
        chamber.chain.check_transaction(expire(name, GRACE_ENDS_MS), GRACE_ENDS_MS)


def test_who_was_not_ready_and_past_its_end_still_gets_its_vote() -> None:
    realm = handed_over()
    eve = realm.chain.state.membership.everyone[swarm("eve")]
    assert (eve.state, eve.not_after_ms) == (MemberState.LEARNER, GRACE_ENDS_MS)
    realm.chain.check_transaction(realm.promote("eve"), GRACE_ENDS_MS - 1)
    with pytest.raises(Overtaken, match="has expired: a vote takes another one"):
        realm.chain.check_transaction(realm.promote("eve"), GRACE_ENDS_MS)


def test_a_renewal_takes_the_place_of_the_grace() -> None:
    chamber = Chamber(realm=handed_over())
    renewed = chamber.realm.certificate("beta", not_after_ms=HANDOVER_MS + YEAR_MS)
    chamber.grow(chamber.block(1, encode_tx(RenewTx(renewed))))
    with pytest.raises(Overtaken, match="not in force"):
        chamber.chain.check_transaction(expire("beta", GRACE_ENDS_MS), GRACE_ENDS_MS)
    with pytest.raises(Overtaken, match="has not ended yet"):
        chamber.chain.check_transaction(expire("beta", HANDOVER_MS + YEAR_MS), GRACE_ENDS_MS)


def test_whoever_reads_a_later_state_instead_of_the_blocks_knows_the_same_ends() -> None:
    chain = handed_over(beta=HANDOVER_MS + 1).chain
    state = chain.state
    told, _ = decode(encode(state, whole=True), chain.genesis, state.epoch)
    assert told.hash == state.hash
    assert {m.not_after_ms for m in told.membership.members()} == {GRACE_ENDS_MS}


def test_who_left_before_stays_as_it_was() -> None:
    realm = Realm()
    realm.order(realm.approve("beta"))
    realm.order(realm.leave("beta"))
    realm.now_ms = HANDOVER_MS
    realm.order(encode_tx(GovernTx(())))
    assert (end_of(realm, "beta"), end_of(realm, "alpha")) == (CREATED_MS + YEAR_MS, realm.now_ms + GRACE_MS)


def test_a_federation_that_is_born_governed_has_the_ends_that_its_certificates_say() -> None:
    """Its founder's is a year from now; whoever comes in later shows one that holds, and that is what counts."""
    realm = Realm()
    before = realm.chain.state.membership
    realm.order(encode_tx(GovernTx(())))
    assert realm.chain.state.membership.state_hash == before.state_hash
    soon = realm.now_ms + 5_000
    with pytest.raises(Overtaken, match="has expired"):
        realm.check(realm.join("beta", not_after_ms=realm.now_ms))
    realm.chain.check_transaction(realm.join("beta", not_after_ms=soon), realm.now_ms)
    chamber = Chamber(1, at=0, realm=realm)
    chamber.grow(chamber.block(1, realm.join("beta", not_after_ms=soon + DAY_MS)))
    assert chamber.chain.member(swarm("beta")).not_after_ms == soon + DAY_MS  # type: ignore[union-attr]


def test_root_keys_that_take_over_give_a_month_from_the_creators_last_block() -> None:
    realm = of_before(*READY)
    realm.now_ms = HANDOVER_MS - 1_000
    realm.order(realm.approve("eve", not_after_ms=HANDOVER_MS + YEAR_MS))
    block = supported(realm, *READY)
    realm.chain.append(block, certificate(realm, block, *READY, CREATOR))
    ends = {member.name: member.not_after_ms for member in realm.chain.members()}
    assert ends == {**dict.fromkeys((CREATOR, *READY), GRACE_ENDS_MS + 1), "eve": HANDOVER_MS + YEAR_MS}
