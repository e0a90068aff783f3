"""Membership as a value: what each change gives, what it refuses, and what its hash depends on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.membership import Membership, MemberState
from consensus.quorum import QuorumName, QuorumSetting
from tests.support.realm import CREATOR, Realm, peer, swarm
from wire.errors import Overtaken, ProtocolViolation

REALM = Realm()
Change = Callable[[Membership], Membership]


def admit(membership: Membership, *names: str, weight: int = 1) -> Membership:
    for name in names:
        membership = membership.join(REALM.parsed(name, weight=weight), MemberState.ACTIVE, None, None)
    return membership


EMPTY = Membership(setting=QuorumSetting.AUTO)
THREE = admit(EMPTY, "a", "b", "c")


def weights(membership: Membership) -> dict[str, int]:
    return {member.name: member.weight for member in membership.weighed().members()}


def test_up_to_three_members_weigh_one_each() -> None:
    assert weights(admit(EMPTY, "a", "b", "c", weight=9)) == {"a": 1, "b": 1, "c": 1}


def test_from_four_members_on_certified_weights_count_within_the_cap() -> None:
    membership = admit(admit(EMPTY, "a", "b", "c", weight=2), "d", weight=9)
    assert weights(membership) == {"a": 2, "b": 2, "c": 2, "d": 2}
    assert membership.everyone[swarm("d")].certified_weight == 9


def test_a_learner_weighs_nothing_but_is_counted() -> None:
    membership = THREE.join(REALM.parsed("d"), MemberState.LEARNER, None, None)
    assert weights(membership)["d"] == 0
    assert membership.rule().members == 4
    assert membership.rule().name is QuorumName.TWO_THIRDS
    assert weights(membership.promote(swarm("d")))["d"] == 1


def test_who_left_is_remembered_and_not_counted() -> None:
    membership = THREE.leave(swarm("b"))
    assert [m.name for m in membership.members()] == sorted("ac", key=swarm)
    assert membership.everyone[swarm("b")].state is MemberState.LEFT
    assert membership.weighed().everyone[swarm("b")].weight == 0
    assert membership.member(swarm("b")) is None
    assert membership.by_name("b") is None
    assert membership.by_peer(peer("b")) is None


def test_a_chain_knows_whose_peer_belonged() -> None:
    realm = Realm()
    realm.order(realm.approve("beta"))
    realm.order(realm.leave("beta"))
    chain = realm.chain
    assert chain.member_by_peer(peer("beta")) is None
    assert [chain.belonged(peer(name)) for name in (CREATOR, "beta", "eve")] == [True, True, False]


def test_guests_are_counted_while_they_belong() -> None:
    host = swarm("a")
    membership = THREE
    for name in ("d", "e"):
        membership = membership.join(REALM.parsed(name), MemberState.LEARNER, host, name.encode() * 16)
    assert membership.unvouched_of(host) == 2
    assert membership.leave(swarm("d")).unvouched_of(host) == 1
    assert set(membership.leave(swarm("d")).consumed) == {b"d" * 16, b"e" * 16}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda m: admit(m, "a"), "a is a member already", id="joins twice"),
        pytest.param(lambda m: m.promote(swarm("a")), "a is no learner", id="promoted twice"),
        pytest.param(lambda m: m.promote(swarm("x")), f"no member has the id {swarm('x').hex()}", id="a stranger"),
        pytest.param(lambda m: m.leave(swarm("x")), "no member has the id", id="a stranger leaves"),
        pytest.param(lambda m: m.leave(swarm("a")).leave(swarm("a")), "no member has the id", id="leaves twice"),
        pytest.param(lambda m: m.bump(REALM.parsed("a", 1), (0, b"")), "a is in term 1 already", id="no new term"),
    ],
)
def test_a_change_is_refused(change: Change, why: str) -> None:
    with pytest.raises((ProtocolViolation, Overtaken), match=why):
        change(THREE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: admit(m, "d"), id="a member more"),
        pytest.param(lambda m: m.leave(swarm("a")), id="a member less"),
        pytest.param(lambda m: m.bump(REALM.parsed("a", 2), (0, b"")), id="a new term"),
        pytest.param(lambda m: m.bump(REALM.parsed("a", 3), (0, b"")), id="a skipped term"),
        pytest.param(lambda m: m.bump(REALM.parsed("a", 2), (1, b"")), id="another close"),
        pytest.param(lambda m: m.join(REALM.parsed("d"), MemberState.LEARNER, None, None), id="a learner"),
        pytest.param(lambda m: m.join(REALM.parsed("d"), MemberState.LEARNER, swarm("a"), None), id="an inviter"),
        pytest.param(lambda m: m.join(REALM.parsed("d"), MemberState.LEARNER, None, b"t" * 16), id="a used ticket"),
        pytest.param(lambda m: admit(Membership(setting=QuorumSetting.BYZANTINE), "a", "b", "c"), id="the rule"),
        pytest.param(lambda m: admit(EMPTY, "a", "b", "c", weight=2), id="certified weights"),
    ],
)
def test_whatever_changes_changes_the_hash(change: Change, seen: set[bytes]) -> None:
    digest = change(THREE).weighed().state_hash
    assert digest != THREE.weighed().state_hash
    assert digest not in seen
    seen.add(digest)


@pytest.fixture(scope="module")
def seen() -> set[bytes]:
    """Hashes that earlier rows gave: no two changes may give one."""
    return set()


def test_the_order_of_admissions_does_not_matter_to_the_hash() -> None:
    assert admit(EMPTY, "c", "a", "b").weighed().state_hash == THREE.weighed().state_hash
