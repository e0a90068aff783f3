"""Checkers of what queens sign (one-vote, vote-first, onward, bound): each kept, then broken."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chaos.checkers.bound import Bound
from chaos.checkers.one_vote import OneVote
from chaos.checkers.onward import Onward
from chaos.checkers.vote_first import VoteFirst
from consensus.bft.messages import Phase, ViewChange
from consensus.bft.safety import Record, Signed
from consensus.blocks import Block
from consensus.governance.proposals import Choice
from mesh.protocol.effects import RecordKind, Subscribe
from mesh.protocol.messages import BlockRecord, ChainBlocks
from tests.support.hand_made import Is, Persists, Releases, Rule, Steps
from tests.support.hand_made_votes import (
    CHAIN,
    HEIGHT,
    Chamber,
    Keeps,
    Says,
    ballot,
    block,
    certificate,
    core,
    mind,
    proposal,
    sent,
)
from wire import cbor
from wire.types import MessageType

(_, ASKED), (_, OTHER) = proposal(1), proposal(2)
A, B = block(ASKED), block(OTHER)
STARTS = Releases("s1", Subscribe(topic="state"))


def prepared(raw: bytes, view: int = 0, who: str = "s1") -> Signed:
    return mind(who).prepare(core(raw, view), raw)


def committed(raw: bytes, view: int = 0, *signers: str, who: str = "s1") -> Signed:
    voted = core(raw, view)
    proof = certificate(voted, *(signers or ("s1", "s2", "s3")), phase=Phase.PREPARE)
    return mind(who).commit(voted, proof, raw)


def changed(view: int, who: str = "s1", locked: bytes | None = None) -> Signed:
    """A VIEW_CHANGE, perhaps of one who is locked on a block since view 0."""
    rules = mind(who)
    if locked is not None:
        voted = core(locked)
        rules.commit(voted, certificate(voted, "s1", "s2", "s3", phase=Phase.PREPARE), locked)
    return rules.view_change(view, CHAIN.height, CHAIN.head_hash)


def begun(view: int, leader: str, *changes: Signed, locked: bytes | None = None) -> Signed:
    """A NEW_VIEW over these changes."""
    headers = tuple(cbor.decode_as(change.body, ViewChange).header for change in changes)
    rules = mind(leader)
    rules.view = view
    proof = None if locked is None else certificate(core(locked), "s1", "s2", "s3", phase=Phase.PREPARE)
    return rules.new_view(view, headers, proof, locked)


ONE_VOTE = {
    "one block in one place": Rule(
        checker=OneVote,
        good=(Says("s1", prepared(A)), Says("s1", prepared(A)), Says("s1", prepared(B, view=1))),
        bad=(Says("s1", prepared(A)), Says("s1", prepared(B))),
        said=("it says PREPARE of view 0, epoch 7 for two blocks at height 8",),
    ),
    "each phase is a place": Rule(
        checker=OneVote,
        good=(Says("s1", prepared(A)), Says("s1", committed(A)), Says("s2", prepared(B, who="s2"))),
        bad=(Says("s1", committed(A)), Says("s1", prepared(A)), Says("s1", committed(B))),
        said=("it says COMMIT of view 0, epoch 7 for two blocks at height 8",),
    ),
    "what is repeated is the same to the last byte": Rule(
        checker=OneVote,
        good=(Says("s1", changed(1)), Says("s1", changed(1)), Says("s1", changed(2))),
        bad=(Says("s1", changed(1)), Says("s1", changed(1, locked=A))),
        said=("it says VIEW_CHANGE of view 1, epoch 7 in two ways",),
    ),
    "who hands on what another said says nothing": Rule(
        checker=OneVote,
        good=(Says("s1", prepared(A, who="s2")), Says("s1", prepared(B, who="s2")), Says("s1", changed(1, "s3"))),
        bad=(Says("s2", prepared(A, who="s2")), Says("s2", prepared(B, who="s2"))),
        said=("it says PREPARE of view 0, epoch 7 for two blocks at height 8",),
    ),
    "a ballot is final": Rule(
        checker=OneVote,
        good=(
            sent("s1", MessageType.TX_SUBMIT, ballot(ASKED, "s1")),
            sent("s1", MessageType.TX_SUBMIT, ballot(ASKED, "s1")),
            sent("s1", MessageType.TX_SUBMIT, ballot(OTHER, "s1", Choice.REJECT)),
            sent("s1", MessageType.TX_SUBMIT, ballot(ASKED, "s2", Choice.REJECT)),
        ),
        bad=(
            sent("s1", MessageType.TX_SUBMIT, ballot(ASKED, "s1")),
            sent("s1", MessageType.TX_SUBMIT, ballot(ASKED, "s1", Choice.REJECT)),
        ),
        said=(f"it votes twice on proposal {proposal(1)[0].hex()[:8]}",),
    ),
    "twins have two minds, and one that was robbed": Rule(
        checker=OneVote,
        good=(Is("s1", byzantine=True), Is("s2", robbed=True), Says("s1", prepared(A)), Says("s1", prepared(B))),
        bad=(Is("s1", rotten=True), Says("s1", prepared(A)), Says("s1", prepared(B))),
        said=("it says PREPARE of view 0, epoch 7 for two blocks at height 8",),
    ),
}


def kept_as(signed: Signed, **changes: bytes | None) -> Signed:
    """The same message on another record."""
    assert signed.record is not None
    record = replace(cbor.decode_as(signed.record, Record, 1 << 22), **changes)
    return Signed(signed.message, signed.body, cbor.encode_struct(record))


CAST = ballot(ASKED, "s1")
LAST = BlockRecord(*CHAIN.blocks(CHAIN.height, 0)[0])


def page(height: int, state: bytes | None = None) -> bytes:
    """A block on disk; with the state before it, one that was leapt to."""
    block = Block(height, 0, bytes(32), 0, bytes(32), ())
    return cbor.encode_struct(BlockRecord(cbor.encode_struct(block), b"", state))


def told(height: int) -> bytes:
    return cbor.encode_struct(ChainBlocks(height=height, blocks=(LAST,)))


VOTE_FIRST = {
    "a vote is durable before it leaves": Rule(
        checker=VoteFirst,
        good=(STARTS, Keeps("s1", prepared(A)), Says("s1", prepared(A)), Says("s1", prepared(B, who="s2"))),
        bad=(STARTS, Keeps("s1", prepared(A)), Says("s1", prepared(B))),
        said=("its PREPARE leaves before it is durable",),
    ),
    "or was found on the disk": Rule(
        checker=VoteFirst,
        good=(Steps("s1", {"votes": [prepared(A).record]}), STARTS, Says("s1", prepared(A))),
        bad=(Steps("s1", {"votes": [prepared(A).record]}), STARTS, Says("s1", committed(A))),
        said=("its COMMIT leaves before it is durable",),
    ),
    "a COMMIT is kept with its block": Rule(
        checker=VoteFirst,
        good=(STARTS, Keeps("s1", committed(A))),
        bad=(STARTS, Keeps("s1", kept_as(committed(A), block=B))),
        said=("its COMMIT at height 8 is kept without its block",),
    ),
    "and with a quorum that prepared it": Rule(
        checker=VoteFirst,
        good=(STARTS, Keeps("s1", committed(A, 0, "s2", "s3", "s4"))),
        bad=(STARTS, Keeps("s1", committed(A, 0, "s2", "s3"))),
        said=(
            "its COMMIT at height 8 is kept without those who prepared it: its signers weigh 2 of 4, and 3 decide",
        ),
    ),
    "a ballot is durable before it leaves": Rule(
        checker=VoteFirst,
        good=(STARTS, Persists("s1", CAST, RecordKind.BALLOT), sent("s1", MessageType.TX_SUBMIT, CAST)),
        bad=(STARTS, sent("s1", MessageType.TX_SUBMIT, CAST)),
        said=("its ballot leaves before it is durable",),
    ),
    "blocks are durable before others hear of them": Rule(
        checker=VoteFirst,
        good=(
            STARTS,
            sent("s1", MessageType.CHAIN_BLOCKS, told(CHAIN.height)),
            Persists("s1", page(HEIGHT), RecordKind.BLOCK),
            sent("s1", MessageType.CHAIN_BLOCKS, told(HEIGHT)),
            Persists("s1", page(HEIGHT + 9, b"leapt"), RecordKind.BLOCK),
            Persists("s1", page(HEIGHT + 3), RecordKind.BLOCK),
            sent("s1", MessageType.CHAIN_BLOCKS, told(HEIGHT + 9)),
        ),
        bad=(
            STARTS,
            Persists("s1", page(HEIGHT + 1), RecordKind.BLOCK),
            sent("s1", MessageType.CHAIN_BLOCKS, told(HEIGHT)),
        ),
        said=("it speaks of block 8, and what is durable ends with 7",),
    ),
    "a beginning that is public may be handed on by who forgot it": Rule(
        checker=VoteFirst,
        good=(STARTS, Keeps("s1", begun(1, "s1", changed(1))), Says("s1", begun(1, "s1", changed(1))), STARTS),
        bad=(STARTS, Says("s1", begun(1, "s1", changed(1)))),
        said=("its NEW_VIEW leaves before it is durable",),
    ),
}

ONWARD = {
    "a view that was left is over": Rule(
        checker=Onward,
        good=(Keeps("s1", changed(1)), Keeps("s1", prepared(A, view=1)), Keeps("s1", changed(3))),
        bad=(Keeps("s1", changed(2)), Keeps("s1", prepared(A, view=1))),
        said=("it signs PREPARE in view 1 of epoch 7, and has left for view 2 of epoch 7",),
    ),
    "for who left it": Rule(
        checker=Onward,
        good=(Keeps("s2", changed(2, "s2")), Keeps("s1", prepared(A))),
        bad=(Keeps("s1", changed(2)), Keeps("s1", committed(A))),
        said=("it signs COMMIT in view 0 of epoch 7, and has left for view 2 of epoch 7",),
    ),
    "nobody votes far ahead of its chain": Rule(
        checker=Onward,
        good=(Keeps("s1", prepared(A)),),
        bad=(Steps("s1", {}, {"pages": CHAIN.all_blocks()[:-2]}), Keeps("s1", prepared(A))),
        said=("it signs PREPARE in view 0 of epoch 7 for height 8, and the next one is 6",),
    ),
}

FREE = [changed(1, who) for who in ("s1", "s2", "s3")]
TIED = [changed(1, "s1", locked=A), *FREE[1:]]
BOUND = {
    "what may be decided is proposed again": Rule(
        checker=Bound,
        good=(Says("s2", begun(1, "s2", *TIED, locked=A)), Keeps("s1", prepared(A, view=1))),
        bad=(Says("s2", begun(1, "s2", *TIED, locked=A)), Keeps("s1", prepared(B, view=1))),
        said=("it votes in view 1 of epoch 7 for another block at height 8 than the view is bound to",),
    ),
    "whoever began the view freely is free": Rule(
        checker=Bound,
        good=(Says("s2", begun(1, "s2", *FREE)), Keeps("s1", prepared(B, view=1)), Keeps("s3", prepared(A, 1, "s3"))),
        bad=(Says("s2", begun(1, "s2", *FREE[:2])), Keeps("s1", prepared(B, view=1))),
        said=("it votes in view 1 of epoch 7, which nobody began",),
    ),
    "a view has to be begun": Rule(
        checker=Bound,
        good=(Keeps("s1", prepared(A)), Keeps("s2", prepared(B, who="s2"))),
        bad=(
            Says("s2", begun(2, "s2", *(changed(2, who) for who in ("s1", "s2", "s3")))),
            Keeps("s1", prepared(A, 1)),
        ),
        said=("it votes in view 1 of epoch 7, which nobody began",),
    ),
    "what a liar began before one alone counts there": Rule(
        checker=Bound,
        good=(
            Says("s2", begun(1, "s2", *TIED, locked=A)),
            Steps("s1", {"opening": begun(1, "s2", *FREE).body}),
            Keeps("s1", prepared(B, view=1)),
        ),
        bad=(Steps("s1", {"opening": begun(1, "s2", *TIED, locked=A).body}), Keeps("s1", prepared(B, view=1))),
        said=("it votes in view 1 of epoch 7 for another block at height 8 than the view is bound to",),
    ),
    "a twin may begin a view in two ways": Rule(
        checker=Bound,
        good=(
            Says("s2", begun(1, "s2", *TIED, locked=A)),
            Says("s2", begun(1, "s2", *FREE)),
            Keeps("s1", prepared(B, view=1)),
        ),
        bad=(Keeps("s2", begun(1, "s2", *TIED, locked=A)), Keeps("s2", prepared(B, 1, "s2"))),
        said=("it votes in view 1 of epoch 7 for another block at height 8 than the view is bound to",),
    ),
}

RULES = {
    f"{rule.checker.name}: {name}": rule
    for table in (ONE_VOTE, VOTE_FIRST, ONWARD, BOUND)
    for name, rule in table.items()
}


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_keeps_the_rule_is_let_be(rule: str) -> None:
    assert Chamber(RULES[rule].checker).play(*RULES[rule].good) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_trace_that_breaks_it_is_found(rule: str) -> None:
    assert tuple(Chamber(RULES[rule].checker).play(*RULES[rule].bad)) == RULES[rule].said
