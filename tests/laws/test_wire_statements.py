"""Signed statements of every content type, read as nodes read them: hostile bytes raise RemoteError and nothing else.

Four kinds of hostility: noise; a good statement with a few bytes changed; well-formed nonsense that the rightful key
signed itself; and a good statement under the name of another type, or made for another federation.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.accusations import Accusation, open_accusation
from consensus.bft import messages as bft
from consensus.bft.viewchange import Elections
from consensus.blocks import (
    BallotTx,
    Certificate,
    Core,
    FailoverStatement,
    FailoverTx,
    GovernTx,
    LeaveStatement,
    LeaveTx,
    PromoteStatement,
    PromoteTx,
    ProposalTx,
    SupportStatement,
    TermBumpStatement,
    TermBumpTx,
    TxBody,
    block_hash,
    encode_tx,
    join_tx,
    open_certificate,
    support,
)
from consensus.certificates import Backup, make_member_cert, parse_member_cert
from consensus.chain import Chain
from consensus.genesis import parse_genesis
from consensus.governance.proposals import BallotBody, Choice, ProposalBody, Subject, seal_proposal
from consensus.membership import MemberState
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.succession import fail_over
from consensus.takeover import draft
from consensus.validators import Validator, ValidatorSet
from consensus.view import View
from crdt import batch
from mesh.protocol.messages import Capabilities, Discovery, Heartbeat
from tests.support.protocol_examples import CREATED_MS, JOINER_NODE, JOINER_QUEEN, JOINER_ROOT, QUEEN, ROOT, YEAR_MS
from tests.support.replicas import flipped, rebuilt
from tests.support.vectors.scene import STAMP, SWARM, genesis, raw, ticket, written
from wire import cbor, cose, keys
from wire.errors import RemoteError
from wire.ids import peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey
from wire.types import REGISTRY, ContentType, MessageType

FEDERATION = genesis().federation_id
JOINER = swarm_id_of(JOINER_ROOT.public)
NOW_MS = CREATED_MS + 1_000
CERTIFICATE = raw("ticket", "certificate of the joiner")
STRUCTURED = [kind for kind in ContentType if kind is not ContentType.JOIN]  # a JOIN is a bare hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A good statement: who seals which payload for whom, and what reads it."""

    key: SigningKey
    payload: bytes
    read: Callable[[bytes], object]
    federation: bytes = FEDERATION

    def sealed(self, kind: ContentType, payload: bytes | None = None, federation: bytes | None = None) -> bytes:
        """It, or something else that its key signed."""
        body = self.payload if payload is None else payload
        return cose.seal(kind, body, self.key, self.federation if federation is None else federation)


@cache
def chain(height: int) -> Chain:
    """The founder alone; and with a learner."""
    grown = Chain.from_genesis(genesis().raw)
    if height:
        grown.append(raw("block", "block 1"), raw("block", "commit certificate of block 1"))
    return grown


def in_block(height: int, made: Callable[[bytes], bytes | TxBody]) -> Callable[[bytes], object]:
    """Reads a statement as part of a transaction of the next block."""

    def read(envelope: bytes) -> None:
        tx = made(envelope)
        chain(height).check_transaction(tx if isinstance(tx, bytes) else encode_tx(tx), NOW_MS + 1)

    return read


def announced(code: MessageType, kind: ContentType, body: type[Any]) -> Callable[[bytes], object]:
    """Reads an announcement."""

    def read(envelope: bytes) -> object:
        opened = cose.open_as(envelope, kind, FEDERATION, limit=REGISTRY[code].limit)
        return cbor.decode_as(opened.payload, body)

    return read


def read_header(envelope: bytes) -> None:
    batch.verify_header(batch.parse_header(envelope), FEDERATION, QUEEN.public, keys.verify)


def read_commit(envelope: bytes) -> None:
    """A certificate holds the payload and the signature alone."""
    commit = cose.open_as(envelope, ContentType.COMMIT, FEDERATION, limit=1024)
    certificate = cbor.encode_struct(Certificate(commit.payload, b"\1", (commit.signature,)))
    open_certificate(certificate, [QUEEN.public], FEDERATION, keys.verify)


