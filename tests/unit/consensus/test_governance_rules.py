"""Transactions of the queens' rule: proposals, ballots, evidence, the handing over; a sentence for each refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consensus import transactions
from consensus.blocks import (
    BallotTx,
    Core,
    GovernTx,
    ProposalTx,
    QuarantineTx,
    SupportStatement,
    encode_tx,
    join_tx,
)
from consensus.genesis import Params
from consensus.governance.proposals import BallotBody, Choice, ProposalBody, Subject
from consensus.governance.standing import MAX_OPEN_OF_ONE
from consensus.membership import MemberState
from consensus.transactions import MAX_DEADLINE_MS
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, governed_realm, proposal_tx
from tests.support.realm import Realm, queen, swarm
from wire import cbor, cose
from wire.errors import Overtaken, RemoteError
from wire.ids import sha256
from wire.types import ContentType

Make = Callable[[Chamber], bytes]
DETAILS = cbor.encode({"kind": "task", "target": "t1", "priority": "high"})


@pytest.fixture
def chamber() -> Chamber:
    """Four queens that govern; here it is only their chain that matters."""
    return Chamber()


def check(chamber: Chamber, tx: bytes) -> None:
    chamber.chain.check_transaction(tx, chamber.wall_ms)


# proposals


def propose(signer: str = "alpha", **changes: Any) -> Make:
    """A proposal of alpha; `changes` replace what it says."""

    def make(chamber: Chamber) -> bytes:
        says: dict[str, Any] = {
            "federation": chamber.federation,
            "proposal": sha256(b"proposal")[:16],
            "proposer": swarm("alpha"),
            "term": 1,
            "subject": Subject.PRIORITY_CHANGE,
            "action": "set_priority",
            "details": DETAILS,
            "created_ms": chamber.wall_ms,
            "deadline_ms": chamber.wall_ms + 1,
        }
        body = ProposalBody(**{**says, **{k: v(chamber) if callable(v) else v for k, v in changes.items()}})
        sealed = cose.seal(ContentType.PROPOSAL, cbor.encode_struct(body), queen(signer), chamber.federation)
        return encode_tx(ProposalTx(sealed))

    return make


def lasting(**changes: Any) -> Make:
    """A proposal that is open for a few blocks."""
    return propose(deadline_ms=lambda c: c.wall_ms + 99, **changes)


def ordered(tx: Make, *txs: Make) -> Make:
    """`tx`, after a block with the others."""

    def make(chamber: Chamber) -> bytes:
        chamber.grow(chamber.block(1, *(other(chamber) for other in txs)))
        chamber.wall_ms = max(chamber.wall_ms, chamber.chain.time_ms)
        return tx(chamber)

    return make


PROPOSALS = [
    pytest.param(propose("beta"), "no queen of its swarm signed", id="signed by another queen"),
    pytest.param(propose("eve", proposer=swarm("eve")), "no queen of its swarm signed", id="by a stranger"),
    pytest.param(propose(term=2), "does not know yet", id="of a term to come"),
    pytest.param(propose(federation=bytes(32)), "another federation", id="of another federation"),
    pytest.param(ordered(lasting(), lasting()), "on the chain already", id="one that is open"),
    pytest.param(propose(deadline_ms=lambda c: c.wall_ms), "deadline of this proposal has passed", id="too late"),
    pytest.param(
        propose(deadline_ms=lambda c: c.wall_ms + MAX_DEADLINE_MS + 1), "at most 7 days", id="a deadline too far away"
    ),
    pytest.param(propose(action="dance"), "no action is called 'dance'", id="an unknown action"),
    pytest.param(
        propose(subject=Subject.FEDERATION_POLICY), "decided as PRIORITY_CHANGE", id="an action of another subject"
    ),
    pytest.param(propose(details=cbor.encode({})), "do not fit", id="details that lack a field"),
    pytest.param(propose(details=cbor.encode([1])), "are a map", id="details that are no map"),
    pytest.param(propose(details=b"\xff"), "not CBOR", id="details that nobody can read"),
    pytest.param(lambda c: encode_tx(ProposalTx(b"\xff")), "COSE", id="no envelope"),
]


@pytest.mark.parametrize(("make", "why"), PROPOSALS)
def test_a_proposal_is_refused(chamber: Chamber, make: Make, why: str) -> None:
    tx = make(chamber)
    with pytest.raises(RemoteError, match=why):
        check(chamber, tx)


@pytest.mark.parametrize("ahead", [1, MAX_DEADLINE_MS])
def test_a_proposal_is_open_from_its_block_on(chamber: Chamber, ahead: int) -> None:
    tx = propose(deadline_ms=lambda c: c.wall_ms + ahead)(chamber)
    chamber.grow(chamber.block(1, tx))
    [entry] = chamber.chain.standing.open.values()
    assert (entry.height, entry.proposal.proposer) == (chamber.chain.height, swarm("alpha"))


def test_a_proposal_that_was_decided_does_not_return(chamber: Chamber) -> None:
    tx, *ballots = chamber.ballots()
    chamber.grow(chamber.block(1, tx, *ballots[:3]))
    with pytest.raises(Overtaken, match="on the chain already"):
        check(chamber, tx)


@pytest.mark.parametrize(
    ("open_", "of_one", "refused"),
    [
        pytest.param(MAX_OPEN_OF_ONE - 1, True, False, id="fifteen of one swarm"),
        pytest.param(MAX_OPEN_OF_ONE, True, True, id="sixteen of one swarm"),
        pytest.param(MAX_OPEN_OF_ONE, False, False, id="sixteen of several"),
    ],
)
def test_one_swarm_has_at_most_sixteen_open(chamber: Chamber, open_: int, of_one: bool, refused: bool) -> None:
    names = ["alpha"] if of_one else chamber.order
    proposers = [names[number % len(names)] for number in range(open_)]
    txs = [proposal_tx(chamber.federation, name, at, chamber.wall_ms)[0] for at, name in enumerate(proposers)]
    chamber.grow(chamber.block(1, *txs))
    tx = lasting()(chamber)
    if not refused:
        check(chamber, tx)
        return
    with pytest.raises(Overtaken, match="too many proposals are open"):
        check(chamber, tx)


def test_there_is_a_most_that_are_open_in_all(chamber: Chamber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "MAX_OPEN", 3)
    for number, name in enumerate(chamber.order[:3]):
        check(chamber, lasting()(chamber))
        chamber.grow(chamber.block(1, proposal_tx(chamber.federation, name, number, chamber.wall_ms)[0]))
    with pytest.raises(Overtaken, match="too many proposals are open"):
        check(chamber, lasting()(chamber))


# ballots


def vote(signer: str = "beta", **changes: Any) -> Make:
    """A ballot of beta on alpha's proposal; `changes` replace what it says."""

    def make(chamber: Chamber) -> bytes:
        [entry] = chamber.chain.standing.open.values()
        says: dict[str, Any] = {
            "federation": chamber.federation,
            "proposal": entry.proposal.id,
            "proposal_hash": entry.proposal.hash,
            "voter": swarm("beta"),
            "term": 1,
            "choice": Choice.APPROVE,
            "weight": 99,
            "reasoning": "",
        }
        body = cbor.encode_struct(BallotBody(**{**says, **changes}))
        return encode_tx(BallotTx(cose.seal(ContentType.BALLOT, body, queen(signer), chamber.federation)))

    return make


