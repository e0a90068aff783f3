"""Checkers of what nodes hold (agreement, authentic, monotone, one-chain, once, punctual): each kept, then broken."""

from __future__ import annotations

import pytest

from chaos.checkers.agreement import Agreement
from chaos.checkers.authenticity import Authentic
from chaos.checkers.membership import OneChain
from chaos.checkers.monotone import Monotone
from chaos.checkers.once import Once
from chaos.checkers.punctual import Punctual
from crdt.owner_log import Flag
from mesh.protocol.effects import RecordKind
from tests.support.hand_made import Holds, Is, Persists, Restarts, Rule, Stage, Steps, batch_of, row, served
from wire.ids import sha256
from wire.time import hlc_of

AGREEMENT = {
    "who holds the same batch holds the same state": Rule(
        checker=Agreement,
        good=(Holds("s1", row("s2", 4)), Holds("s3", row("s2", 4)), Holds("s3", row("s2", 5, "next", root="later"))),
        bad=(Holds("s1", row("s2", 4)), Holds("s3", row("s2", 4, root="another"))),
        said=("the log of s2 up to 4 leads to two states",),
    ),
    "even where the owner is a liar": Rule(
        checker=Agreement,
        good=(Is("s2", byzantine=True), Holds("s1", row("s2", 4)), Holds("s3", row("s2", 4))),
        bad=(Is("s2", byzantine=True), Holds("s1", row("s2", 4)), Holds("s3", row("s2", 4, root="another"))),
        said=("the log of s2 up to 4 leads to two states",),
    ),
    "an honest owner writes one batch with a number": Rule(
        checker=Agreement,
        good=(Is("s2", byzantine=True), Holds("s1", row("s2", 4, "one")), Holds("s3", row("s2", 4, "other"))),
        bad=(Holds("s1", row("s2", 4, "one")), Holds("s3", row("s2", 4, "other"))),
        said=("s2 wrote two batches with number 4",),
    ),
    "also where nobody else had the first": Rule(
        checker=Agreement,
        good=(Is("s2", robbed=True), Holds("s2", row("s2", 4, "one")), Holds("s2", row("s2", 4, "other"))),
        bad=(Holds("s2", row("s2", 4, "one")), Restarts("s2"), Holds("s2", row("s2", 4, "other"))),
        said=("s2 wrote two batches with number 4",),
    ),
    "what rotted before anybody else had it may be written anew": Rule(
        checker=Agreement,
        good=(Is("s2", rotten=True), Holds("s2", row("s2", 4, "one")), Holds("s2", row("s2", 4, "other"))),
        bad=(Is("s2", rotten=True), Holds("s1", row("s2", 4, "one")), Holds("s2", row("s2", 4, "other"))),
        said=("s2 wrote two batches with number 4",),
    ),
    "written anew it is the one there is": Rule(
        checker=Agreement,
        good=(
            Is("s2", rotten=True),
            Holds("s2", row("s2", 4, "one")),
            Holds("s2", row("s2", 4, "other")),
            Holds("s1", row("s2", 4, "other")),
        ),
        bad=(
            Is("s2", rotten=True),
            Holds("s2", row("s2", 4, "one")),
            Holds("s2", row("s2", 4, "other")),
            Holds("s1", row("s2", 4, "other")),
            Holds("s3", row("s2", 4, "one")),
        ),
        said=("s2 wrote two batches with number 4",),
    ),
    "an honest log is never marked as forked": Rule(
        checker=Agreement,
        good=(Is("s2", robbed=True), Holds("s1", row("s2", 4, flag=Flag.FORKED))),
        bad=(Holds("s1", row("s2", 4, flag=Flag.FORKED)), Holds("s1", row("s2", 4, flag=Flag.FORKED))),
        said=("the log of s2, which never forked, is marked as forked",),  # said once, though shown twice
    ),
    "a fork has no state to agree on": Rule(
        checker=Agreement,
        good=(
            Is("s2", byzantine=True),
            Holds("s1", row("s2", 4, flag=Flag.FORKED)),
            Holds("s3", row("s2", 4, root="another", flag=Flag.FORKED)),
        ),
        bad=(
            Is("s2", byzantine=True),
            Holds("s1", row("s2", 4)),
            Holds("s3", row("s2", 4, root="another", flag=Flag.FORKED)),
            Holds("s3", row("s2", 4, root="another")),
        ),
        said=("the log of s2 up to 4 leads to two states",),
    ),
}

