"""The checker of terms that have ended (fenced): kept, then broken by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from chaos.checkers.fenced import Fenced
from crdt.owner_log import Flag
from mesh.protocol.commands import Failure, FailureKind, Success
from mesh.protocol.effects import Reply
from tests.support.hand_made import HOMES, Holds, Is, Releases, Stage, row


def said(term: int, until: int | None = None, **result: object) -> Reply:
    """The answer to a write in a term, to be given until then."""
    outcome = Success(result={"term": term, "seq": 1, "durable": True, **result})
    return Reply(request_id=1, outcome=outcome, until=until)


def promises(*replies: Reply) -> list[str]:
    return Stage(Fenced).play(*(Releases("s1", reply) for reply in replies))


def test_no_term_promises_after_the_next_one_has() -> None:
    assert promises(said(1), said(1), said(2), said(2)) == []
    assert promises(said(1), said(2), said(1)) == ["it promises a write in term 1, and term 2 has promised already"]


def test_what_promises_nothing_counts_nothing() -> None:
    no = Reply(request_id=1, outcome=Failure(kind=FailureKind.REJECTED, message="no"))
    read = Reply(request_id=1, outcome=Success(result={"term": 1}))
    late = said(1, until=-1)
    assert promises(said(2), no, read, late) == []
    assert Stage(Fenced).play(Is("s1", byzantine=True), Releases("s1", said(2)), Releases("s1", said(1))) == []


class Closed(Stage):
    """A stage on whose chain s2's term 1 ended with batch 4."""

    def __init__(self) -> None:
        super().__init__(Fenced)
        member = SimpleNamespace(terms={1: SimpleNamespace(close=(4, bytes(32))), 2: SimpleNamespace(close=None)})
        everyone = {HOMES["s2"].swarm: member}
        state = SimpleNamespace(membership=SimpleNamespace(everyone=everyone))
        ledger: Any = SimpleNamespace(height=0, state=lambda height: state)
        self.world.ledger = ledger


def test_a_term_that_has_ended_grows_no_further() -> None:
    assert Closed().play(Holds("s1", row("s2", 4)), Holds("s1", row("s3", 9))) == []
    assert Closed().play(Holds("s1", row("s2", 5))) == ["it holds batch 5 of s2's term 1, which ended with 4"]
    assert Closed().play(Holds("s1", row("s2", 5, flag=Flag.FORKED))) == [], "that log counts for nothing anyway"
