"""Epochs: who votes in which state, what counts in the total, and that two epochs in a row share a voter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement

import pytest

from consensus.certificates import MemberCert
from consensus.membership import Membership, MemberState
from consensus.quorum import QuorumName, QuorumSetting
from consensus.validators import ValidatorSet
from tests.support.realm import Realm, swarm
from wire.errors import Overtaken, ProtocolViolation
from wire.ids import SwarmId

NAMES = ("a", "b", "c", "d", "e", "f")
ACTIVE, LEARNER, SUSPENDED = MemberState.ACTIVE, MemberState.LEARNER, MemberState.SUSPENDED
SILENT = [MemberState.LEARNER, MemberState.QUARANTINED, MemberState.LEFT, MemberState.EXPELLED]


@cache
def certificate(name: str, weight: int) -> MemberCert:
    return Realm().parsed(name, weight=weight)


def federation(*weights: int) -> Membership:
    """Members of these certified weights, all ACTIVE."""
    membership = Membership(setting=QuorumSetting.AUTO)
    for name, weight in zip(NAMES, weights, strict=False):
        membership = membership.join(certificate(name, weight), ACTIVE, None, None)
    return membership.weighed()


def became(membership: Membership, state: MemberState, *names: str) -> Membership:
    for name in names:
        membership = membership.put(swarm(name), state)
    return membership.weighed()


@pytest.mark.parametrize("members", [3, 4, 5])
@pytest.mark.parametrize("state", SILENT)
def test_who_is_not_active_neither_votes_nor_counts(members: int, state: MemberState) -> None:
    voters = became(federation(*[1] * members), state, "b").validators(7)
    assert (voters.epoch, len(voters), voters.total) == (7, members - 1, members - 1)
    assert voters.position(swarm("b")) is None


@pytest.mark.parametrize(("members", "silent"), [(2, 1), (3, 1), (4, 1), (5, 0), (6, 0)])
def test_who_is_suspended_counts_in_a_federation_of_up_to_four(members: int, silent: int) -> None:
    """Who is away must not make a quorum of fewer, where each is so much of the whole."""
    voters = became(federation(*[1] * members), SUSPENDED, "b").validators(1)
    assert (len(voters), voters.silent, voters.total) == (members - 1, silent, members - 1 + silent)


@pytest.mark.parametrize(("members", "left"), [(2, 1), (3, 2), (4, 3)])
def test_of_a_small_federation_as_many_decide_as_before_while_one_is_suspended(members: int, left: int) -> None:
    before = federation(*[1] * members)
    after = became(before, SUSPENDED, NAMES[0]).validators(1)
    names = [swarm(name) for name in NAMES[1:members]]
    for count in range(len(names) + 1):
        assert after.is_quorum(names[:count]) == before.validators(0).is_quorum(names[:count])
    assert len(names) == left


def test_validators_stand_in_the_order_of_their_ids_with_their_present_keys() -> None:
    membership = federation(1, 1, 1, 1).bump(Realm().parsed("b", 2), (0, bytes(32))).weighed()
    voters = membership.validators(1)
    assert [v.swarm for v in voters.validators] == sorted(swarm(name) for name in NAMES[:4])
    changed = voters.validator(swarm("b"))
    assert changed is not None
    assert (changed.term, changed.key) == (2, Realm().parsed("b", 2).queen_key)


# the rule never relaxes


def test_members_that_go_never_relax_the_rule_and_a_decision_does() -> None:
    membership = federation(1, 1, 1, 1)
    for state in (MemberState.LEFT, MemberState.EXPELLED):
        fewer = became(membership, state, "a", "b")
        assert (len(fewer.members()), fewer.rule().members, fewer.rule().name) == (2, 4, QuorumName.TWO_THIRDS)
    reset = fewer.reset_quorum(QuorumSetting.AUTO).weighed()
    assert (reset.rule().members, reset.rule().name) == (2, QuorumName.MAJORITY)
    assert reset.reset_quorum(QuorumSetting.BYZANTINE).rule().name is QuorumName.TWO_THIRDS


def test_how_many_there_were_shows_in_the_hash() -> None:
    fewer = became(federation(1, 1, 1, 1), MemberState.LEFT, "a")
    assert fewer.state_hash != fewer.reset_quorum(QuorumSetting.AUTO).weighed().state_hash


# coming back


@pytest.mark.parametrize("state", [LEARNER, SUSPENDED])
def test_a_proof_of_life_gives_the_weight_back(state: MemberState) -> None:
    membership = became(federation(1, 1, 1, 1), state, "b")
    assert membership.promote(swarm("b")).weighed() == federation(1, 1, 1, 1)


def test_from_quarantine_nobody_returns_by_himself() -> None:
    membership = became(federation(1, 1, 1, 1), MemberState.QUARANTINED, "b")
    with pytest.raises(Overtaken, match="b is no learner"):
        membership.promote(swarm("b"))
    assert membership.readmit(swarm("b")).everyone[swarm("b")].state is LEARNER


@pytest.mark.parametrize("state", [SUSPENDED, MemberState.QUARANTINED])
def test_who_still_belongs_keeps_its_name_and_node_and_may_be_readmitted(state: MemberState) -> None:
    membership = became(federation(1, 1, 1, 1), state, "b")
    again = membership.readmit(swarm("b"))
    assert again.by_name("b") == again.member(swarm("b")) is not None
    with pytest.raises(ProtocolViolation, match="'b' is taken"):
        membership.join(Realm().parsed("e", name="b"), LEARNER, None, None)


# from one epoch to the next


def quorums(voters: ValidatorSet) -> Iterator[frozenset[SwarmId]]:
    everyone = [validator.swarm for validator in voters.validators]
    for who in range(1 << len(everyone)):
        some = frozenset(s for at, s in enumerate(everyone) if who >> at & 1)
        if voters.is_quorum(some):
            yield some


def one_change(membership: Membership, weights: tuple[int, ...]) -> Iterator[Membership]:
    """Whatever may become of one voter in one block."""
    for at, name in enumerate(NAMES[: len(weights)]):
        for state in (SUSPENDED, *SILENT) if len(weights) > 1 else ():
            yield became(membership, state, name)
        for weight in (1, 2, 3, 9):
            if weight != weights[at]:
                yield membership.reweigh(swarm(name), weight).weighed()
    for weight in (1, 2, 9):
        yield membership.join(certificate(NAMES[len(weights)], weight), ACTIVE, None, None).weighed()


@pytest.mark.parametrize("members", range(1, 5))
def test_any_two_quorums_of_epochs_in_a_row_share_a_voter(members: int) -> None:
    """Where one voter changes; a changed weight may move what the others weigh, too."""
    for weights in combinations_with_replacement((1, 2, 3), members):
        before = federation(*weights)
        old = list(quorums(before.validators(0)))
        for after in one_change(before, weights):
            for quorum in quorums(after.validators(1)):
                assert all(quorum & other for other in old), (weights, after.validators(1), quorum)