BALLOTS = [
    pytest.param(vote("gamma"), "no queen of its swarm signed", id="signed by another queen"),
    pytest.param(vote("eve", voter=swarm("eve")), "no queen of its swarm signed", id="by a stranger"),
    pytest.param(vote(term=2), "does not know yet", id="of a term to come"),
    pytest.param(vote(federation=bytes(32)), "another federation", id="of another federation"),
    pytest.param(vote(proposal=bytes(16)), "not open", id="on no proposal"),
    pytest.param(vote(proposal_hash=bytes(32)), "another proposal under this id", id="on another proposal"),
    pytest.param(ordered(vote(choice=Choice.REJECT), vote()), "its voter has voted", id="a second one"),
    pytest.param(lambda c: encode_tx(BallotTx(b"\xff")), "COSE", id="no envelope"),
]


@pytest.mark.parametrize(("make", "why"), BALLOTS)
def test_a_ballot_is_refused(chamber: Chamber, make: Make, why: str) -> None:
    chamber.grow(chamber.block(1, lasting()(chamber)))
    tx = make(chamber)
    with pytest.raises(RemoteError, match=why):
        check(chamber, tx)


def test_a_ballot_counts_for_its_voter(chamber: Chamber) -> None:
    chamber.grow(chamber.block(1, lasting()(chamber)))
    chamber.grow(chamber.block(1, vote(choice=Choice.ABSTAIN)(chamber)))
    [entry] = chamber.chain.standing.open.values()
    assert entry.ballots == {swarm("beta"): Choice.ABSTAIN}


# evidence


def contradiction(name: str, term: int = 1) -> Make:
    """Two PREPAREs of one queen for one slot."""

    def make(chamber: Chamber) -> bytes:
        cores = [Core(chamber.federation, 3, 0, 99, sha256(block)) for block in (b"one", b"other")]
        return encode_tx(
            QuarantineTx(
                *(
                    cose.seal(ContentType.PREPARE, cbor.encode_struct(core), queen(name, term), chamber.federation)
                    for core in cores
                )
            )
        )

    return make


def test_a_convicted_member_loses_its_weight_and_still_belongs(chamber: Chamber) -> None:
    chamber.grow(chamber.block(1, contradiction("beta")(chamber)))
    member = chamber.chain.member(swarm("beta"))
    assert member is not None
    assert (member.state, member.weight) == (MemberState.QUARANTINED, 0)
    assert chamber.chain.validators().position(swarm("beta")) is None