def read_takeover(envelope: bytes) -> None:
    """In the certificate of a block by which the founder, alone, takes over from itself."""
    signed = cose.open_as(envelope, ContentType.TAKEOVER, FEDERATION, limit=1024)
    block = draft(chain(0), {SWARM: SUPPORT})
    certificate = cbor.encode_struct(Certificate(signed.payload, b"\1", (signed.signature,)))
    chain(0).copy(keys.verify).append(block, certificate)


def second_certificate(backups: tuple[Backup, ...] = ()) -> bytes:
    return make_member_cert(
        federation=FEDERATION,
        name="beta",
        project="search",
        root=JOINER_ROOT,
        term=2,
        queen_key=JOINER_QUEEN.public,
        peer=peer_id_of(JOINER_NODE.public),
        not_after_ms=CREATED_MS + YEAR_MS,
        backups=backups,
    )


def read_failover(envelope: bytes) -> None:
    """The joiner is suspended in its second term; its node key is that of a backup."""
    backup = Backup(JOINER_NODE.public, peer_id_of(QUEEN.public), 0, CREATED_MS + YEAR_MS)
    cert = parse_member_cert(second_certificate((backup,)), FEDERATION)
    membership = two().state.membership.bump(cert, (0, bytes(32))).put(JOINER, MemberState.SUSPENDED)
    view = View(
        genesis=genesis(),
        membership=membership,
        standing=governed().standing,
        voters=VOTERS,
        height=3,
        time_ms=NOW_MS,
        block_hash_at=lambda height: None,
        verify=keys.verify,
    )
    fail_over(view, FailoverTx(envelope, ()))


def payload_of(envelope: bytes) -> bytes:
    return cose.parse(envelope).payload


def body(value: Any) -> bytes:
    return cbor.encode_struct(value)


@cache
def two() -> Chain:
    """The founder and a member with its weight."""
    grown = chain(1).copy(keys.verify)
    grown.append(*grown.propose([raw("block", "transaction of block 2")], NOW_MS + 2, QUEEN))
    return grown


@cache
def governed() -> Chain:
    """The founder alone, governing as the only queen."""
    grown = chain(0).copy(keys.verify)
    grown.append(*grown.propose([encode_tx(GovernTx(()))], NOW_MS + 3, QUEEN))
    return grown


def read_ballot(envelope: bytes) -> None:
    """On a proposal that is in the same block."""
    step = governed().next_step(NOW_MS + 4)
    step.transact(encode_tx(ProposalTx(PROPOSAL)))
    step.transact(encode_tx(BallotTx(envelope)))


def read_vote(phase: bft.Phase) -> Callable[[bytes], object]:
    """Votes travel as core and signature; the key is the voter's."""

    def read(envelope: bytes) -> None:
        vote = cose.open_as(envelope, bft.CONTENT[phase], FEDERATION, limit=1024)
        core = bft.open_core(vote.payload, FEDERATION)
        bft.check_vote(phase, body(core), QUEEN.public, vote.signature, FEDERATION, keys.verify)

    return read


def elections() -> Elections:
    """Among the founder alone, in epoch 0."""
    return Elections(chain(0).validators(), FEDERATION, keys.verify)


CORE = Core(FEDERATION, 0, 0, 1, chain(1).head_hash)
PROPOSAL = seal_proposal(
    ProposalBody(
        FEDERATION,
        bytes(16),
        SWARM,
        1,
        Subject.PRIORITY_CHANGE,
        "set_priority",
        cbor.encode({"kind": "task", "target": "t", "priority": "high"}),
        NOW_MS,
        NOW_MS + 60_000,
    ),
    QUEEN,
)
CHANGE = cose.seal(
    ContentType.VIEW_CHANGE,
    body(bft.ViewChangeHeader(FEDERATION, 0, 1, 0, FEDERATION, -1, bytes(32))),
    QUEEN,
    FEDERATION,
)
SUPPORT = support(FEDERATION, SWARM, 1, QUEEN)
GRANT, JOIN = ticket().grant, raw("ticket", "join")
HEAD = chain(1).head_hash
HEARTBEAT = Heartbeat(FEDERATION, 0, SWARM, 1, 0, 3, STAMP, 2, 0, HEAD, HEAD, 125)
DISCOVERY = Discovery(SWARM, 1, "shop", (), Capabilities(), NOW_MS)