FORGED = batch_of("s2", 4, by="s3")
HONEST = batch_of("s2", 4)
FOREIGN = batch_of("s2", 4, federation=bytes(32))
AUTHENTIC = {
    "every head is signed by its owner": Rule(
        checker=Authentic,
        good=(Holds("s1", served(HONEST)), Holds("s3", served(HONEST))),
        bad=(Holds("s1", served(HONEST)), Holds("s3", served(FORGED))),
        said=("it holds state of s2 without its signature: a batch that is not signed by the queen key of its term",),
    ),
    "for this federation": Rule(
        checker=Authentic,
        good=(Holds("s1", served(HONEST)),),
        bad=(Holds("s1", served(FOREIGN)),),
        said=("it holds state of s2 without its signature: a batch of another federation",),
    ),
    "the state that is served is the one whose root was signed": Rule(
        checker=Authentic,
        good=(Holds("s1", served(HONEST)),),
        bad=(Holds("s3", served(HONEST)), Holds("s1", served(HONEST, root="another"))),
        said=("it serves another state of s2 than was signed",),
    ),
    "what is masked is not served": Rule(
        checker=Authentic,
        good=(Holds("s1", served(HONEST, root="another", flag=Flag.FORKED)),),
        bad=(
            Holds("s1", served(HONEST, root="another", flag=Flag.FORKED)),
            Holds("s1", served(HONEST, root="another")),
        ),
        said=("it serves another state of s2 than was signed",),
    ),
    "a log without a head holds nothing": Rule(
        checker=Authentic,
        good=(Holds("s1", row("s2", 0, root="anything")),),
        bad=(Holds("s1", row("s2", 0)), Holds("s1", served(FORGED))),
        said=("it holds state of s2 without its signature: a batch that is not signed by the queen key of its term",),
    ),
}

MONOTONE = {
    "a chain does not shrink": Rule(
        checker=Monotone,
        good=(Steps("s1", chain={"height": 2}), Steps("s1", chain={"height": 2}), Steps("s1", chain={"height": 3})),
        bad=(Steps("s1", chain={"height": 2}), Steps("s1", chain={"height": 1})),
        said=("the chain went from height 2 back to 1",),
    ),
    "but a new process begins with what its disk holds": Rule(
        checker=Monotone,
        good=(Steps("s1", chain={"height": 2}), Restarts("s1"), Steps("s1", chain={"height": 1})),
        bad=(
            Steps("s1", chain={"height": 2}),
            Restarts("s1"),
            Steps("s1", chain={"height": 1}),
            Steps("s1", chain={"height": 0}),
        ),
        said=("the chain went from height 1 back to 0",),
    ),
    "a log does not shrink": Rule(
        checker=Monotone,
        good=(Holds("s1", row("s2", 4)), Holds("s1", row("s2", 5)), Restarts("s1"), Holds("s1", row("s2", 3))),
        bad=(Holds("s1", row("s2", 4), row("s3", 9)), Holds("s1", row("s2", 3), row("s3", 9))),
        said=("the log of s2 went from 4 back to 3",),
    ),
    "except to where it forked": Rule(
        checker=Monotone,
        good=(Holds("s1", row("s2", 4)), Holds("s1", row("s2", 3, flag=Flag.FORKED))),
        bad=(
            Holds("s1", row("s2", 4)),
            Holds("s1", row("s2", 3, flag=Flag.FORKED)),
            Holds("s1", row("s2", 2)),
        ),
        said=("the log of s2 went from 3 back to 2",),
    ),
    "own batches have rising stamps": Rule(
        checker=Monotone,
        good=(Persists("s1", batch_of("s1", 1, hlc=7)), Persists("s1", batch_of("s1", 2, hlc=8))),
        bad=(Persists("s1", batch_of("s1", 1, hlc=7)), Persists("s1", batch_of("s1", 2, hlc=7))),
        said=("its own batch 2 (stamp 7) follows batch 1 (stamp 7)",),
    ),
    "own batches have rising numbers, also after a restart": Rule(
        checker=Monotone,
        good=(Persists("s1", batch_of("s1", 5)), Restarts("s1"), Persists("s1", batch_of("s1", 6))),
        bad=(Persists("s1", batch_of("s1", 5)), Restarts("s1"), Persists("s1", batch_of("s1", 4, hlc=9))),
        said=("its own batch 4 (stamp 9) follows batch 5 (stamp 5)",),
    ),
    "a batch that comes back is the same": Rule(
        checker=Monotone,
        good=(
            Persists("s1", batch_of("s1", 1)),
            Persists("s1", batch_of("s1", 2)),
            Persists("s1", batch_of("s1", 1)),
        ),
        bad=(Persists("s1", batch_of("s1", 1, hlc=7)), Persists("s1", batch_of("s1", 1, hlc=8))),
        said=("its own batch 1 has the stamp 8, and had 7",),
    ),
    "who lies or was robbed of its disk may forget": Rule(
        checker=Monotone,
        good=(
            Persists("s1", batch_of("s1", 5)),
            Is("s1", robbed=True),
            Persists("s1", batch_of("s1", 4)),
            Is("s1", robbed=False, rotten=True),
            Persists("s1", batch_of("s1", 3)),
        ),
        bad=(Is("s2", robbed=True), Persists("s1", batch_of("s1", 5)), Persists("s1", batch_of("s1", 4))),
        said=("its own batch 4 (stamp 4) follows batch 5 (stamp 5)",),
    ),
    "what others wrote comes in any order": Rule(
        checker=Monotone,
        good=(
            Persists("s1", batch_of("s2", 5)),
            Persists("s1", batch_of("s2", 4)),
            Persists("s1", b"no batch", RecordKind.BLOCK),
        ),
        bad=(Persists("s2", batch_of("s2", 5)), Persists("s2", batch_of("s2", 4))),
        said=("its own batch 4 (stamp 4) follows batch 5 (stamp 5)",),
    ),
}

