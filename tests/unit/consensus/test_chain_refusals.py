"""The chain: which blocks follow, which certificates decide, and the sentence for each that does not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from consensus.blocks import MAX_BLOCK, Core, block_hash, make_certificate, open_certificate, sign_core
from consensus.chain import Chain
from consensus.tickets import Anchor
from tests.support.realm import CREATED_MS, Realm, queen, swarm
from wire import cbor, keys
from wire.errors import BadSignature, DecodeError, Equivocation, ProtocolViolation, RemoteError
from wire.ids import sha256

Judge = Callable[[Realm], tuple[bytes, bytes]]


@pytest.fixture
def realm() -> Realm:
    realm = Realm()
    realm.order(realm.join("beta"))
    realm.order(realm.promote("beta"))
    return realm


def proven(realm: Realm, raw: bytes) -> tuple[bytes, bytes]:
    return raw, realm.proof(raw)


def with_proof(realm: Realm, signer: keys.SigningKey | None = None, **changes: object) -> tuple[bytes, bytes]:
    raw = realm.block(realm.join("gamma"))
    return raw, realm.proof(raw, signer, **changes)


def with_bitmap(realm: Realm, signers: bytes, signatures: int = 1) -> tuple[bytes, bytes]:
    raw, proof = with_proof(realm)
    core, _, made = cbor.decode(proof)  # type: ignore[misc]
    return raw, cbor.encode([core, signers, made * signatures])


def far(realm: Realm, **changes: object) -> tuple[bytes, bytes]:
    return proven(realm, realm.block(realm.join("gamma"), **changes))


def forged_bump(realm: Realm) -> tuple[bytes, bytes]:
    """A block with a term of beta, certified by beta's new queen as if beta governed."""
    raw = realm.block(realm.bump("beta", 2))
    return raw, realm.proof(raw, queen("beta", 2))


@pytest.mark.parametrize(
    ("judge", "why"),
    [
        pytest.param(lambda r: far(r, height=4), "does not follow the head", id="a height is missing"),
        pytest.param(lambda r: far(r, parent_hash=bytes(32)), "does not follow the head", id="another parent"),
        pytest.param(lambda r: far(r, epoch=1), "does not follow the head", id="another epoch"),
        pytest.param(lambda r: far(r, time_ms=r.now_ms), "time does not advance", id="the same time"),
        pytest.param(lambda r: far(r, time_ms=0), "time does not advance", id="an earlier time"),
        pytest.param(lambda r: far(r, prev_state_hash=bytes(32)), "another state than ours", id="another membership"),
        pytest.param(lambda r: proven(r, r.block()), "nothing in it", id="no transaction"),
        pytest.param(lambda r: (r.block(r.join("gamma"), height=0), b""), "`int` >= 1", id="height 0"),
        pytest.param(lambda r: proven(r, r.block(b"\xff")), "not CBOR", id="a transaction that is none"),
        pytest.param(lambda r: proven(r, r.block(r.join("beta"))), "member already", id="a refused transaction"),
        pytest.param(
            lambda r: proven(r, r.block(r.join("gamma"), r.join("gamma"))), "member already", id="one thing twice"
        ),
        pytest.param(lambda r: (b"", b""), "not CBOR", id="no block"),
        pytest.param(lambda r: (bytes(MAX_BLOCK + 1), b""), "are allowed", id="a block that is too large"),
        pytest.param(lambda r: with_proof(r, queen("beta")), "bad signature", id="certified by another member"),
        pytest.param(lambda r: with_proof(r, federation=bytes(32)), "another federation", id="another federation's"),
        pytest.param(lambda r: with_proof(r, height=9), "certificate of another block", id="names another height"),
        pytest.param(lambda r: with_proof(r, epoch=9), "certificate of epoch 9", id="names another epoch"),
        pytest.param(lambda r: with_proof(r, block_hash=bytes(32)), "of another block", id="names another hash"),
        pytest.param(lambda r: with_bitmap(r, b"\x02"), "bitmap does not fit", id="a signer beyond the set"),
        pytest.param(lambda r: with_bitmap(r, b"\x00"), "bitmap does not fit", id="no signer"),
        pytest.param(lambda r: with_bitmap(r, b"\x01\x00"), "bitmap does not fit", id="a bitmap that is too long"),
        pytest.param(lambda r: with_bitmap(r, b"\x01", 2), "bitmap does not fit", id="a signature too many"),
        pytest.param(forged_bump, "bad signature", id="another member's new queen"),
    ],
)
def test_a_block_is_refused(realm: Realm, judge: Judge, why: str) -> None:
    raw, proof = judge(realm)
    before = (realm.chain.height, realm.chain.head_hash, realm.chain.state_hash)
    with pytest.raises(RemoteError, match=why):
        realm.chain.append(raw, proof)
    assert (realm.chain.height, realm.chain.head_hash, realm.chain.state_hash) == before


