"""Agreement on a height, from one replica: which messages it answers with what, and which it never answers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.bft.effects import Blame, Convict, Decided, Fetch, Note, NoteKind, Say, Serve, Store
from consensus.bft.messages import Phase
from consensus.bft.votes import AHEAD_HEIGHTS, AHEAD_VIEWS
from tests.support.chamber import Chamber
from tests.support.realm import swarm
from wire.ids import sha256
from wire.types import MessageType

PRE_PREPARE, PREPARE, COMMIT = MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT
CERTIFICATE = MessageType.CERTIFICATE

Body = Callable[[Chamber], bytes]


@pytest.fixture
def chamber() -> Chamber:
    """Of four; the replica leads view 1, somebody else view 0."""
    return Chamber()


# PRE_PREPARE


def test_a_leaders_block_is_prepared_once_it_is_durable(chamber: Chamber) -> None:
    block = chamber.block()
    effects = chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    assert chamber.voted(PREPARE) == [sha256(block)]
    kinds = [type(effect) for effect in effects]
    assert kinds == [Store, Say]
    assert effects[0].record in chamber.replica.records()  # type: ignore[union-attr]


REFUSED: list[object] = [
    pytest.param(lambda c: c.pre_prepare(c.block(), name=c.me), "bad signature", id="not by its leader"),
    pytest.param(lambda c: c.pre_prepare(c.block(), name=c.leader(1)), "bad signature", id="by the next leader"),
    pytest.param(
        lambda c: c.pre_prepare(c.block(2), core=c.core(c.block(1))),
        "another block than it names",
        id="another block",
    ),
    pytest.param(
        lambda c: c.pre_prepare(c.block(), federation=bytes(32)), "another federation", id="another federation"
    ),
    pytest.param(
        lambda c: c.pre_prepare(c.block(parent_hash=bytes(32))), "does not follow the head", id="another parent"
    ),
    pytest.param(
        lambda c: c.pre_prepare(c.block(height=c.height + 1)),
        "does not follow the head",
        id="a block of a height later",
    ),
    pytest.param(lambda c: c.pre_prepare(c.block(time_ms=c.chain.time_ms)), "does not advance", id="no later time"),
    pytest.param(
        lambda c: c.pre_prepare(c.block(prev_state_hash=bytes(32))), "another state than ours", id="another state"
    ),
    pytest.param(
        lambda c: c.pre_prepare(c.block(1, c.realm.leave("eve"))),
        "did not sign",
        id="a transaction that may not be",
    ),
    pytest.param(lambda c: b"\xff", "not CBOR", id="no message"),
]


@pytest.mark.parametrize(("body", "why"), REFUSED)
def test_a_proposal_that_no_honest_leader_makes_is_blamed_on_its_sender(
    chamber: Chamber, body: Body, why: str
) -> None:
    effects = chamber.hear(PRE_PREPARE, body(chamber), chamber.others[2])
    [blame] = chamber.of(Blame)
    assert blame.swarm == swarm(chamber.others[2])
    assert why in blame.error.detail
    assert not [effect for effect in effects if isinstance(effect, Say | Store)]


@pytest.mark.parametrize(("skew", "accepted"), [(-10_001, False), (-10_000, True), (10_000, True), (10_001, False)])
def test_a_new_blocks_time_is_near_ours(chamber: Chamber, skew: int, accepted: bool) -> None:
    """Whose clock is wrong nobody knows: nobody is blamed, and it is told."""
    chamber.wall_ms += 60_000
    block = chamber.block(time_ms=chamber.wall_ms + skew)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    assert chamber.voted(PREPARE) == ([sha256(block)] if accepted else [])
    assert [note.detail for note in chamber.of(Note)] == ([] if accepted else [f"{skew} ms"])
    assert not chamber.blamed


def test_a_second_block_in_a_view_is_not_prepared_and_convicts_the_leader(chamber: Chamber) -> None:
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(1)))
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(2)), chamber.others[2])
    assert not chamber.voted(PREPARE)
    assert [proof.swarm for proof in chamber.of(Convict)] == [swarm(chamber.leader())]


def test_the_same_block_again_changes_nothing(chamber: Chamber) -> None:
    body = chamber.pre_prepare(chamber.block())
    chamber.hear(PRE_PREPARE, body)
    assert chamber.hear(PRE_PREPARE, body) == []


def test_a_proposal_of_a_view_that_was_left_is_ignored(chamber: Chamber) -> None:
    chamber.begin(2)
    assert chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(), view=0)) == []


def test_a_late_proposal_is_nobodys_fault_in_a_view_that_is_bound_to_another_block(chamber: Chamber) -> None:
    lock = chamber.locked(chamber.block(1))
    changes = [chamber.change(2, name, lock) for name in chamber.quorum()]
    chamber.begin(2, changes, lock)
    assert chamber.hear(PRE_PREPARE, chamber.pre_prepare(chamber.block(2), view=0)) == []


def test_a_proposal_of_a_view_to_come_waits_until_it_begins(chamber: Chamber) -> None:
    block = chamber.block()
    assert chamber.hear(PRE_PREPARE, chamber.pre_prepare(block, view=2)) == []
    chamber.begin(2)
    assert chamber.voted(PREPARE) == [sha256(block)]


def test_a_proposal_waits_while_the_view_has_no_beginning(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.time_out()
    chamber.call(2, chamber.others[0])
    chamber.call(2, chamber.others[1])
    assert (chamber.replica.view, chamber.replica.entered) == (2, False)
    assert not chamber.voted(PREPARE)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block, view=2))
    assert not chamber.voted(PREPARE)
    chamber.begin(2)
    assert chamber.voted(PREPARE) == [sha256(block)]


def test_a_proposal_of_a_later_height_waits_for_the_block_before(chamber: Chamber) -> None:
    first = chamber.block(1)
    ahead = Chamber()
    ahead.grow(first)
    second = ahead.block(2)
    chamber.hear(PRE_PREPARE, ahead.pre_prepare(second))
    assert not chamber.of(Fetch), "what decides the block before is on its way"
    chamber.grow(first)
    assert chamber.voted(PREPARE) == [sha256(second)]


def test_what_waited_and_turns_out_wrong_is_dropped_and_nobody_is_blamed(chamber: Chamber) -> None:
    forged = chamber.pre_prepare(chamber.block(), view=2, name=chamber.others[0])
    chamber.hear(PRE_PREPARE, forged, chamber.others[0])
    chamber.begin(2)
    assert not chamber.voted(PREPARE)
    assert not chamber.blamed


# heights and epochs


@pytest.mark.parametrize("kind", [PRE_PREPARE, PREPARE, COMMIT, CERTIFICATE])
@pytest.mark.parametrize(
    ("where", "answer"),
    [
        pytest.param(lambda c: {"height": 3}, lambda c, who: Serve(who, 3), id="a decided height"),
        pytest.param(lambda c: {"height": 0}, lambda c, who: Serve(who, 1), id="height 0"),
        pytest.param(
            lambda c: {"epoch": c.chain.epoch - 1}, lambda c, who: Serve(who, c.chain.height), id="an earlier epoch"
        ),
        pytest.param(lambda c: {"height": c.height + 2}, lambda c, who: Fetch(who), id="a later height"),
        pytest.param(lambda c: {"epoch": c.chain.epoch + 1}, lambda c, who: Fetch(who), id="a later epoch"),
    ],
)
def test_who_is_behind_gets_blocks_and_who_is_ahead_is_asked(
    chamber: Chamber, kind: MessageType, where: Callable[[Chamber], dict[str, int]], answer: Callable[..., object]
) -> None:
    name, block = chamber.others[2], chamber.block()
    core = chamber.core(block, **where(chamber))
    phase = Phase.PREPARE if kind is CERTIFICATE else Phase[kind.name]
    body = chamber.pre_prepare(block, core=core) if kind is PRE_PREPARE else chamber.vote(phase, core, name)
    if kind is CERTIFICATE:
        body = chamber.news(phase, chamber.certificate(phase, core))
    assert chamber.hear(kind, body, name) == [answer(chamber, swarm(name))]


@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.COMMIT])
@pytest.mark.parametrize(
    ("off", "answer"),
    [
        pytest.param(-1, lambda c, who: Serve(who, c.chain.height), id="the block decided last"),
        pytest.param(+1, lambda c, who: Fetch(who), id="the block after this one"),
    ],
)
def test_votes_of_rounds_overlap_so_only_who_repeats_one_is_behind(
    chamber: Chamber, phase: Phase, off: int, answer: Callable[..., object]
) -> None:
    core = chamber.core(chamber.block(), height=chamber.height + off)
    for name in chamber.others[1:]:
        vote = chamber.vote(phase, core, name)
        assert chamber.hear(MessageType[phase.name], vote, name) == []
        assert chamber.hear(MessageType[phase.name], vote, name) == [answer(chamber, swarm(name))]


# PREPARE and COMMIT


def test_a_quorum_of_prepares_locks_and_is_answered_with_commit(chamber: Chamber) -> None:
    block = chamber.block()
    core = chamber.core(block)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.PREPARE, core, chamber.others[:1])
    assert not chamber.voted(COMMIT), "with its own that is no quorum of four"
    chamber.votes(Phase.PREPARE, core, chamber.others[1:2])
    assert chamber.voted(COMMIT) == [sha256(block)]
    assert [note.kind for note in chamber.of(Note)] == [NoteKind.PREPARED]
    chamber.votes(Phase.PREPARE, core, chamber.others[2:])
    assert not chamber.voted(COMMIT), "it says so once"


def test_prepares_without_their_block_wait_for_it(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.votes(Phase.PREPARE, chamber.core(block))
    assert not chamber.voted(COMMIT)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    assert chamber.voted(PREPARE) == chamber.voted(COMMIT) == [sha256(block)]


def test_prepares_of_another_view_lock_nothing(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.PREPARE, chamber.core(block, view=1))
    assert not chamber.voted(COMMIT)


@pytest.mark.parametrize(
    ("story", "view"),
    [
        pytest.param(lambda c: None, 1, id="a view to come"),
        pytest.param(lambda c: c.time_out(), 0, id="the view that was just left"),
        pytest.param(lambda c: c.time_out(), 1, id="the view that has not begun"),
        pytest.param(lambda c: c.begin(2), 0, id="a view long left"),
    ],
)
def test_a_certificate_of_another_view_than_the_present_one_locks_nothing(
    chamber: Chamber, story: Callable[[Chamber], object], view: int
) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    story(chamber)
    core = chamber.core(block, view)
    chamber.hear(CERTIFICATE, chamber.news(Phase.PREPARE, chamber.certificate(Phase.PREPARE, core)))
    assert not chamber.voted(COMMIT)
    chamber.votes(Phase.PREPARE, core)
    assert not chamber.voted(COMMIT)
    assert not chamber.blamed


@pytest.mark.parametrize("view", [0, 1, 5])
def test_a_quorum_of_commits_decides_whatever_the_view(chamber: Chamber, view: int) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.COMMIT, chamber.core(block, view), chamber.others[:2])
    assert not chamber.of(Decided)
    chamber.votes(Phase.COMMIT, chamber.core(block, view), chamber.others[2:])
    assert [decided.block for decided in chamber.of(Decided)] == [block]
    assert chamber.chain.all_blocks()[-1][0] == block


@pytest.mark.parametrize("later", [-1, 1])
def test_commits_of_another_epoch_decide_nothing(chamber: Chamber, later: int) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.COMMIT, chamber.core(block, epoch=chamber.chain.epoch + later))
    assert not chamber.of(Decided)


def test_commits_of_two_views_do_not_add_up(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    for view, name in enumerate(chamber.others):
        chamber.votes(Phase.COMMIT, chamber.core(block, view), [name])
    assert not chamber.of(Decided)


def test_who_hears_of_a_decision_without_its_block_fetches_it(chamber: Chamber) -> None:
    block = chamber.block()
    chamber.votes(Phase.COMMIT, chamber.core(block))
    [fetch] = chamber.of(Fetch)
    assert fetch.swarm in map(swarm, chamber.others)
    assert not chamber.of(Decided)


@pytest.mark.parametrize("phase", [Phase.PREPARE, Phase.COMMIT])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(lambda c, p, core: c.vote(p, core, "eve"), "nobody who votes", id="a stranger's"),
        pytest.param(lambda c, p, core: c.vote(p, core, "beta", "gamma"), "bad signature", id="in another's name"),
        pytest.param(
            lambda c, p, core: c.vote(Phase(3 - p), core, "beta"), "bad signature", id="signed as the other phase"
        ),
        pytest.param(
            lambda c, p, core: c.vote(p, c.core(c.block(), federation=bytes(32)), "beta"),
            "another federation",
            id="another federation's",
        ),
    ],
)
def test_a_forged_vote_is_blamed_on_its_sender(
    phase: Phase, body: Callable[[Chamber, Phase, object], bytes], why: str
) -> None:
    chamber = Chamber(at=sorted(["alpha", "beta", "gamma", "delta"], key=swarm).index("alpha"))
    chamber.hear(MessageType[phase.name], body(chamber, phase, chamber.core(chamber.block())), "gamma")
    assert why in chamber.blamed


@pytest.mark.parametrize(
    ("view", "heights", "counts"),
    [
        pytest.param(AHEAD_VIEWS, 0, True, id="a view not too far"),
        pytest.param(AHEAD_VIEWS + 1, 0, False, id="a view too far"),
        pytest.param(0, AHEAD_HEIGHTS - 1, True, id="a height not too far"),
        pytest.param(0, AHEAD_HEIGHTS, False, id="a height too far"),
    ],
)
def test_votes_far_ahead_are_left_out(chamber: Chamber, view: int, heights: int, counts: bool) -> None:
    """A contradiction can only be noticed where the first vote was kept."""
    name = chamber.others[0]
    for number in (1, 2):
        core = chamber.core(chamber.block(number), view, height=chamber.height + heights)
        chamber.hear(PREPARE, chamber.vote(Phase.PREPARE, core, name), name)
    assert bool(chamber.of(Convict)) is counts


def test_ones_own_vote_from_elsewhere_counts_for_nothing(chamber: Chamber) -> None:
    block = chamber.block()
    core = chamber.core(block)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.COMMIT, core, chamber.others[:2])
    chamber.hear(COMMIT, chamber.vote(Phase.COMMIT, core, chamber.me), chamber.others[0])
    assert not chamber.of(Decided)


def test_a_vote_that_is_known_is_not_verified_again(chamber: Chamber) -> None:
    core = chamber.core(chamber.block())
    chamber.hear(PREPARE, chamber.vote(Phase.PREPARE, core, chamber.others[0]))
    chamber.hear(PREPARE, chamber.vote(Phase.PREPARE, core, chamber.others[0], "eve"))
    assert not chamber.blamed