@pytest.mark.parametrize("guest", ["x1", "x2", "x3", "x4"])
def test_nobody_hides_behind_a_swarm_that_names_the_same_key(guest: str) -> None:
    """A root key alone says who its queen is: an accomplice may name a voter's, whichever comes first by its id."""
    realm = governed_realm(["alpha", "beta", "gamma", "delta"], Params(admission="open"))
    chamber = Chamber(realm=realm)
    accomplice = join_tx(None, realm.certificate(guest, queen_key=queen("beta").public), None)
    chamber.grow(chamber.block(1, accomplice))
    chamber.grow(chamber.block(1, contradiction("beta")(chamber)))
    states = {member.name: member.state for member in chamber.chain.members()}
    assert states["beta"] is states[guest] is MemberState.QUARANTINED
    assert states["alpha"] is states["gamma"] is MemberState.ACTIVE


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(contradiction("eve"), "speaks for nobody", id="a stranger's key"),
        pytest.param(contradiction("beta", 2), "speaks for nobody", id="a key that never was"),
        pytest.param(
            ordered(contradiction("beta"), lambda c: c.realm.leave("beta")), "speaks for nobody", id="one who left"
        ),
        pytest.param(
            ordered(contradiction("beta"), lambda c: c.realm.bump("beta", 2)),
            "speaks for nobody",
            id="a key of before",
        ),
        pytest.param(ordered(contradiction("beta"), contradiction("beta")), "in quarantine already", id="once more"),
    ],
)
def test_evidence_that_comes_too_late_is_refused(chamber: Chamber, make: Make, why: str) -> None:
    tx = make(chamber)
    with pytest.raises(Overtaken, match=why):
        check(chamber, tx)


# handing over


def govern(*names: str, **changes: Any) -> Callable[[Realm], bytes]:
    def make(realm: Realm) -> bytes:
        return encode_tx(GovernTx(tuple(statement(realm, name, **changes) for name in names)))

    return make


def statement(realm: Realm, name: str, signer: str | None = None, **changes: Any) -> bytes:
    says = {"federation": realm.federation, "swarm": swarm(name), "term": 1}
    body = cbor.encode_struct(SupportStatement(**{**says, **changes}))
    return cose.seal(ContentType.SUPPORT, body, queen(signer or name), realm.federation)


@pytest.fixture
def realm() -> Realm:
    """alpha governs; beta and gamma are active, delta learns."""
    realm = Realm()
    realm.order(*(realm.join(name) for name in ("beta", "gamma", "delta")))
    realm.order(realm.promote("beta"), realm.promote("gamma"))
    return realm


def test_who_is_ready_governs_and_who_is_not_learns_again(realm: Realm) -> None:
    epoch = realm.chain.epoch
    realm.order(govern("beta")(realm))
    assert realm.chain.governed
    assert realm.chain.epoch == epoch + 1
    voters = {validator.swarm for validator in realm.chain.validators().validators}
    assert voters == {swarm("alpha"), swarm("beta")}
    states = {member.name: member.state for member in realm.chain.members()}
    assert states["gamma"] is states["delta"] is MemberState.LEARNER


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(govern("beta", signer="gamma"), "queen did not sign", id="signed by another queen"),
        pytest.param(govern("eve"), "queen did not sign", id="a stranger"),
        pytest.param(govern("beta", term=2), "queen did not sign", id="another term"),
        pytest.param(govern("delta"), "no weight", id="a learner"),
        pytest.param(govern("beta", federation=bytes(32)), "another federation", id="another federation"),
    ],
)
def test_a_support_is_refused(realm: Realm, make: Callable[[Realm], bytes], why: str) -> None:
    with pytest.raises(RemoteError, match=why):
        realm.check(make(realm))


def test_the_queens_take_over_once(chamber: Chamber) -> None:
    with pytest.raises(Overtaken, match="govern already"):
        check(chamber, encode_tx(GovernTx(())))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda r: proposal_tx(r.federation, "alpha", 1, r.now_ms)[0], id="a proposal"),
        pytest.param(lambda r: ballot_tx(r.federation, "alpha", 1, b"x"), id="a ballot"),
        pytest.param(lambda r: encode_tx(QuarantineTx(b"x", b"y")), id="evidence"),
    ],
)
def test_while_the_creator_governs_there_is_nothing_to_vote_on(realm: Realm, make: Callable[[Realm], bytes]) -> None:
    with pytest.raises(RemoteError, match="the creator of this federation governs alone"):
        realm.check(make(realm))


def test_once_the_queens_govern_the_creator_may_leave_and_approves_nobody(chamber: Chamber) -> None:
    check(chamber, chamber.realm.leave("alpha"))
    vote_only = governed_realm(["alpha", "beta"], Params(admission="vote"))
    with pytest.raises(RemoteError, match="admits by vote"):
        vote_only.check(vote_only.approve("eve"))
