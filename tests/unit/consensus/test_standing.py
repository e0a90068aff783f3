"""What the queens decided, as a value: its hash covers everything, and its bounds are the same on every node."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.genesis import Params
from consensus.governance import standing as bounds
from consensus.governance.proposals import Choice, Proposal, ProposalBody, Subject
from consensus.governance.standing import Directive, OpenProposal, Outcome, Policy, Standing
from consensus.governance.tally import Status, Tally
from tests.support.realm import swarm
from wire.ids import sha256

EMPTY = Standing(params=Params())


def proposal(number: int, proposer: str = "alpha") -> Proposal:
    body = ProposalBody(
        federation=bytes(32),
        proposal=sha256(b"%d" % number)[:16],
        proposer=swarm(proposer),
        term=1,
        subject=Subject.PRIORITY_CHANGE,
        action="set_priority",
        details=b"x",
        created_ms=0,
        deadline_ms=1,
    )
    return Proposal(body, b"proposal %d" % number)


def opened(number: int, proposer: str = "alpha", height: int = 7) -> Callable[[Standing], Standing]:
    return lambda s: s.proposed(OpenProposal(proposal=proposal(number, proposer), height=height))


def closed(number: int = 1, **changes: object) -> Callable[[Standing], Standing]:
    """A proposal is decided; `changes` replace what is known of the outcome."""
    says: dict[str, object] = {
        "proposal": proposal(number),
        "status": Status.APPROVED,
        "tally": Tally(approve=3, reject=1, abstain=0, total=4),
        "height": 8,
        "time_ms": 9,
        "void": "",
    }
    return lambda s: s.closed(Outcome(**{**says, **changes}))  # type: ignore[arg-type]


def directed(number: int, details: bytes = b"x", time_ms: int = 9) -> Callable[[Standing], Standing]:
    directive = Directive(action="AllocateAgents", details=details, time_ms=time_ms)
    return lambda s: s.directed(proposal(number).id, directive)


CHANGES: dict[str, Callable[[Standing], Standing]] = {
    "nothing": lambda s: s,
    "governed": lambda s: s.activated(),
    "version": lambda s: s.upgraded(2),
    "params": lambda s: s.parametrized(Params(admission="open")),
    "open": opened(1),
    "another open": opened(2),
    "open since": opened(1, height=8),
    "ballot": lambda s: opened(1)(s).voted(proposal(1).id, swarm("beta"), Choice.APPROVE),
    "other ballot": lambda s: opened(1)(s).voted(proposal(1).id, swarm("beta"), Choice.REJECT),
    "other voter": lambda s: opened(1)(s).voted(proposal(1).id, swarm("gamma"), Choice.REJECT),
    "outcome": closed(),
    "outcome of another": closed(2),
    "outcome status": closed(status=Status.REJECTED),
    "outcome tally": closed(tally=Tally(approve=3, reject=0, abstain=1, total=4)),
    "outcome total": closed(tally=Tally(approve=3, reject=1, abstain=0, total=5)),
    "outcome height": closed(height=9),
    "outcome time": closed(time_ms=10),
    "outcome void": closed(void="its name is taken"),
    "outcomes": lambda s: closed(2)(closed(1)(s)),
    "outcomes in another order": lambda s: closed(1)(closed(2)(s)),
    "policy for all": lambda s: s.ruled(None, Policy()),
    "policy for one": lambda s: s.ruled(swarm("beta"), Policy()),
    "policy agents": lambda s: s.ruled(None, Policy(max_agents=1)),
    "policy duration": lambda s: s.ruled(None, Policy(max_duration_ms=1)),
    "policy types": lambda s: s.ruled(None, Policy(allowed_types=("coder",))),
    "policy read": lambda s: s.ruled(None, Policy(read=False)),
    "policy write": lambda s: s.ruled(None, Policy(write=False)),
    "priority": lambda s: s.prioritized(("task", "t1"), "high"),
    "other priority": lambda s: s.prioritized(("task", "t1"), "low"),
    "other target": lambda s: s.prioritized(("lease", "t1"), "high"),
    "directive": directed(1),
    "directive of another": directed(2),
    "directive details": directed(1, b"y"),
    "directive time": directed(1, time_ms=10),
}


def test_whatever_is_decided_shows_in_the_hash() -> None:
    hashes = {name: change(EMPTY).hash for name, change in CHANGES.items()}
    assert len(set(hashes.values())) == len(CHANGES), hashes


def test_in_which_words_an_outcome_is_void_shows_nowhere_in_the_hash() -> None:
    """They change from version to version, and some come from a library."""
    worded, otherwise = (closed(void=void)(EMPTY).hash for void in ("its name is taken", "the name is taken"))
    assert worded == otherwise


def test_where_things_are_kept_by_key_their_order_does_not_show_in_the_hash() -> None:
    for one, other in [("policy for all", "policy for one"), ("priority", "other target"), ("open", "another open")]:
        assert CHANGES[one](CHANGES[other](EMPTY)).hash == CHANGES[other](CHANGES[one](EMPTY)).hash
    assert directed(1)(directed(2)(EMPTY)).hash == directed(2)(directed(1)(EMPTY)).hash


def test_what_is_decided_is_open_no_more() -> None:
    standing = closed(1)(opened(2)(opened(1)(EMPTY)))
    assert list(standing.open) == [proposal(2).id]
    assert list(standing.outcomes) == [proposal(1).id]


def test_the_open_proposals_of_one_swarm_are_counted() -> None:
    standing = opened(3, "beta")(opened(2)(opened(1)(EMPTY)))
    assert (standing.open_of(swarm("alpha")), standing.open_of(swarm("beta")), standing.open_of(swarm("eve"))) == (
        2,
        1,
        0,
    )


@pytest.mark.parametrize(
    ("bound", "change", "kept"),
    [
        pytest.param("MAX_OUTCOMES", closed, lambda s: s.outcomes, id="outcomes"),
        pytest.param("MAX_DIRECTIVES", directed, lambda s: s.directives, id="directives"),
        pytest.param(
            "MAX_PRIORITIES",
            lambda n: lambda s: s.prioritized(("task", str(n)), "high"),
            lambda s: s.priorities,
            id="priorities",
        ),
    ],
)
def test_of_too_many_the_oldest_goes(
    bound: str,
    change: Callable[[int], Callable[[Standing], Standing]],
    kept: Callable[[Standing], dict[object, object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, bound, 3)
    standing = EMPTY
    for number in range(3):
        standing = change(number)(standing)
    three = list(kept(standing))
    assert len(three) == 3
    assert list(kept(change(3)(standing)))[:2] == three[1:]
    assert len(kept(change(3)(standing))) == 3


def test_of_too_many_priorities_the_one_whose_target_sorts_first_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_PRIORITIES", 2)
    standing = EMPTY
    for target, priority in (("t1", "low"), ("t2", "low"), ("t1", "high"), ("t3", "low")):
        standing = standing.prioritized(("task", target), priority)
    assert standing.priorities == {("task", "t2"): "low", ("task", "t3"): "low"}
    assert standing.prioritized(("task", "t2"), "high").priorities == {("task", "t2"): "high", ("task", "t3"): "low"}
