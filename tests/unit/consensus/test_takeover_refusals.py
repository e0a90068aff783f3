"""What takes nothing over: signatures, blocks and supports that are not what they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from consensus.blocks import Block, SupportStatement, TakeoverTx, encode_tx, make_certificate, sign_core
from consensus.takeover import draft, roots
from tests.support.realm import CREATOR, Realm, key, queen, root, swarm
from tests.support.takeovers import OTHERS, certificate, core, of_before, signatures, supported, supports, unweighed
from wire import cbor, cose
from wire.errors import BadSignature, DecodeError, Overtaken, ProtocolViolation, RemoteError
from wire.ids import SwarmId
from wire.keys import SigningKey
from wire.types import ContentType


@pytest.fixture
def realm() -> Realm:
    return of_before(*OTHERS)


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
