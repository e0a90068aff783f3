"""The creator is lost before it handed over: the root keys of more than two thirds of the members take its place."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus.blocks import block_hash, sign_core
from consensus.chain import Chain
from consensus.membership import MemberState
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.takeover import draft, is_signed, roots
from tests.support.chamber import Chamber
from tests.support.leaps import SPACING
from tests.support.realm import CREATOR, Realm, queen, root, swarm
from tests.support.takeovers import OTHERS, certificate, of_before, signatures, supported, supports, unweighed
from wire import keys
from wire.errors import Equivocation, ProtocolViolation, RemoteError
from wire.types import ContentType


@pytest.fixture
def realm() -> Realm:
    return of_before(*OTHERS)


def states(chain: Chain) -> dict[str, MemberState]:
    return {member.name: member.state for member in chain.members()}


def test_three_of_four_root_keys_take_the_creators_place(realm: Realm) -> None:
    epoch, federation = realm.chain.epoch, realm.chain.federation_id
    block = supported(realm, *OTHERS)
    assert realm.chain.append(block, certificate(realm, block, *OTHERS))
    assert realm.chain.governed
    assert (realm.chain.epoch, realm.chain.federation_id) == (epoch + 1, federation)
    assert states(realm.chain) == {CREATOR: MemberState.LEARNER, **dict.fromkeys(OTHERS, MemberState.ACTIVE)}
    chamber = Chamber(realm=realm)
    assert set(chamber.order) == set(OTHERS)
    chamber.grow(chamber.block(1, chamber.realm.promote(CREATOR)))
    assert states(chamber.chain)[CREATOR] is MemberState.ACTIVE, "it comes back by proof of life, as others do"


def test_a_root_keys_support_is_of_one_block_and_for_this_alone(realm: Realm) -> None:
    core = realm.chain.core(block_hash(supported(realm, "beta")), view=0)
    signature = sign_core(core, root("beta"), ContentType.TAKEOVER)
    other = replace(core, height=core.height + 1)
    as_vote = sign_core(core, root("beta"), ContentType.COMMIT)
    beta, gamma = root("beta").public, root("gamma").public
    tried = [(core, beta, signature), (other, beta, signature), (core, gamma, signature), (core, beta, as_vote)]
    assert [is_signed(*one, keys.verify) for one in tried] == [True, False, False, False]


def test_who_is_not_ready_learns_again_though_its_root_key_signed(realm: Realm) -> None:
    block = supported(realm, "beta", "delta")
    realm.chain.append(block, certificate(realm, block, *OTHERS))
    learning = {name for name, state in states(realm.chain).items() if state is MemberState.LEARNER}
    assert learning == {CREATOR, "gamma"}


def test_a_root_key_speaks_for_a_member_that_learns(realm: Realm) -> None:
    realm.order(realm.approve("eve"))
    block = supported(realm, "beta")
    signed = signatures(realm, block, ["beta", "gamma", "eve"])
    with pytest.raises(RemoteError, match="too little weight"):  # 3 of 5
        realm.chain.append(block, unweighed(realm, block, signed))
    realm.chain.append(block, certificate(realm, block, "beta", "gamma", "delta", "eve"))
    assert realm.chain.governed


@pytest.mark.parametrize(
    ("members", "needed"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (9, 7), (10, 7)]
)
def test_more_than_two_thirds_of_the_members_sign_at_any_size(members: int, needed: int) -> None:
    realm = Realm()
    names = [CREATOR, *(f"m{number}" for number in range(members - 1))]
    for name in names[1:]:
        realm.order(realm.approve(name))
    block = supported_by_creator(realm)
    signing = names[::-1]  # the creator last
    enough = unweighed(realm, block, signatures(realm, block, signing[:needed]))
    if needed > 1:
        short = unweighed(realm, block, signatures(realm, block, signing[: needed - 1]))
        with pytest.raises(ProtocolViolation, match="too little weight"):
            realm.chain.append(block, short)
    realm.chain.append(block, enough)


def test_two_takeovers_share_more_than_a_third_of_the_members() -> None:
    for members in range(1, 1025):
        needed = QuorumRule(QuorumSetting.BYZANTINE, members).needed(members)
        assert 3 * (2 * needed - members) > members


def supported_by_creator(realm: Realm) -> bytes:
    """The rule of counting asks for no queen in particular."""
    return draft(realm.chain, supports(realm, CREATOR))


def test_a_weight_is_no_voice() -> None:
    """Six of nine, whose queens would weigh more than two thirds."""
    realm = Realm()
    names = [f"m{number}" for number in range(8)]
    for name in names:
        realm.order(realm.approve(name, weight=1000))
        realm.order(realm.promote(name))
    block = supported(realm, names[0])
    with pytest.raises(ProtocolViolation, match="too little weight"):
        realm.chain.append(block, unweighed(realm, block, signatures(realm, block, names[:6])))


# one block, or a contradiction


def test_whoever_drafts_it_and_whoever_signs_it_is_the_same_block(realm: Realm) -> None:
    block = supported(realm, "beta", "gamma")
    assert draft(realm.chain.copy(), supports(realm, "gamma", "beta")) == block
    other = realm.chain.copy()
    realm.chain.append(block, certificate(realm, block, "beta", "gamma", "delta"))
    again = signatures_of(other, block, "alpha", "beta", "gamma")
    assert not realm.chain.append(block, again), "the same block, by others"
    assert other.append(block, again)
    assert other.head_hash == realm.chain.head_hash


def signatures_of(chain: Chain, block: bytes, *names: str) -> bytes:
    core = chain.core(block_hash(block), view=0)
    return roots(chain).certify(
        core, {swarm(name): sign_core(core, root(name), ContentType.TAKEOVER) for name in names}
    )


def test_two_takeovers_of_one_height_are_a_fork(realm: Realm) -> None:
    one, two = supported(realm, "beta", "gamma"), supported(realm, "beta", "delta")
    proofs = [signatures_of(realm.chain, block, *OTHERS) for block in (one, two)]
    realm.chain.append(one, proofs[0])
    with pytest.raises(Equivocation, match="two blocks are certified"):
        realm.chain.append(two, proofs[1])


def test_a_creator_that_ordered_nothing_meanwhile_follows(realm: Realm) -> None:
    returned = realm.chain.copy()
    block = supported(realm, *OTHERS)
    proof = certificate(realm, block, *OTHERS)
    assert returned.append(block, proof)
    assert returned.governed
    with pytest.raises(AssertionError, match="made of a quorum"):
        returned.propose([realm.leave("gamma")], realm.now_ms, queen(CREATOR))


def test_a_creator_that_ordered_a_block_meanwhile_is_an_alarm_on_both_sides(realm: Realm) -> None:
    others = realm.chain.copy()
    block = supported(realm, *OTHERS)
    proof = certificate(realm, block, *OTHERS)
    its_own = realm.order(realm.approve("eve"))
    others.append(block, proof)
    for chain, second in ((others, its_own), (realm.chain, (block, proof))):
        before = chain.head_hash
        with pytest.raises(Equivocation, match=f"two blocks are certified for height {chain.height}"):
            chain.append(*second)
        assert chain.head_hash == before


# who is far behind


def test_a_laggard_leaps_over_it() -> None:
    """The last block of its epoch, certified by the root keys of that epoch's members: the laggard knows them."""
    realm = Realm()
    realm.chain.landmarks.spacing = SPACING
    for name in OTHERS:
        realm.order(realm.approve(name))
        realm.order(realm.promote(name))
    laggard = realm.chain.copy()
    block = supported(realm, *OTHERS)
    realm.chain.append(block, certificate(realm, block, *OTHERS))
    chamber = Chamber(realm=realm)
    chamber.chain.landmarks.spacing = SPACING
    for number in range(3 * SPACING):
        chamber.grow(chamber.block(1, *chamber.ballots(number)))
    for newcomer in (laggard, Chain(realm.chain.genesis)):
        course = chamber.chain.course(newcomer.height, None, 1 << 30)
        assert course
        for record in course:
            newcomer.append(*record)
        assert newcomer.governed
        assert newcomer.epoch == chamber.chain.epoch