ONE, OTHER = ({"height": 3, "head_hash": sha256(text)} for text in (b"one", b"other"))
ONE_CHAIN = {
    "one block at a height": Rule(
        checker=OneChain,
        good=(Steps("s1", chain=ONE), Steps("s2"), Steps("s3", chain=ONE)),
        bad=(Steps("s1", chain=ONE), Steps("s3", chain=OTHER)),
        said=("it holds another block at height 3 than others",),
    ),
    "also later, where the height stays": Rule(
        checker=OneChain,
        good=(Steps("s1", chain=ONE), Steps("s1", chain=ONE)),
        bad=(Steps("s1", chain=ONE), Steps("s1", chain=OTHER)),
        said=("it holds another block at height 3 than others",),
    ),
    "the same members at a height": Rule(
        checker=OneChain,
        good=(Steps("s1", chain=ONE), Steps("s3", chain={**ONE, "height": 4, "state_hash": sha256(b"more")})),
        bad=(Steps("s1", chain=ONE), Steps("s3", chain={**ONE, "state_hash": sha256(b"other members")})),
        said=("it holds other members at height 3 than others",),
    ),
    "nothing is asked of a liar": Rule(
        checker=OneChain,
        good=(Is("s3", byzantine=True), Steps("s1", chain=ONE), Steps("s3", chain=OTHER)),
        bad=(Is("s3", byzantine=True), Steps("s1", chain=ONE), Steps("s3", chain=OTHER), Steps("s2", chain=OTHER)),
        said=("it holds another block at height 3 than others",),
    ),
}
OWN, NEXT = batch_of("s1", 4), batch_of("s1", 5)
EARLY = batch_of("s2", 1, hlc=hlc_of(1_005_001))
ONCE = {
    "a batch counts once": Rule(
        checker=Once,
        good=(Persists("s1", OWN), Persists("s1", NEXT), Persists("s2", OWN)),
        bad=(Persists("s1", OWN), Persists("s1", NEXT), Persists("s1", OWN)),
        said=("it takes batch 4 of s1 twice",),
    ),
    "in a process": Rule(
        checker=Once,
        good=(Persists("s1", OWN), Restarts("s1"), Persists("s1", OWN)),
        bad=(Persists("s1", OWN), Restarts("s2"), Persists("s1", OWN)),
        said=("it takes batch 4 of s1 twice",),
    ),
}
PUNCTUAL = {
    "what is far ahead waits": Rule(
        checker=Punctual,
        good=(Steps("s1", {"wall_ms": 1_000_001}), Persists("s1", EARLY)),
        bad=(Persists("s1", EARLY),),
        said=("it takes batch 1 of s2, 5001 ms ahead of its clock",),
    ),
    "one's own may be of a time when the clock was ahead": Rule(
        checker=Punctual,
        good=(Persists("s2", EARLY),),
        bad=(Persists("s3", EARLY),),
        said=("it takes batch 1 of s2, 5001 ms ahead of its clock",),
    ),
}

RULES = {
    f"{rule.checker.name}: {name}": rule
    for rules in (AGREEMENT, AUTHENTIC, MONOTONE, ONE_CHAIN, ONCE, PUNCTUAL)
    for name, rule in rules.items()
}


@pytest.mark.parametrize("name", RULES)
def test_a_checker_is_silent_while_the_rule_is_kept(name: str) -> None:
    assert Stage(RULES[name].checker).play(*RULES[name].good) == []


@pytest.mark.parametrize("name", RULES)
def test_a_checker_speaks_when_the_rule_is_broken(name: str) -> None:
    assert tuple(Stage(RULES[name].checker).play(*RULES[name].bad)) == RULES[name].said
