"""The creator is lost before it handed over: the root keys of more than two thirds of the members take its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from consensus.blocks import (
    Block,
    Core,
    SupportStatement,
    TakeoverTx,
    block_hash,
    encode_tx,
    make_certificate,
    sign_core,
    support,
)
from consensus.chain import Chain
from consensus.membership import MemberState
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.takeover import draft, roots
from consensus.validators import ValidatorSet
from tests.support.chamber import Chamber
from tests.support.leaps import SPACING
from tests.support.realm import CREATOR, Realm, key, queen, root, swarm
from wire import cbor, cose
from wire.errors import BadSignature, DecodeError, Equivocation, Overtaken, ProtocolViolation, RemoteError
from wire.ids import SwarmId
from wire.keys import SigningKey
from wire.types import ContentType

OTHERS = ("beta", "gamma", "delta")
ALL = (CREATOR, *OTHERS)


def of_before(*names: str, learner: str | None = None) -> Realm:
    """alpha governs; these have their weight, and one may learn."""
    realm = Realm()
    for name in names:
        realm.order(realm.approve(name))
        realm.order(realm.promote(name))
    if learner is not None:
        realm.order(realm.approve(learner))
    return realm


@pytest.fixture
def realm() -> Realm:
    return of_before(*OTHERS)


def supports(realm: Realm, *names: str) -> dict[SwarmId, bytes]:
    return {swarm(name): support(realm.federation, swarm(name), 1, queen(name)) for name in names}


def supported(realm: Realm, *names: str) -> bytes:
    """The block by which these take over."""
    return draft(realm.chain, supports(realm, *names))


def signatures(
    realm: Realm,
    block: bytes,
    names: Iterable[str],
    by: Callable[[str], SigningKey] = root,
    content: ContentType = ContentType.TAKEOVER,
) -> Mapping[SwarmId, bytes]:
    core = realm.chain.core(block_hash(block), view=0)
    return {swarm(name): sign_core(core, by(name), content) for name in names}


def certificate(realm: Realm, block: bytes, *names: str, voters: ValidatorSet | None = None) -> bytes:
    voters = voters or roots(realm.chain)
    return voters.certify(realm.chain.core(block_hash(block), view=0), signatures(realm, block, names))


def unweighed(realm: Realm, block: bytes, signed: Mapping[SwarmId, bytes]) -> bytes:
    """A certificate of as many as there are, enough or not."""
    voters = roots(realm.chain)
    places = {voters.position(one): signature for one, signature in signed.items()}
    chosen = sorted(place for place in places if place is not None)
    core = realm.chain.core(block_hash(block), view=0)
    return make_certificate(core, chosen, [places[place] for place in chosen], len(voters))


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
    """Of nine, one weighs as much as all others: it counts as one."""
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


# what is refused


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        pytest.param(lambda r, b: signatures(r, b, OTHERS[:2]), "too little weight", id="two of four"),
        pytest.param(lambda r, b: signatures(r, b, OTHERS, queen), "bad signature", id="by queens"),
        pytest.param(lambda r, b: signatures(r, b, OTHERS, lambda n: key(n, "x")), "bad signature", id="forged"),
        pytest.param(
            lambda r, b: signatures(r, b, OTHERS, content=ContentType.COMMIT), "bad signature", id="as a commit"
        ),
        pytest.param(
            lambda r, b: {**signatures(r, b, OTHERS), swarm("beta"): signatures(r, b, ["gamma"])[swarm("gamma")]},
            "bad signature",
            id="one swarm twice, once in the place of another",
        ),
        pytest.param(
            lambda r, b: {**signatures(r, b, OTHERS[:2]), swarm(CREATOR): sign_core(core(r, b), queen(CREATOR))},
            "bad signature",
            id="the creator's queen as the third",
        ),
        pytest.param(
            lambda r, b: signatures(r, supported(r, "beta"), OTHERS), "bad signature", id="for other supporters"
        ),
    ],
)
def test_signatures_are_refused(
    realm: Realm, signed: Callable[[Realm, bytes], Mapping[SwarmId, bytes]], why: str
) -> None:
    block = supported(realm, *OTHERS)
    before = realm.chain.head_hash
    with pytest.raises(RemoteError, match=why):
        realm.chain.append(block, unweighed(realm, block, signed(realm, block)))
    assert (realm.chain.head_hash, realm.chain.governed) == (before, False)


def core(realm: Realm, block: bytes) -> Core:
    return realm.chain.core(block_hash(block), view=0)


def test_no_swarm_signs_twice(realm: Realm) -> None:
    """The places of a certificate are bits: a signature more fits nowhere."""
    block = supported(realm, *OTHERS)
    mine = signatures(realm, block, ["beta"])[swarm("beta")]
    place = roots(realm.chain).position(swarm("beta"))
    assert place is not None
    with pytest.raises(DecodeError, match="does not fit"):
        realm.chain.append(block, make_certificate(core(realm, block), [place], [mine] * 3, 4))


def test_who_left_has_no_voice_and_is_not_counted(realm: Realm) -> None:
    realm.order(realm.leave("delta"))
    block = supported(realm, "beta", "gamma")
    assert roots(realm.chain).position(swarm("delta")) is None
    assert len(roots(realm.chain)) == 3
    gone = of_before(*OTHERS)  # as if it had not left: its place is another's now, or none
    with pytest.raises(RemoteError):
        realm.chain.append(block, certificate(realm, block, *OTHERS, voters=roots(gone.chain)))
    realm.chain.append(block, certificate(realm, block, CREATOR, "beta", "gamma"))


@pytest.mark.parametrize(
    ("certify", "why"),
    [
        pytest.param(lambda r, b: r.proof(b), "bitmap|bad signature", id="by the creator's queen"),
        pytest.param(lambda r, b: r.proof(b, root(CREATOR)), "bitmap|bad signature", id="by its root key alone"),
    ],
)
def test_the_creator_alone_takes_nothing_over(
    realm: Realm, certify: Callable[[Realm, bytes], bytes], why: str
) -> None:
    block = supported(realm, *OTHERS)
    with pytest.raises(RemoteError, match=why):
        realm.chain.append(block, certify(realm, block))
    with pytest.raises(RemoteError):
        realm.chain.propose([takeover(*supports(realm, *OTHERS).values())], realm.now_ms, queen(CREATOR))


def test_root_keys_certify_nothing_else(realm: Realm) -> None:
    block = realm.block(realm.leave("delta"))
    with pytest.raises(RemoteError):
        realm.chain.append(block, certificate(realm, block, *OTHERS))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"parent_hash": bytes(32)}, "does not follow", id="another parent"),
        pytest.param({"height": 6}, "a certificate of", id="the height before"),
        pytest.param({"height": 3}, "does not fit", id="a height at which others were members"),
        pytest.param({"height": 99}, "does not follow", id="a height to come"),
        pytest.param({"epoch": 0}, "does not follow", id="another epoch"),
        pytest.param({"prev_state_hash": bytes(32)}, "another state", id="another state"),
    ],
)
def test_a_takeover_follows_this_very_chain(realm: Realm, changes: dict[str, int | bytes], why: str) -> None:
    says = cbor.decode_as(supported(realm, *OTHERS), Block)
    block = realm.block(*says.txs, **{"time_ms": says.time_ms, **changes})
    with pytest.raises(RemoteError, match=why):
        realm.chain.append(block, certificate(realm, block, *OTHERS))


def test_nothing_else_is_in_its_block(realm: Realm) -> None:
    tx = takeover(*(raw for _, raw in sorted(supports(realm, *OTHERS).items())))
    for others in ([tx, realm.bump("beta", 2)], [realm.bump(CREATOR, 2), tx]):
        block = realm.block(*others)
        with pytest.raises(ProtocolViolation, match="not alone in its block"):
            realm.chain.append(block, certificate(realm, block, *OTHERS))


def takeover(*raws: bytes) -> bytes:
    return encode_tx(TakeoverTx(raws))


def statement(realm: Realm, name: str, signer: SigningKey | None = None, **changes: object) -> bytes:
    says = {"federation": realm.federation, "swarm": swarm(name), "term": 1, **changes}
    body = cbor.encode_struct(SupportStatement(**says))  # type: ignore[arg-type]
    return cose.seal(ContentType.SUPPORT, body, signer or queen(name), realm.federation)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(lambda r: statement(r, "beta", queen("gamma")), "queen did not sign", id="forged"),
        pytest.param(lambda r: statement(r, "beta", root("beta")), "queen did not sign", id="by a root key"),
        pytest.param(lambda r: statement(r, "beta", term=2), "queen did not sign", id="of a term to come"),
        pytest.param(lambda r: statement(r, "gamma"), "queen did not sign", id="of a term that ended"),
        pytest.param(lambda r: statement(r, "eve"), "no weight", id="of a learner"),
        pytest.param(lambda r: statement(r, "zeta"), "queen did not sign", id="of a stranger"),
        pytest.param(lambda r: statement(r, "delta"), "queen did not sign", id="of one who left"),
        pytest.param(lambda r: statement(r, "beta", federation=bytes(32)), "another federation", id="for others"),
    ],
)
def test_a_support_is_refused(realm: Realm, raw: Callable[[Realm], bytes], why: str) -> None:
    realm.order(realm.approve("eve"))
    realm.order(realm.bump("gamma", 2))
    realm.order(realm.leave("delta"))
    with pytest.raises(RemoteError, match=why):
        realm.check(takeover(raw(realm)))


def test_the_supporters_have_one_order_and_each_is_named_once(realm: Realm) -> None:
    beta, gamma = (raw for _, raw in sorted(supports(realm, "beta", "gamma").items()))
    realm.check(takeover(beta, gamma))
    for wrong in ((gamma, beta), (beta, beta)):
        with pytest.raises(ProtocolViolation, match="in the order of their ids, each once"):
            realm.check(takeover(*wrong))
    with pytest.raises(DecodeError):
        realm.check(takeover())


def test_nothing_is_drafted_that_may_not_be(realm: Realm) -> None:
    with pytest.raises(BadSignature):
        draft(realm.chain, {swarm("beta"): statement(realm, "beta", term=2)})


def test_there_is_one_takeover(realm: Realm) -> None:
    block = supported(realm, *OTHERS)
    realm.chain.append(block, certificate(realm, block, *OTHERS))
    with pytest.raises(Overtaken, match="govern already"):
        draft(realm.chain, supports(realm, *OTHERS))


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
