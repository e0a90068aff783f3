"""Evidence: which two statements of one key convict it, and which only look odd."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.bft.messages import ViewChangeHeader
from consensus.blocks import Core
from consensus.evidence import MAX_STATEMENT, VOTES, convicted
from consensus.governance.proposals import BallotBody, Choice
from crdt.batch import Header
from tests.support.realm import queen, swarm
from wire import cbor, cose, keys
from wire.errors import BadSignature, DecodeError, ProtocolViolation, RemoteError
from wire.ids import sha256
from wire.types import ContentType

FEDERATION = sha256(b"federation")
KEY = queen("beta")
ONE, OTHER = sha256(b"a block"), sha256(b"another block")


def sealed(kind: ContentType, payload: bytes, key: keys.SigningKey = KEY, federation: bytes = FEDERATION) -> bytes:
    return cose.seal(kind, payload, key, federation)


def vote(kind: ContentType = ContentType.PREPARE, key: keys.SigningKey = KEY, **changes: Any) -> bytes:
    says = {"federation": FEDERATION, "epoch": 3, "view": 2, "height": 9, "block_hash": ONE}
    return sealed(kind, cbor.encode_struct(Core(**{**says, **changes})), key)


def change(key: keys.SigningKey = KEY, **changes: Any) -> bytes:
    """A change of view after a COMMIT in view 2 at height 9, that says nothing was locked there."""
    says = {
        "federation": FEDERATION,
        "epoch": 3,
        "new_view": 4,
        "committed_height": 8,
        "committed_hash": bytes(32),
        "prepared_view": -1,
        "prepared_hash": bytes(32),
    }
    return sealed(ContentType.VIEW_CHANGE, cbor.encode_struct(ViewChangeHeader(**{**says, **changes})), key)


def ballot(key: keys.SigningKey = KEY, **changes: Any) -> bytes:
    says = {
        "federation": FEDERATION,
        "proposal": bytes(16),
        "proposal_hash": ONE,
        "voter": swarm("beta"),
        "term": 1,
        "choice": Choice.APPROVE,
        "weight": 1,
        "reasoning": "",
    }
    return sealed(ContentType.BALLOT, cbor.encode_struct(BallotBody(**{**says, **changes})), key)


def batch(name: str = "beta", term: int = 1, seq: int = 4, ops: bytes = ONE) -> bytes:
    """The header of a batch of an owner log."""
    header = Header(FEDERATION, swarm(name), term, seq, bytes(32), 7, ops, bytes(32))
    return sealed(ContentType.BATCH, cbor.encode_struct(header))


COMMIT = ContentType.COMMIT

GUILTY = [
    *(pytest.param(vote(kind), vote(kind, block_hash=OTHER), id=f"two {kind}") for kind in VOTES),
    pytest.param(vote(COMMIT), change(), id="a COMMIT, then nothing locked"),
    pytest.param(vote(COMMIT), change(prepared_view=1), id="a COMMIT, then only an earlier lock"),
    pytest.param(vote(COMMIT), change(new_view=3), id="a COMMIT, denied in the very next view"),
    pytest.param(ballot(), ballot(choice=Choice.REJECT), id="two choices"),
    pytest.param(batch(), batch(ops=OTHER), id="two batches with one number"),
]

ELSEWHERE: dict[str, dict[str, Any]] = {
    "the same twice": {},
    "another view": {"view": 3, "block_hash": OTHER},
    "another height": {"height": 10, "block_hash": OTHER},
    "another epoch": {"epoch": 4, "block_hash": OTHER},
    "another federation": {"federation": bytes(32), "block_hash": OTHER},
}

INNOCENT = [
    *(
        pytest.param(vote(kind), vote(kind, **changes), id=f"{kind}, {what}")
        for kind in VOTES
        for what, changes in ELSEWHERE.items()
    ),
    *(
        pytest.param(vote(one), vote(two, block_hash=OTHER), id=f"{one} and {two}")
        for one in VOTES
        for two in VOTES
        if one is not two
    ),
    pytest.param(vote(COMMIT), change(prepared_view=2), id="a COMMIT, then its lock"),
    pytest.param(vote(COMMIT), change(prepared_view=3), id="a COMMIT, then a later lock"),
    pytest.param(vote(COMMIT), change(new_view=2), id="a change to the view in which it commits later"),
    pytest.param(vote(COMMIT), change(new_view=1), id="a change to an earlier view"),
    pytest.param(vote(COMMIT), change(committed_height=9), id="a COMMIT on what is decided by then"),
    pytest.param(vote(COMMIT), change(committed_height=7), id="a change from before that height"),
    pytest.param(vote(COMMIT), change(epoch=4), id="a change in another epoch"),
    pytest.param(vote(), change(), id="a PREPARE locks nothing"),
    pytest.param(change(), change(new_view=5), id="two changes of view"),
    pytest.param(ballot(), ballot(), id="a ballot twice"),
    pytest.param(ballot(), ballot(reasoning="because", weight=7), id="a ballot in other words"),
    pytest.param(ballot(), ballot(choice=Choice.REJECT, term=2), id="ballots of two terms"),
    pytest.param(ballot(), ballot(proposal_hash=OTHER), id="ballots on two proposals under one id"),
    pytest.param(ballot(), ballot(choice=Choice.REJECT, proposal_hash=OTHER), id="the same, with two choices"),
    pytest.param(ballot(), ballot(choice=Choice.REJECT, proposal=b"p" * 16), id="ballots on two proposals"),
    pytest.param(ballot(), ballot(choice=Choice.REJECT, voter=swarm("eve")), id="ballots for two swarms"),
    pytest.param(batch(), batch(), id="a batch twice"),
    pytest.param(batch(), batch(seq=5, ops=OTHER), id="batches one after the other"),
    pytest.param(batch(), batch(term=2, ops=OTHER), id="batches of two terms"),
    pytest.param(batch(), batch(name="eve", ops=OTHER), id="batches of two swarms"),
    pytest.param(sealed(ContentType.BATCH, cbor.encode({})), batch(), id="a batch that is none"),
    pytest.param(batch(), sealed(ContentType.BATCH, cbor.encode(7)), id="another that is none"),
    pytest.param(sealed(ContentType.LEAVE, b"x"), sealed(ContentType.LEAVE, b"y"), id="what nobody is judged by"),
]


@pytest.mark.parametrize(("first", "second"), GUILTY)
def test_two_statements_that_no_honest_queen_signs_both_name_their_key(first: bytes, second: bytes) -> None:
    assert convicted(first, second, FEDERATION, keys.verify) == KEY.public


@pytest.mark.parametrize(("first", "second"), INNOCENT)
def test_two_statements_that_an_honest_queen_may_sign_convict_nobody(first: bytes, second: bytes) -> None:
    for one, two in ((first, second), (second, first)):
        with pytest.raises(ProtocolViolation, match="may well sign both"):
            convicted(one, two, FEDERATION, keys.verify)


def tampered(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        pytest.param(vote(), vote(key=queen("eve"), block_hash=OTHER), ProtocolViolation, id="of two keys"),
        pytest.param(tampered(vote()), vote(block_hash=OTHER), BadSignature, id="the first forged"),
        pytest.param(vote(), tampered(vote(block_hash=OTHER)), BadSignature, id="the second forged"),
        pytest.param(b"\xff", vote(), DecodeError, id="no envelope"),
        pytest.param(vote(), b"\xff", DecodeError, id="another one that is none"),
        pytest.param(sealed(COMMIT, b"\xff"), sealed(COMMIT, b"\xfe"), DecodeError, id="votes that nobody can read"),
        pytest.param(sealed(COMMIT, bytes(MAX_STATEMENT)), vote(COMMIT), DecodeError, id="too large"),
        pytest.param(
            sealed(COMMIT, b"x", federation=bytes(32)), vote(COMMIT), BadSignature, id="signed in another federation"
        ),
    ],
)
def test_what_proves_nothing_is_refused(first: bytes, second: bytes, kind: type[RemoteError]) -> None:
    with pytest.raises(kind):
        convicted(first, second, FEDERATION, keys.verify)
