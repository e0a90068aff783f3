"""Transactions: what each changes, and the sentence for each reason to refuse it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.blocks import (
    MAX_TX,
    PromoteTx,
    TermBumpTx,
    TxKind,
    decode_tx,
    encode_tx,
    join_tx,
    leave_tx,
    promote_tx,
    term_bump_tx,
)
from consensus.certificates import YEAR_MS
from consensus.genesis import Params
from consensus.membership import MemberState
from consensus.tickets import seal_join
from consensus.transactions import PROMOTE_HEIGHTS
from tests.support.council import governed_realm
from tests.support.realm import CREATED_MS, DAY_MS, Realm, certificate, peer, queen, root, swarm
from wire import cbor, cose
from wire.errors import DecodeError, Overtaken, RemoteError
from wire.ids import sha256
from wire.types import ContentType

Make = Callable[[Realm], bytes]
ZERO = bytes(32)


@pytest.fixture
def realm() -> Realm:
    """alpha governs, beta is active, gamma a learner, delta has left."""
    realm = Realm()
    realm.order(realm.join("beta"), realm.join("gamma"), realm.join("delta"))
    realm.order(realm.promote("beta"), realm.leave("delta"))
    return realm


def standing(realm: Realm, name: str) -> tuple[MemberState, int, int]:
    member = realm.chain.member(swarm(name))
    assert member is not None
    return member.state, member.term, member.weight


def test_a_ticket_makes_a_learner_and_is_used_up(realm: Realm) -> None:
    realm.order(realm.join("eve"))
    assert standing(realm, "eve") == (MemberState.LEARNER, 1, 0)
    assert realm.chain.member_by_peer(peer("eve")) == realm.chain.member_by_name("eve")


def test_a_promotion_gives_a_learner_its_weight(realm: Realm) -> None:
    realm.order(realm.promote("gamma"))
    assert standing(realm, "gamma") == (MemberState.ACTIVE, 1, 1)


@pytest.mark.parametrize("term", [2, 3, 7, (1 << 31) - 1])
def test_a_later_term_replaces_the_key_and_closes_the_log(realm: Realm, term: int) -> None:
    realm.order(realm.bump("beta", term, (5, sha256(b"head"))))
    assert standing(realm, "beta") == (MemberState.ACTIVE, term, 1)
    assert realm.chain.queen_key(swarm("beta"), 1) == queen("beta").public
    assert realm.chain.queen_key(swarm("beta"), term) == queen("beta", term).public
    assert realm.chain.close_of(swarm("beta"), 1) == (5, sha256(b"head"))
    assert realm.chain.close_of(swarm("beta"), term) is None


def test_who_left_is_no_member_but_its_keys_stay_known(realm: Realm) -> None:
    assert realm.chain.member(swarm("delta")) is None
    assert realm.chain.member_by_name("delta") is None
    assert realm.chain.queen_key(swarm("delta"), 1) == queen("delta").public


def test_who_left_returns_in_a_later_term(realm: Realm) -> None:
    realm.order(realm.join("delta", term=2))
    assert standing(realm, "delta") == (MemberState.LEARNER, 2, 0)
    assert realm.chain.queen_key(swarm("delta"), 1) == queen("delta").public


def used_ticket(realm: Realm) -> bytes:
    ticket = realm.ticket()
    first, second = realm.certificate("eve"), realm.certificate("frank")
    realm.order(join_tx(ticket.grant, first, seal_join(ticket, first)))
    return join_tx(ticket.grant, second, seal_join(ticket, second))


def by_ticket(realm: Realm, name: str = "eve", **changes: object) -> bytes:
    ticket, proof = realm.ticket(**changes), realm.certificate(name)
    return join_tx(ticket.grant, proof, seal_join(ticket, proof))


def overheard(realm: Realm) -> bytes:
    ticket = realm.ticket()
    return join_tx(ticket.grant, realm.certificate("eve"), seal_join(ticket, realm.certificate("frank")))


def fourth_of_beta(realm: Realm) -> bytes:
    realm.order(*(realm.join(name, "beta") for name in ("n1", "n2", "n3")))
    return realm.join("n4", "beta")


def stale(realm: Realm) -> bytes:
    promotion = realm.promote("gamma")
    for number in range(PROMOTE_HEIGHTS + 1):
        realm.order(realm.bump("beta", number + 2))
    return promotion


def ordered(realm: Realm, first: bytes, then: bytes) -> bytes:
    realm.order(first)
    return then


JOINS = [
    pytest.param(lambda r: r.join("beta"), "beta is a member already", id="a member"),
    pytest.param(lambda r: r.join("eve", name="beta"), "the name 'beta' is taken", id="the name of a member"),
    pytest.param(lambda r: r.join("eve", peer=peer("beta")), "speaks for another member", id="a member's node"),
    pytest.param(lambda r: r.join("delta"), "returns with a term after 1", id="returning in its old term"),
    pytest.param(
        lambda r: r.join("eve", not_after_ms=CREATED_MS + 2000), "the certificate has expired", id="expired"
    ),
    pytest.param(
        lambda r: join_tx(None, r.certificate("eve"), None), "ask a member for one", id="without any ticket"
    ),
    pytest.param(
        lambda r: join_tx(r.ticket().grant, r.certificate("eve"), None), "admits by ticket", id="half a ticket"
    ),
    pytest.param(used_ticket, "the ticket was used already", id="a ticket that was used"),
    pytest.param(lambda r: by_ticket(r, expires_ms=CREATED_MS), "the ticket has expired", id="an expired ticket"),
    pytest.param(lambda r: by_ticket(r, inviter=swarm("nobody")), "inviter is no member", id="a stranger's ticket"),
    pytest.param(lambda r: r.join("eve", "delta"), "inviter is no member", id="a ticket of one who left"),
    pytest.param(
        lambda r: by_ticket(r, inviter_term=2), "another term of its inviter", id="a ticket of no such term"
    ),
    pytest.param(lambda r: by_ticket(r, inviter_key=queen("beta")), "its inviter did not sign", id="a forged ticket"),
    pytest.param(overheard, "the ticket's holder did not sign", id="an overheard ticket"),
    pytest.param(fourth_of_beta, "has brought in 3 members", id="a fourth guest of one inviter"),
    pytest.param(
        lambda r: join_tx(None, certificate(sha256(b"x"), "eve"), None, approved=True),
        "for this federation",
        id="another federation's",
    ),
]

PROMOTIONS = [
    pytest.param(lambda r: r.promote("beta"), "beta is no learner", id="active already"),
    pytest.param(lambda r: r.promote("eve"), "swarm that is no member", id="a stranger"),
    pytest.param(lambda r: r.promote("delta"), "swarm that is no member", id="one who left"),
    pytest.param(lambda r: r.promote("gamma", term=2), "learner's queen did not sign", id="another key"),
    pytest.param(stale, "names no recent block", id="a block long past"),
    pytest.param(
        lambda r: promote_tx(r.federation, swarm("gamma"), 3, ZERO, queen("gamma")), "not have yet", id="one to come"
    ),
    pytest.param(
        lambda r: promote_tx(r.federation, swarm("gamma"), 2, ZERO, queen("gamma")), "recent", id="another chain's"
    ),
    pytest.param(
        lambda r: encode_tx(
            PromoteTx(swarm("beta"), decode_tx(r.promote("gamma")).statement)  # type: ignore[union-attr]
        ),
        "learner's queen did not sign",
        id="another's statement",
    ),
    pytest.param(
        lambda r: promote_tx(sha256(b"x"), swarm("gamma"), 0, ZERO, queen("gamma")),
        "for this federation",
        id="another federation's",
    ),
]


def bump_statement(realm: Realm, federation: bytes) -> bytes:
    """A new term of beta whose statement names `federation`, sealed for ours."""
    statement = [federation, realm.certificate("beta", 2), 0, ZERO]
    sealed = cose.seal(ContentType.TERM_BUMP, cbor.encode(statement), queen("beta", 2), realm.federation)
    return encode_tx(TermBumpTx(sealed))


def leave_statement(realm: Realm, federation: bytes) -> bytes:
    sealed = cose.seal(
        ContentType.LEAVE, cbor.encode([federation, swarm("beta"), 1]), queen("beta"), realm.federation
    )
    return cbor.encode([4, cbor.encode([sealed])])


BUMPS = [
    pytest.param(lambda r: r.bump("beta", 1), "beta is in term 1 already", id="the term that is"),
    pytest.param(lambda r: r.bump("eve", 2), "no member has the id", id="a stranger"),
    pytest.param(lambda r: r.bump("delta", 2), "no member has the id", id="one who left"),
    pytest.param(lambda r: r.bump("beta", 2, name="bob"), "keeps the swarm's root key and name", id="another name"),
    pytest.param(lambda r: r.bump("beta", 2, peer=peer("gamma")), "speaks for another member", id="another's node"),
    pytest.param(
        lambda r: term_bump_tx(r.federation, r.certificate("beta", 2), queen("beta"), 0, ZERO),
        "its queen did not sign",
        id="sealed by the old queen",
    ),
    pytest.param(lambda r: r.bump("beta", 2, root=root("eve")), "no member has the id", id="signed by another root"),
    pytest.param(lambda r: bump_statement(r, sha256(b"x")), "for this federation", id="another federation's words"),
]

LEAVES = [
    pytest.param(lambda r: r.leave("alpha"), "the creator governs this federation", id="the creator"),
    pytest.param(lambda r: r.leave("eve"), "member's queen did not sign", id="a stranger"),
    pytest.param(lambda r: r.leave("delta"), "delta has left already", id="one who left"),
    pytest.param(lambda r: r.leave("beta", 2), "does not know yet", id="a term to come"),
    pytest.param(
        lambda r: leave_tx(r.federation, swarm("beta"), 1, queen("gamma")), "did not sign", id="another's key"
    ),
    pytest.param(lambda r: leave_statement(r, sha256(b"x")), "of another federation", id="another federation's"),
]


def test_the_last_one_with_a_vote_stays() -> None:
    realm = governed_realm(["alpha"])
    realm.order(realm.join("beta"))
    with pytest.raises(RemoteError, match="nobody would be left who has a vote"):
        realm.check(realm.leave("alpha"))
    realm.order(realm.promote("beta"))
    realm.check(realm.leave("alpha"))


@pytest.mark.parametrize(("make", "why"), [*JOINS, *PROMOTIONS, *BUMPS, *LEAVES])
def test_a_transaction_is_refused(realm: Realm, make: Make, why: str) -> None:
    tx = make(realm)
    before = realm.chain.state_hash
    with pytest.raises(RemoteError, match=why):
        realm.check(tx)
    with pytest.raises(RemoteError, match=why):
        realm.chain.propose([tx], realm.now_ms, realm.governor)
    assert realm.chain.state_hash == before


@pytest.mark.parametrize(
    ("make", "overtaken"),
    [
        pytest.param(lambda r: r.promote("beta"), True, id="a promotion of who is active"),
        pytest.param(stale, True, id="a promotion over a block long past"),
        pytest.param(
            lambda r: promote_tx(r.federation, swarm("gamma"), 3, ZERO, queen("gamma")), True, id="over one to come"
        ),
        pytest.param(
            lambda r: promote_tx(r.federation, swarm("gamma"), 3, ZERO, queen("heir")),
            True,
            id="by who may be queen then",
        ),
        pytest.param(
            lambda r: promote_tx(r.federation, swarm("gamma"), 1, ZERO, queen("heir")),
            False,
            id="by who is not queen",
        ),
        pytest.param(
            lambda r: promote_tx(r.federation, swarm("gamma"), 2, ZERO, queen("gamma")), False, id="another chain's"
        ),
        pytest.param(lambda r: r.bump("beta", 1), True, id="a term that is"),
        pytest.param(lambda r: ordered(r, r.bump("beta", 2), r.bump("beta", 1)), True, id="a term that was"),
        pytest.param(lambda r: r.bump("beta", 1, peer=peer("eve")), False, id="the number of a term, another node"),
        pytest.param(lambda r: ordered(r, r.bump("beta", 3), r.bump("beta", 2)), False, id="a term that was skipped"),
        pytest.param(lambda r: r.join("beta"), True, id="a join of a member, that two members relayed"),
        pytest.param(used_ticket, True, id="a join with a ticket that another swarm used meanwhile"),
        pytest.param(lambda r: by_ticket(r, expires_ms=CREATED_MS), True, id="a join with a ticket that has ended"),
        pytest.param(lambda r: r.join("eve", not_after_ms=CREATED_MS + 2000), True, id="a join that took too long"),
        pytest.param(lambda r: r.leave("delta"), True, id="a leave of who left"),
        pytest.param(lambda r: r.leave("beta", 2), True, id="a leave in a term to come"),
        pytest.param(lambda r: r.leave("eve"), False, id="a leave of a stranger"),
    ],
)
def test_what_was_right_when_it_was_sent_is_told_from_what_never_was(
    realm: Realm, make: Make, overtaken: bool
) -> None:
    with pytest.raises(RemoteError) as caught:
        realm.check(make(realm))
    assert isinstance(caught.value, Overtaken) is overtaken


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "not CBOR", id="nothing"),
        pytest.param(cbor.encode([1 + max(TxKind), b"x"]), "of a known kind", id="an unknown kind"),
        pytest.param(cbor.encode([True, b"x"]), "of a known kind", id="a kind that only compares equal"),
        pytest.param(cbor.encode([1]), "of a known kind", id="no body"),
        pytest.param(cbor.encode([1, cbor.encode([])]), "not a JoinTx", id="an empty body"),
        pytest.param(cbor.encode([4, cbor.encode([b"x", b"more"])]), "not a LeaveTx", id="a field too many"),
        pytest.param(bytes(MAX_TX + 1), "65536 are allowed", id="too long"),
    ],
)
def test_what_is_no_transaction_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(RemoteError, match=why) as caught:
        decode_tx(raw)
    assert isinstance(caught.value, DecodeError) or len(raw) > MAX_TX


def test_a_transaction_that_is_too_long_is_refused_before_it_is_read(realm: Realm) -> None:
    with pytest.raises(RemoteError, match=f"at most {MAX_TX} bytes"):
        realm.check(bytes(MAX_TX + 1))


def test_the_governors_own_guests_and_the_approved_are_not_counted(realm: Realm) -> None:
    realm.order(*(realm.join(f"m{n}") for n in range(5)))
    fourth_of_beta(realm)
    ticket, proof = realm.ticket("beta"), realm.certificate("n4")
    realm.order(join_tx(ticket.grant, proof, seal_join(ticket, proof), approved=True))
    assert realm.chain.member_by_name("n4") is not None


def test_an_open_federation_lets_in_whoever_asks() -> None:
    realm = Realm(Params(admission="open"))
    realm.order(join_tx(None, realm.certificate("eve"), None))
    assert realm.chain.member_by_name("eve") is not None


def test_a_ticket_ends_with_the_term_of_its_inviter(realm: Realm) -> None:
    invitation = realm.join("eve", "beta")
    realm.check(invitation)
    realm.order(realm.bump("beta", 2))
    with pytest.raises(RemoteError, match="another term of its inviter"):
        realm.check(invitation)
    realm.check(realm.join("eve", "beta"))


@pytest.mark.parametrize("back", range(PROMOTE_HEIGHTS + 1))
def test_a_promotion_may_name_one_of_the_last_blocks(realm: Realm, back: int) -> None:
    promotion = realm.promote("gamma")
    for number in range(back):
        realm.order(realm.bump("beta", number + 2))
    realm.order(promotion)
    assert standing(realm, "gamma")[0] is MemberState.ACTIVE


def test_certificates_and_tickets_end_at_their_last_millisecond(realm: Realm) -> None:
    realm.now_ms = CREATED_MS + DAY_MS
    with pytest.raises(RemoteError, match="the ticket has expired"):
        realm.check(realm.join("eve"))
    realm.now_ms = CREATED_MS + YEAR_MS
    with pytest.raises(RemoteError, match="the certificate has expired"):
        realm.check(realm.approve("eve"))
    realm.now_ms -= 1
    realm.check(realm.approve("eve"))