VOTERS = ValidatorSet(
    2,
    (
        Validator(swarm=SWARM, term=1, key=QUEEN.public, weight=1),
        Validator(swarm=JOINER, term=1, key=JOINER_QUEEN.public, weight=1),
    ),
    QuorumRule(QuorumSetting.AUTO, 2),
)

STATEMENTS: dict[ContentType, Statement] = {
    ContentType.GENESIS: Statement(
        key=ROOT, federation=cose.GENESIS, payload=payload_of(genesis().raw), read=parse_genesis
    ),
    ContentType.MEMBER_CERT: Statement(
        key=JOINER_ROOT, payload=payload_of(CERTIFICATE), read=lambda one: parse_member_cert(one, FEDERATION)
    ),
    ContentType.TICKET: Statement(
        key=QUEEN, payload=payload_of(GRANT), read=in_block(0, lambda one: join_tx(one, CERTIFICATE, JOIN))
    ),
    ContentType.JOIN: Statement(
        key=ticket().key, payload=sha256(CERTIFICATE), read=in_block(0, lambda one: join_tx(GRANT, CERTIFICATE, one))
    ),
    ContentType.PROMOTE: Statement(
        key=JOINER_QUEEN,
        payload=body(PromoteStatement(FEDERATION, JOINER, 1, HEAD)),
        read=in_block(1, lambda one: PromoteTx(JOINER, one)),
    ),
    ContentType.TERM_BUMP: Statement(
        key=JOINER_QUEEN,
        payload=body(TermBumpStatement(FEDERATION, second_certificate(), 0, bytes(32))),
        read=in_block(1, TermBumpTx),
    ),
    ContentType.LEAVE: Statement(
        key=JOINER_QUEEN, payload=body(LeaveStatement(FEDERATION, JOINER, 1)), read=in_block(1, LeaveTx)
    ),
    ContentType.FAILOVER: Statement(
        key=JOINER_NODE,
        payload=body(FailoverStatement(FEDERATION, JOINER, 3, 0, bytes(32), NOW_MS)),
        read=read_failover,
    ),
    ContentType.COMMIT: Statement(key=QUEEN, payload=body(Core(FEDERATION, 0, 0, 1, HEAD)), read=read_commit),
    ContentType.SUPPORT: Statement(
        key=JOINER_QUEEN,
        payload=body(SupportStatement(FEDERATION, JOINER, 1)),
        read=lambda one: two().check_transaction(encode_tx(GovernTx((one,))), NOW_MS + 3),
    ),
    ContentType.TAKEOVER: Statement(
        key=ROOT,
        payload=body(chain(0).core(block_hash(draft(chain(0), {SWARM: SUPPORT})), view=0)),
        read=read_takeover,
    ),
    ContentType.PROPOSAL: Statement(
        key=QUEEN,
        payload=cose.parse(PROPOSAL).payload,
        read=lambda one: governed().check_transaction(encode_tx(ProposalTx(one)), NOW_MS + 4),
    ),
    ContentType.BALLOT: Statement(
        key=QUEEN,
        payload=body(BallotBody(FEDERATION, bytes(16), sha256(PROPOSAL), SWARM, 1, Choice.APPROVE, 1, "")),
        read=read_ballot,
    ),
    ContentType.PRE_PREPARE: Statement(key=QUEEN, payload=body(CORE), read=read_vote(bft.Phase.PRE_PREPARE)),
    ContentType.PREPARE: Statement(key=QUEEN, payload=body(CORE), read=read_vote(bft.Phase.PREPARE)),
    ContentType.VIEW_CHANGE: Statement(
        key=QUEEN,
        payload=body(bft.ViewChangeHeader(FEDERATION, 0, 1, 0, FEDERATION, -1, bytes(32))),
        read=lambda one: elections().read(bft.ViewChange(one, None, None)),
    ),
    ContentType.NEW_VIEW: Statement(
        key=QUEEN,
        payload=body(bft.NewViewHeader(FEDERATION, 0, 1, bft.hash_of_changes((CHANGE,)))),
        read=lambda one: elections().open(bft.NewView(one, (CHANGE,), None, None)),
    ),
    ContentType.ACCUSE: Statement(
        key=QUEEN,
        payload=body(Accusation(FEDERATION, 2, SWARM, JOINER, 1, 0, 3, HEAD, NOW_MS)),
        read=lambda one: open_accusation(one, VOTERS, FEDERATION, keys.verify),
    ),
    ContentType.BATCH: Statement(key=QUEEN, payload=written()[1][0].signed.envelope.payload, read=read_header),
    ContentType.HEARTBEAT: Statement(
        key=QUEEN,
        payload=body(HEARTBEAT),
        read=announced(MessageType.HEARTBEAT, ContentType.HEARTBEAT, Heartbeat),
    ),
    ContentType.DISCOVERY: Statement(
        key=QUEEN,
        payload=body(DISCOVERY),
        read=announced(MessageType.DISCOVERY, ContentType.DISCOVERY, Discovery),
    ),
}
every_type = pytest.mark.parametrize("kind", list(ContentType), ids=lambda kind: kind.name)


