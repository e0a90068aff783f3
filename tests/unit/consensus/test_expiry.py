"""Certificates end by the time of a block that says so, and come back by the root key; a stolen key by a new term."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.blocks import ExpireTx, RenewTx, SuspendTx, encode_tx
from consensus.certificates import YEAR_MS
from consensus.chain import Chain
from consensus.membership import Member, MemberState
from consensus.quorum import QuorumName
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import CREATED_MS, Realm, queen, swarm
from wire.errors import Overtaken, ProtocolViolation, RemoteError

END_MS = CREATED_MS + YEAR_MS


class Town:
    """Queens that govern, at the very moment in which all their certificates end."""

    def __init__(self, size: int = 4) -> None:
        self.chamber = Chamber(size, at=0)
        self.chamber.wall_ms = END_MS
        self.names = self.chamber.order

    @property
    def chain(self) -> Chain:
        return self.chamber.chain

    def member(self, name: str) -> Member:
        found = self.chain.member(swarm(name))
        assert found is not None
        return found

    def grow(self, *txs: bytes) -> None:
        self.chamber.grow(self.chamber.block(1, *txs))
        self.chamber.wall_ms += 1_000

    def check(self, tx: bytes) -> None:
        self.chain.check_transaction(tx, self.chamber.wall_ms)

    def expire(self, name: str, not_after_ms: int = END_MS) -> bytes:
        return encode_tx(ExpireTx(swarm(name), not_after_ms))

    def renew(self, name: str, **says: Any) -> bytes:
        says = {"not_after_ms": END_MS + YEAR_MS, **says}
        return encode_tx(RenewTx(self.chamber.realm.certificate(name, **says)))


def test_who_has_expired_has_no_vote_and_a_decision_takes_as_much_as_before() -> None:
    town = Town(7)
    before = town.chain.validators()
    town.grow(town.expire(town.names[-1]))
    after = town.chain.validators()
    assert town.member(town.names[-1]).state is MemberState.EXPIRED
    assert after.validator(swarm(town.names[-1])) is None
    assert (after.epoch, len(after)) == (before.epoch + 1, 6)
    assert (after.total, after.rule.needed(after.total)) == (before.total, before.rule.needed(before.total)) == (7, 5)
    proposal, raw = proposal_tx(town.chamber.federation, town.names[0], 1, town.chamber.wall_ms)
    town.grow(proposal)
    with pytest.raises(Overtaken, match="has no vote in this epoch"):
        town.check(ballot_tx(town.chamber.federation, town.names[-1], 1, raw))


@pytest.mark.parametrize("size", [4, 5, 7, 10])
def test_so_many_may_expire_that_the_others_still_decide_and_no_more(size: int) -> None:
    town = Town(size)
    can = size - town.chain.validators().rule.needed(size)
    for name in town.names[:can]:
        town.grow(town.expire(name))
    with pytest.raises(Overtaken, match="could decide nothing any more"):
        town.check(town.expire(town.names[can]))
    town.grow(town.renew(town.names[0]))
    town.grow(town.expire(town.names[can]))
    assert town.chain.validators().rule.name is QuorumName.TWO_THIRDS


@pytest.mark.parametrize(("size", "why"), [(1, "nobody would be left"), (2, "could decide nothing any more")])
def test_the_only_one_and_one_of_two_keep_their_votes(size: int, why: str) -> None:
    town = Town(size)
    with pytest.raises(RemoteError, match=why):
        town.check(town.expire(town.names[0]))
    town.grow(town.renew(town.names[0]))
    assert town.member(town.names[0]).not_after_ms == END_MS + YEAR_MS


def test_one_of_three_expires_as_one_that_is_down() -> None:
    town = Town(3)
    town.grow(town.expire(town.names[2]))
    voters = town.chain.validators()
    assert (len(voters), voters.total, voters.rule.needed(voters.total)) == (2, 3, 2)


def test_the_root_key_brings_it_back_at_once() -> None:
    town = Town()
    gone = town.names[-1]
    town.grow(town.expire(gone))
    with pytest.raises(RemoteError, match="has expired"):
        town.check(town.renew(gone, not_after_ms=END_MS + 1))
    town.grow(town.renew(gone))
    assert (town.member(gone).state, town.member(gone).weight) == (MemberState.ACTIVE, 1)
    assert town.chain.validators().validator(swarm(gone)) is not None
    with pytest.raises(Overtaken, match="not in force"):
        town.check(town.expire(gone))
    with pytest.raises(Overtaken, match="has not ended yet"):
        town.check(town.expire(gone, END_MS + YEAR_MS))


def test_so_does_a_new_term() -> None:
    town = Town()
    gone = town.names[-1]
    town.grow(town.expire(gone))
    with pytest.raises(Overtaken, match="this new term has expired"):
        town.check(town.chamber.realm.bump(gone, 2))
    town.grow(town.chamber.realm.bump(gone, 2, not_after_ms=END_MS + YEAR_MS))
    assert (town.member(gone).state, town.member(gone).term) == (MemberState.ACTIVE, 2)


def test_a_renewal_in_time_keeps_the_vote() -> None:
    town = Town()
    town.grow(town.renew(town.names[0]))
    with pytest.raises(Overtaken, match="not in force"):
        town.check(town.expire(town.names[0]))


def test_a_certificate_holds_to_its_last_millisecond() -> None:
    town = Town()
    town.chamber.wall_ms = END_MS - 1
    with pytest.raises(Overtaken, match="has not ended yet"):
        town.check(town.expire(town.names[0]))
    town.chamber.wall_ms = END_MS
    town.check(town.expire(town.names[0]))


def test_what_is_no_vote_does_not_end() -> None:
    town = Town()
    town.grow(town.expire(town.names[0]))
    for name in (town.names[0], "nobody"):
        with pytest.raises(Overtaken, match="not in force"):
            town.check(town.expire(name))
    with pytest.raises(ProtocolViolation, match="governs alone"):
        Realm().check(town.expire("alpha"))


def test_nobody_comes_back_with_a_certificate_that_has_ended() -> None:
    town = Town()
    gone = town.names[-1]
    state = town.chain.state
    suspended = state.membership.put(swarm(gone), MemberState.SUSPENDED).weighed()
    town.chain.state = type(state)(suspended, state.standing, state.epoch)
    with pytest.raises(Overtaken, match="has expired: a vote takes another one"):
        town.check(town.chamber.writer().promote(gone))
    town.grow(town.renew(gone))
    assert town.member(gone).state is MemberState.SUSPENDED
    town.check(town.chamber.writer().promote(gone))


def test_an_expired_one_is_not_taken_over_suspended_or_brought_back_by_a_vote() -> None:
    town = Town()
    gone = town.names[-1]
    town.grow(town.expire(gone))
    with pytest.raises(RemoteError):
        town.check(encode_tx(SuspendTx((b"\x80",))))
    membership = town.chain.state.membership
    with pytest.raises(Overtaken, match="is no learner"):
        membership.promote(swarm(gone))
    assert membership.leave(swarm(gone)).everyone[swarm(gone)].state is MemberState.LEFT


def test_what_would_leave_too_few_is_refused_whatever_it_is() -> None:
    town = Town()
    town.grow(town.expire(town.names[0]))
    with pytest.raises(Overtaken, match="could decide nothing any more"):
        town.check(town.chamber.realm.leave(town.names[1]))


# a stolen key


def test_a_new_term_ends_what_a_stolen_key_can_do() -> None:
    """KEY_UPDATE is TERM_BUMP: by the root key's certificate, ordered without the thief, whatever he signs later."""
    town = Town()
    town.chamber.wall_ms = CREATED_MS + 1_000_000
    robbed, realm = town.names[-1], town.chamber.writer()
    invitation = realm.join("eve", robbed)
    proposal, raw = proposal_tx(town.chamber.federation, town.names[0], 1, town.chamber.wall_ms)
    town.grow(proposal)
    town.grow(realm.bump(robbed, 2))
    assert town.member(robbed).state is MemberState.ACTIVE
    assert town.chain.validators().by_key(queen(robbed).public) is None, "no certificate counts his signature"
    by_the_thief = {
        "has no vote in this epoch": ballot_tx(town.chamber.federation, robbed, 1, raw),
        "a leave by a queen of the term before": realm.leave(robbed),
        "a promotion by a queen of the term before": realm.promote(robbed),
        "another term of its inviter": invitation,
    }
    for why, tx in by_the_thief.items():
        with pytest.raises(RemoteError, match=why):
            town.check(tx)
