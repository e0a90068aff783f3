"""Checkers of what is decided (decided, certified, tallied, convicted, alone, prompt): each kept, then broken."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from chaos.checkers.alone import Alone
from chaos.checkers.certified import Certified
from chaos.checkers.convicted import Convicted
from chaos.checkers.decided import Decided
from chaos.checkers.prompt import Prompt
from chaos.checkers.tallied import Tallied
from consensus.bft.messages import CertificateNews, Phase
from consensus.blocks import Block, ProposalTx, decode_tx
from consensus.genesis import Params
from consensus.governance.proposals import Choice, open_proposal
from consensus.governance.standing import OpenProposal, Outcome, Standing
from consensus.governance.tally import Status, Tally
from consensus.membership import MemberState
from mesh.protocol.commands import Failure, FailureKind, MemoryPut, Propose, Success
from mesh.protocol.effects import Effect, Reply, Trace
from mesh.protocol.events import MessageReceived
from mesh.protocol.trace import TraceKind, TraceRecord
from tests.support.hand_made import Asks, Ends, Happening, Is, Releases, Rule, Stage, Steps
from tests.support.hand_made_votes import (
    CHAIN,
    FEDERATION,
    HEIGHT,
    HOMES,
    NOW_MS,
    Chamber,
    Holds,
    Keeps,
    ballot,
    block,
    certificate,
    core,
    member,
    mind,
    proposal,
    sent,
)
from wire import cbor, keys
from wire.types import Channel, MessageType

(ID, ASKED), (_, OTHER) = proposal(1), proposal(2)
A, B = block(ASKED), block(OTHER)
ALL = ("s1", "s2", "s3")


def proof(raw: bytes, *signers: str, view: int = 0, epoch: int = CHAIN.epoch) -> bytes:
    return certificate(core(raw, view, epoch), *(signers or ALL))


ASTRAY = cbor.encode_struct(replace(cbor.decode_as(A, Block, 1 << 20), prev_state_hash=bytes(32)))
DECIDED = {
    "one block at a height": Rule(
        checker=Decided,
        good=(Holds("s1", A, proof(A)), Holds("s2", A, proof(A, "s2", "s3", "s4"))),
        bad=(Holds("s1", A, proof(A)), Holds("s2", B, proof(B))),
        said=("it holds another block at height 8 than others",),
    ),
    "that may be": Rule(
        checker=Decided,
        good=(Is("s1", byzantine=True), Holds("s1", ASTRAY, proof(ASTRAY)), Holds("s2", A, proof(A))),
        bad=(Holds("s1", ASTRAY, proof(ASTRAY)),),
        said=("block 8 may not be: a block over another state than ours at its height",),
    ),
    "as long as few enough lie": Rule(
        checker=Decided,
        good=(
            Is("s3", byzantine=True), Is("s4", robbed=True), Holds("s1", A, proof(A)), Holds("s2", B, proof(B)),
        ),
        bad=(Is("s3", byzantine=True), Holds("s1", A, proof(A)), Holds("s2", B, proof(B))),
        said=("it holds another block at height 8 than others",),
    ),
}  # fmt: skip


def news(raw: bytes, *signers: str, phase: Phase = Phase.COMMIT) -> Happening:
    shown = certificate(core(raw), *signers, phase=phase)
    return sent("s1", MessageType.CERTIFICATE, cbor.encode_struct(CertificateNews(phase, shown)))


CERTIFIED = {
    "a block is certified by a quorum": Rule(
        checker=Certified,
        good=(Holds("s1", A, proof(A, "s2", "s3", "s4")),),
        bad=(Holds("s1", A, proof(A, "s2", "s3")),),
        said=("block 8 is not certified: its signers weigh 2 of 4, and 3 decide",),
    ),
    "of its epoch": Rule(
        checker=Certified,
        good=(Holds("s1", A, proof(A, view=3)),),
        bad=(Holds("s1", A, proof(A, epoch=6)),),
        said=("block 8 is not certified: it is of epoch 6, and was to be of 7",),
    ),
    "for that very block": Rule(
        checker=Certified,
        good=(Holds("s1", B, proof(B)),),
        bad=(Holds("s1", A, proof(B)),),
        said=("block 8 has the certificate of another one",),
    ),
    "by their commits": Rule(
        checker=Certified,
        good=(news(A, *ALL), news(A, *ALL, phase=Phase.PREPARE)),
        bad=(Holds("s1", A, certificate(core(A), *ALL, phase=Phase.PREPARE)),),
        said=("block 8 is not certified: bad signature on application/zenmesh.commit+cbor;v=1 for this federation",),
    ),
    "also what is handed on": Rule(
        checker=Certified,
        good=(Is("s1", byzantine=True), news(A, "s1")),
        bad=(news(A, "s1", "s4"),),
        said=("it sends a certificate for height 8 that is none: its signers weigh 2 of 4, and 3 decide",),
    ),
}


def outcome(status: Status, approve: int, reject: int = 0, height: int = HEIGHT) -> dict[str, object]:
    """The decisions of a chain that holds this one."""
    asked = open_proposal(_raw(ASKED), FEDERATION, keys.verify)[0]
    tally = Tally(approve=approve, reject=reject, abstain=0, total=4)
    closed = Outcome(proposal=asked, status=status, tally=tally, height=height, time_ms=NOW_MS)
    return {"standing": Standing(params=Params(), governed=True, outcomes={ID: closed})}


def still_open() -> dict[str, object]:
    asked = open_proposal(_raw(ASKED), FEDERATION, keys.verify)[0]
    return {
        "standing": Standing(params=Params(), governed=True, open={ID: OpenProposal(proposal=asked, height=HEIGHT)})
    }


def _raw(tx: bytes) -> bytes:
    body = decode_tx(tx)
    assert isinstance(body, ProposalTx)
    return body.proposal


FOR = [ballot(ASKED, who) for who in ALL]
YES, NO = block(ASKED, *FOR), block(ASKED, *(ballot(ASKED, who, Choice.REJECT) for who in ALL[:2]))
HEAVY = block(ASKED, ballot(ASKED, "s1", weight=100), ballot(ASKED, "s2", Choice.REJECT))
NAME = f"proposal {ID.hex()[:8]}"
TALLIED = {
    "what most approve is approved": Rule(
        checker=Tallied,
        good=(Holds("s1", YES, proof(YES), outcome(Status.APPROVED, 3)),),
        bad=(Holds("s1", YES, proof(YES), outcome(Status.REJECTED, 3)),),
        said=(
            f"{NAME} is REJECTED at block 8 (3 for it, 0 against, 0 neither, of 4), "
            "and APPROVED at block 8 (3 for it, 0 against, 0 neither, of 4) by its ballots",
        ),
    ),
    "what cannot be approved any more is rejected": Rule(
        checker=Tallied,
        good=(Holds("s1", NO, proof(NO), outcome(Status.REJECTED, 0, 2)),),
        bad=(Holds("s1", NO, proof(NO), still_open()),),
        said=(f"{NAME} is open, and REJECTED by its ballots",),
    ),
    "a ballot weighs what its voter does": Rule(
        checker=Tallied,
        good=(Holds("s1", HEAVY, proof(HEAVY), still_open()),),
        bad=(Holds("s1", HEAVY, proof(HEAVY), outcome(Status.APPROVED, 100, 1)),),
        said=(f"{NAME} is APPROVED at block 8 (100 for it, 1 against, 0 neither, of 4), and open by its ballots",),
    ),
    "a tally is right to the last weight": Rule(
        checker=Tallied,
        good=(Is("s1", byzantine=True), Holds("s1", YES, proof(YES), outcome(Status.APPROVED, 4))),
        bad=(Holds("s1", YES, proof(YES), outcome(Status.APPROVED, 4)),),
        said=(
            f"{NAME} is APPROVED at block 8 (4 for it, 0 against, 0 neither, of 4), "
            "and APPROVED at block 8 (3 for it, 0 against, 0 neither, of 4) by its ballots",
        ),
    ),
}


def standing_of(name: str, state: MemberState) -> dict[str, object]:
    return {"states": [member(name, state)]}


def noted(kind: TraceKind, **fields: str) -> Effect:
    return Trace(record=TraceRecord(kind=kind, fields=fields))


EVIDENCE = Releases("s1", noted(TraceKind.EQUIVOCATION, swarm="s2"))
BEFORE = dataclasses.replace(HOMES["s2"], queen=keys.SigningKey(bytes(32)))  # another key has the vote of s2
PARDONED = (
    Is("s2", byzantine=True),
    EVIDENCE,
    Holds("s1", A, proof(A), standing_of("s2", MemberState.QUARANTINED)),
    Holds("s1", A, proof(A), standing_of("s2", MemberState.ACTIVE)),
)
CONVICTED = {
    "nobody honest is in quarantine": Rule(
        checker=Convicted,
        good=(
            Is("s2", byzantine=True),
            Holds("s1", A, proof(A), standing_of("s2", MemberState.QUARANTINED)),
            Holds("s3", A, proof(A), standing_of("s1", MemberState.EXPELLED)),
        ),
        bad=(
            Holds("s1", A, proof(A), standing_of("s2", MemberState.QUARANTINED)),
            Holds("s3", A, proof(A), standing_of("s2", MemberState.QUARANTINED)),
        ),
        said=("s2, which is honest, is in quarantine",),
    ),
    "who contradicted itself is": Rule(
        checker=Convicted,
        good=(Is("s2", byzantine=True), EVIDENCE, Ends("s3", "s4")),
        bad=(Is("s2", byzantine=True), EVIDENCE, Ends("s1", "s3", "s4")),
        said=("s2 contradicted itself before s1, and still has a vote",),
    ),
    "but not for what the queen before it said": Rule(
        checker=Convicted,
        good=(Is("s2", byzantine=True, home=BEFORE), EVIDENCE, Ends("s1", "s3", "s4")),
        bad=(Is("s2", byzantine=True), EVIDENCE, Ends("s1", "s3", "s4")),
        said=("s2 contradicted itself before s1, and still has a vote",),
    ),
    "evidence is of use once, and what is said after a pardon is new": Rule(
        checker=Convicted,
        good=(*PARDONED, Ends("s1", "s3", "s4")),
        bad=(*PARDONED, EVIDENCE, Ends("s1", "s3", "s4")),
        said=("s2 contradicted itself before s1, and still has a vote",),
    ),
    "nor is what is seen of who is in quarantine": Rule(
        checker=Convicted,
        good=(*PARDONED[:-1], EVIDENCE, PARDONED[-1], Ends("s1", "s3", "s4")),
        bad=(*PARDONED[:1], EVIDENCE, PARDONED[-1], Ends("s1", "s3", "s4")),
        said=("s2 contradicted itself before s1, and still has a vote",),
    ),
}

PROPOSAL = Propose(subject="PRIORITY_CHANGE", action="set_priority", details={})
DONE, REFUSED = Success(), Failure(kind=FailureKind.NO_QUORUM, message="alone")


@dataclass(frozen=True, slots=True)
class Hears:
    """A host handled a message of another one, at a time in seconds."""

    host: str
    source: str
    at_s: float

    def shown(self, stage: Stage) -> Iterator[str]:
        stage.world.now = int(self.at_s * 1e6)
        event = MessageReceived(peer=HOMES[self.source].peer, channel=Channel.PRIORITY, message=b"")
        return stage.checker.stepped(stage.world, stage.process(self.host), event)


def answered(outcome: Success | Failure) -> Happening:
    return Releases("s1", Reply(request_id=1, outcome=outcome))


ALONE = {
    "yes is said in reach of a quorum": Rule(
        checker=Alone,
        good=(Hears("s1", "s2", 1), Hears("s1", "s3", 2), Asks("s1", 1, PROPOSAL), answered(DONE)),
        bad=(Hears("s1", "s2", 1), Asks("s1", 1, PROPOSAL), answered(DONE)),
        said=("it answers propose with yes, and 2 of 4 weight is in its reach",),
    ),
    "of those who were heard lately": Rule(
        checker=Alone,
        good=(Hears("s1", "s2", 1), Hears("s1", "s3", 5.9), Asks("s1", 1, PROPOSAL), answered(DONE)),
        bad=(Hears("s1", "s2", 1), Hears("s1", "s3", 6.1), Asks("s1", 1, PROPOSAL), answered(DONE)),
        said=("it answers propose with yes, and 2 of 4 weight is in its reach",),
    ),
    "of a moment between question and answer": Rule(
        checker=Alone,
        good=(
            Hears("s1", "s2", 1), Hears("s1", "s3", 1), Asks("s1", 1, PROPOSAL), Hears("s1", "s2", 9), answered(DONE),
        ),
        bad=(
            Hears("s1", "s2", 1), Hears("s1", "s3", 1), Hears("s1", "s2", 9), Asks("s1", 1, PROPOSAL), answered(DONE),
        ),
        said=("it answers propose with yes, and 2 of 4 weight is in its reach",),
    ),
    "who is alone says no, and writes": Rule(
        checker=Alone,
        good=(
            Asks("s1", 1, PROPOSAL), answered(REFUSED), Asks("s1", 1, MemoryPut(key="k", value=b"1")), answered(DONE),
        ),
        bad=(Asks("s1", 1, PROPOSAL), answered(DONE)),
        said=("it answers propose with yes, and 1 of 4 weight is in its reach",),
    ),
}  # fmt: skip


def gives_up(host: str, patience_us: int) -> Happening:
    fields = {"step": "view_left", "detail": f"{patience_us} us"}
    return Releases(host, noted(TraceKind.CONSENSUS, **fields))


CHANGE = Keeps("s1", mind("s1").view_change(1, CHAIN.height, CHAIN.head_hash))
PROMPT = {
    "what was submitted is decided": Rule(
        checker=Prompt,
        good=(Steps("s1", {"submitted": 1}), Ends("s1", "s2")),
        bad=(Steps("s1", {"submitted": 1}), Ends("s1", "s2", "s3")),
        said=("s1 waits for 1 transactions of its own, though a quorum is connected",),
    ),
    "what was proposed is closed": Rule(
        checker=Prompt,
        good=(Is("s4", rotten=True), Steps("s1", {}, still_open()), Ends("s1", "s2", "s4")),
        bad=(Steps("s1", {}, still_open()), Ends("s1", "s2", "s4")),
        said=(f"s1 waits for {NAME} (set_priority), though a quorum is connected",),
    ),
    "a view gets twice as long as the one before it": Rule(
        checker=Prompt,
        good=(CHANGE, gives_up("s1", 2_000_000), CHANGE, gives_up("s1", 4_000_000)),
        bad=(CHANGE, gives_up("s1", 4_000_000)),
        said=("it gives the next view 4 s, though 1 failed since the last decision",),
    ),
}

TABLES = (DECIDED, CERTIFIED, TALLIED, CONVICTED, ALONE, PROMPT)
RULES = {f"{rule.checker.name}: {name}": rule for table in TABLES for name, rule in table.items()}


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_keeps_the_rule_is_let_be(rule: str) -> None:
    assert Chamber(RULES[rule].checker).play(*RULES[rule].good) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_breaks_it_is_found(rule: str) -> None:
    assert tuple(Chamber(RULES[rule].checker).play(*RULES[rule].bad)) == RULES[rule].said