@every_type
def test_a_good_statement_is_read(kind: ContentType) -> None:
    STATEMENTS[kind].read(STATEMENTS[kind].sealed(kind))


@every_type
@given(noise=st.binary(max_size=200))
def test_noise_is_refused(kind: ContentType, noise: bytes) -> None:
    for envelope in (noise, b"\xd2\x84" + noise):
        with pytest.raises(RemoteError):
            STATEMENTS[kind].read(envelope)


@every_type
@given(data=st.data())
def test_a_changed_statement_is_refused(kind: ContentType, data: st.DataObject) -> None:
    good = STATEMENTS[kind].sealed(kind)
    changed = data.draw(flipped(good))
    if changed != good:
        with pytest.raises(RemoteError):
            STATEMENTS[kind].read(changed)


@every_type
@given(data=st.data())
def test_what_the_rightful_key_signs_is_read_or_refused(kind: ContentType, data: st.DataObject) -> None:
    good = STATEMENTS[kind].payload
    payload = data.draw(flipped(good) | st.binary(max_size=100))
    with suppress(RemoteError):
        STATEMENTS[kind].read(STATEMENTS[kind].sealed(kind, payload))


@pytest.mark.parametrize("kind", STRUCTURED, ids=lambda kind: kind.name)
@given(data=st.data())
def test_nonsense_that_the_rightful_key_signs_is_read_or_refused(kind: ContentType, data: st.DataObject) -> None:
    payload = data.draw(rebuilt(STATEMENTS[kind].payload))
    with suppress(RemoteError):
        STATEMENTS[kind].read(STATEMENTS[kind].sealed(kind, payload))


SWAPPED = [(kind, other) for kind in ContentType for other in ContentType if kind is not other]


@pytest.mark.parametrize(("kind", "other"), SWAPPED, ids=[f"{one.name} as {other.name}" for one, other in SWAPPED])
def test_no_statement_passes_for_one_of_another_type(kind: ContentType, other: ContentType) -> None:
    with pytest.raises(RemoteError):
        STATEMENTS[kind].read(STATEMENTS[kind].sealed(other))


@every_type
def test_a_statement_is_for_one_federation(kind: ContentType) -> None:
    statement = STATEMENTS[kind]
    for federation in {b"o" * 32, cose.GENESIS, FEDERATION} - {statement.federation}:
        with pytest.raises(RemoteError):
            statement.read(statement.sealed(kind, federation=federation))


# Of an announcement the signer is who it says; whether that is the swarm's queen is for the chain to say.
OF_ONE_KEY = [kind for kind in ContentType if kind not in (ContentType.HEARTBEAT, ContentType.DISCOVERY)]


@pytest.mark.parametrize("kind", OF_ONE_KEY, ids=lambda kind: kind.name)
def test_a_statement_of_another_key_is_refused(kind: ContentType) -> None:
    statement = STATEMENTS[kind]
    with pytest.raises(RemoteError):
        statement.read(cose.seal(kind, statement.payload, SigningKey(b"z" * 32), statement.federation))