def test_a_block_that_is_held_is_no_news(realm: Realm) -> None:
    for raw, proof in realm.chain.all_blocks():
        assert not realm.chain.append(raw, proof)
    assert realm.chain.height == 2


def test_two_certified_blocks_of_one_height_are_a_fork_of_the_chain() -> None:
    ours, theirs = Realm(), Realm()
    for realm, name in ((ours, "beta"), (theirs, "gamma")):
        realm.order(realm.join(name))
        realm.order(realm.join("delta"))
    [_, other] = theirs.chain.all_blocks()
    with pytest.raises(RemoteError, match="of another block"):
        ours.chain.append(other[0], ours.chain.all_blocks()[1][1])
    with pytest.raises(Equivocation, match="two blocks are certified for height 2"):
        ours.chain.append(*other)
    assert ours.chain.member_by_name("beta") is not None


def counted(realm: Realm) -> tuple[Chain, list[bytes]]:
    """The same chain once more, and whatever it has signatures checked for from now on."""
    checked: list[bytes] = []

    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(message)
        return keys.verify(public, message, signature)

    chain = Chain(realm.chain.genesis, verify)
    for raw, proof in realm.chain.all_blocks():
        chain.append(raw, proof)
    checked.clear()
    return chain, checked


def test_a_lie_about_the_past_does_not_make_anyone_live_it_again(realm: Realm) -> None:
    """Whoever reaches the port may say it: it must not cost what the whole chain did."""
    for name in ("gamma", "delta", "epsilon"):
        realm.order(realm.join(name))
    chain, checked = counted(realm)
    raw, _ = realm.chain.blocks(chain.height, 0)[0]
    lie = cbor.encode([chain.height, chain.epoch - 1, bytes(32), CREATED_MS, bytes(32), [realm.join("eve")]])
    with pytest.raises(BadSignature):
        chain.append(lie, realm.proof(lie, queen("eve")))
    assert len(checked) == 1
    assert not chain.append(raw, b"")


def test_what_nobody_certified_is_not_looked_into(realm: Realm) -> None:
    chain, checked = counted(realm)
    raw = realm.block(*(realm.join(f"m{number}") for number in range(20)))
    with pytest.raises(BadSignature):
        chain.append(raw, realm.proof(raw, queen("eve")))
    assert len(checked) == 1


def test_a_creator_without_its_old_key_goes_on_with_a_new_term(realm: Realm) -> None:
    realm.governor = queen("alpha", 2)
    with pytest.raises(BadSignature):
        realm.order(realm.join("gamma"))
    realm.order(realm.bump("alpha", 2))
    realm.order(realm.join("gamma", term=1))
    assert (realm.chain.creator.term, realm.chain.height) == (2, 4)
    realm.governor = queen("alpha")
    with pytest.raises(BadSignature):
        realm.order(realm.join("delta"))


def test_a_chain_is_read(realm: Realm) -> None:
    chain = realm.chain
    assert (chain.height, chain.epoch) == (2, 2)
    assert [m.name for m in chain.members()] == sorted(("alpha", "beta"), key=swarm)
    assert chain.state.membership.rule().members == 2
    assert chain.queen_key(swarm("eve"), 1) is None
    assert chain.queen_key(swarm("beta"), 2) is None
    assert chain.close_of(swarm("eve"), 1) is None
    assert chain.close_of(swarm("beta"), 1) is None


@pytest.mark.parametrize(
    ("start", "limit", "expected"),
    [
        pytest.param(1, 1 << 20, [1, 2, 3], id="all"),
        pytest.param(0, 1 << 20, [1, 2, 3], id="from before the first"),
        pytest.param(2, 1 << 20, [2, 3], id="from the middle"),
        pytest.param(4, 1 << 20, [], id="beyond the head"),
        pytest.param(1, 1, [1], id="at least one, however small the limit"),
    ],
)
def test_blocks_are_served_in_pieces(realm: Realm, start: int, limit: int, expected: list[int]) -> None:
    realm.order(realm.join("gamma"))
    blocks = realm.chain.all_blocks()
    assert realm.chain.blocks(start, limit) == [blocks[height - 1] for height in expected]


def test_a_piece_is_as_large_as_may_be(realm: Realm) -> None:
    realm.order(realm.join("gamma"))
    blocks = realm.chain.all_blocks()
    two = sum(len(block) + len(proof) for block, proof in blocks[:2])
    assert [len(realm.chain.blocks(1, limit)) for limit in (two - 1, two, two + 1)] == [1, 2, 2]


def test_time_advances_even_when_the_governors_clock_goes_back(realm: Realm) -> None:
    realm.now_ms = CREATED_MS - 1_000_000
    for term in (2, 3, 4):
        realm.order(realm.bump("beta", term))
    times = [cbor.decode(raw)[3] for raw, _ in realm.chain.all_blocks()]  # type: ignore[index]
    assert all(a < b for a, b in pairwise(times))


@pytest.mark.parametrize(
    ("height", "digest", "held"),
    [
        pytest.param(1, None, 2, id="the block is there"),
        pytest.param(2, None, 2, id="the block is the last one"),
        pytest.param(0, None, 2, id="the genesis"),
        pytest.param(1, bytes(32), 0, id="another block stands in its place"),
        pytest.param(2, bytes(32), 1, id="another block stands in its place, later"),
    ],
)
def test_a_chain_holds_what_the_ticket_names(realm: Realm, height: int, digest: bytes | None, held: int) -> None:
    blocks = realm.chain.all_blocks()
    true = block_hash(blocks[height - 1][0]) if height else realm.federation
    chain = Chain(realm.chain.genesis, anchor=Anchor(height, height, digest or true))
    assert chain.anchored == (height == 0)
    for block in blocks[:held]:
        chain.append(*block)
    if held < len(blocks):
        with pytest.raises(ProtocolViolation, match=f"block {height} is not the one that our ticket names"):
            chain.append(*blocks[held])
    assert chain.height == held
    assert chain.anchored == (held >= height)


def test_only_the_governor_proposes(realm: Realm) -> None:
    with pytest.raises(BadSignature):
        realm.chain.propose([realm.join("gamma")], realm.now_ms, queen("beta"))


def test_a_promotion_may_name_the_genesis() -> None:
    realm = Realm()
    promotion = realm.promote("beta")
    realm.order(realm.join("beta"))
    realm.order(promotion)
    assert realm.chain.member_by_name("beta") is not None


def test_the_genesis_is_height_zero() -> None:
    chain = Realm().chain
    assert (chain.height, chain.head_hash) == (0, chain.federation_id)
    assert Chain.from_genesis(chain.genesis.raw).state_hash == chain.state_hash


SIGNERS = [queen(f"v{n}") for n in range(10)]
CORE = Core(sha256(b"fed"), 3, 0, 3, block_hash(b"block"))


@pytest.mark.parametrize("chosen", [[0], [9], [0, 8, 9], list(range(10))], ids=str)
def test_a_certificate_of_many_validators_names_who_signed(chosen: list[int]) -> None:
    proof = make_certificate(CORE, chosen, [sign_core(CORE, SIGNERS[at]) for at in chosen], len(SIGNERS))
    validators = [signer.public for signer in SIGNERS]
    assert open_certificate(proof, validators, CORE.federation, keys.verify) == (CORE, chosen)
    with pytest.raises(DecodeError, match="does not fit"):
        open_certificate(proof, validators[: chosen[-1]], CORE.federation, keys.verify)
    with pytest.raises(BadSignature):
        open_certificate(proof, validators[::-1], CORE.federation, keys.verify)


def test_a_violation_blames_the_chain(realm: Realm) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        realm.chain.append(*far(realm, height=4))
    assert caught.value.offence == "chain"
