"""From height to height and epoch to epoch: what a replica forgets, what it takes along, and when it has no voice."""

from __future__ import annotations

import pytest

from consensus.bft.desk import ReplicaConfig
from consensus.bft.effects import Decided, Fetch, Say, Serve
from consensus.bft.messages import Phase
from tests.support.chamber import Chamber
from tests.support.realm import swarm
from wire.ids import sha256
from wire.time import seconds
from wire.types import MessageType

PRE_PREPARE, PREPARE, COMMIT = MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT
NEW_VIEW = MessageType.NEW_VIEW


def decide(chamber: Chamber, block: bytes) -> None:
    """The leader proposes, and all agree."""
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    core = chamber.core(block)
    for phase in (Phase.PREPARE, Phase.COMMIT):
        chamber.votes(phase, core)


# heights


def test_one_height_follows_the_other() -> None:
    chamber = Chamber(at=1)
    for number in (1, 2, 3):
        block = chamber.block(number)
        decide(chamber, block)
        assert [decided.block for decided in chamber.of(Decided)] == [block]
        assert chamber.replica.records() == [], "votes on it are of no use any more"
        assert chamber.replica.view == 0


def test_what_a_block_brings_waits_no_longer() -> None:
    chamber = Chamber(at=1)
    chamber.submit(chamber.proposal_tx(1))
    chamber.submit(chamber.proposal_tx(2))
    chamber.grow(chamber.block(1))
    assert (chamber.replica.pending, chamber.replica.waits_for(chamber.proposal_tx(2), chamber.wall_ms)) == (1, True)


def test_a_block_gives_the_next_one_its_whole_time() -> None:
    chamber = Chamber(at=1)
    chamber.submit(chamber.proposal_tx(2))
    chamber.tick(0.9)
    chamber.grow(chamber.block(1))
    chamber.tick(0.9)
    assert chamber.replica.view == 0
    chamber.tick(0.1)
    assert chamber.replica.view == 1


def test_a_view_is_not_left_with_the_lock_of_a_height_that_is_decided() -> None:
    """The chain has grown, and the replica was not told: that it called for a view with it convinced nobody."""
    chamber = Chamber(at=1)
    chamber.submit(chamber.proposal_tx(2))
    block = chamber.block(1)
    core = chamber.core(block)
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.PREPARE, core)
    chamber.chain.append(block, chamber.certificate(Phase.COMMIT, core))
    chamber.tick(60)
    assert chamber.says(MessageType.VIEW_CHANGE) == []


def test_when_all_is_decided_nothing_is_due() -> None:
    chamber = Chamber(at=1)
    chamber.submit(chamber.ballots()[0])
    assert chamber.replica.next_deadline(chamber.now, chamber.wall_ms) is not None
    decide(chamber, chamber.block(1, *chamber.ballots()))
    assert chamber.replica.next_deadline(chamber.now, chamber.wall_ms) is None
    assert chamber.tick(3600) == []


def test_who_joined_a_change_of_view_goes_on_though_it_has_nothing_to_decide() -> None:
    chamber = Chamber(at=1)
    for name in chamber.others[:2]:
        chamber.call(2, name)
    assert (chamber.replica.view, chamber.replica.pending) == (2, 0)
    chamber.tick(60)
    assert chamber.replica.view == 3


def test_votes_on_a_decided_height_are_kept_no_longer() -> None:
    chamber = Chamber(at=1)
    height = chamber.height
    decide(chamber, chamber.block(1))
    votes = chamber.replica._desk.votes
    assert votes.views(Phase.PREPARE, height) == votes.views(Phase.COMMIT, height) == []


def test_what_is_held_is_judged_anew_only_when_something_has_changed() -> None:
    """Who is behind asks once for what it lacks, not again with every message that comes in meanwhile."""
    chamber, ahead = Chamber(at=1), Chamber(at=0)
    first = ahead.block(1)
    ahead.grow(first)
    ahead.grow(ahead.block(2))
    sender = chamber.leader()
    body = ahead.pre_prepare(ahead.block(3))
    assert chamber.hear(PRE_PREPARE, body) == [Fetch(swarm(sender))]
    assert chamber.tick(0.1) == []
    vote = chamber.vote(Phase.PREPARE, chamber.core(first), chamber.others[1])
    assert chamber.hear(PREPARE, vote, chamber.others[1]) == []
    assert chamber.hear(PRE_PREPARE, body) == [Fetch(swarm(sender))], "who says it again is asked again"
    chamber.begin(2)
    assert chamber.of(Fetch) == [Fetch(swarm(sender))]
    chamber.grow(first)
    assert chamber.of(Fetch) == []


def test_who_leads_by_rotation_says_again_how_another_began_the_view() -> None:
    chamber = Chamber(at=2, config=ReplicaConfig(repeat=seconds(0.1)))
    chamber.begin(1)
    chamber.grow_to(64)
    assert chamber.replica.leader().swarm == swarm(chamber.me)
    chamber.submit(chamber.proposal_tx())
    chamber.tick(0.1)
    assert len(chamber.says(NEW_VIEW)) == 1


# restarts and outsiders


def test_after_a_restart_its_own_votes_count_again() -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.votes(Phase.PREPARE, chamber.core(block), chamber.others[:2])
    chamber.restart()
    chamber.votes(Phase.COMMIT, chamber.core(block), chamber.others[:2])
    assert [decided.block for decided in chamber.of(Decided)] == [block]


def test_after_a_restart_its_block_is_the_one_of_its_view() -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    body = chamber.pre_prepare(block)
    chamber.hear(PRE_PREPARE, body)
    chamber.restart()
    assert not chamber.hear(PRE_PREPARE, body)
    chamber.votes(Phase.PREPARE, chamber.core(block), chamber.others[:2])
    assert chamber.says(COMMIT)


def test_a_leader_that_was_killed_as_it_proposed_proposes_the_same_again() -> None:
    """Its PRE_PREPARE is in the journal, its own PREPARE is not, and the transactions are forgotten."""
    chamber = Chamber(at=0)
    chamber.submit(chamber.proposal_tx())
    chamber.tick(0.01)
    said = chamber.says(PRE_PREPARE)
    [block] = chamber.proposed()
    del chamber.journal[1:]
    chamber.restart()
    chamber.submit(chamber.realm.leave("beta"))
    assert chamber.says(PRE_PREPARE) == said
    assert chamber.voted(PREPARE) == [sha256(block)]


def test_who_has_no_vote_is_silent_and_blames_nobody() -> None:
    """A learner follows the chain, and neither hears nor says anything about what is to be decided."""
    chamber = Chamber(at=1)
    outsider = Chamber(at=1)
    outsider.me = "eve"
    outsider.restart()
    assert not outsider.replica.voting
    for kind in (PRE_PREPARE, PREPARE):
        assert outsider.hear(kind, b"\xff", chamber.others[0]) == []
    assert outsider.tick(100) == outsider.met(chamber.others[0]) == []
    outsider.grow(outsider.block())
    assert outsider.replica.next_deadline(outsider.now, outsider.wall_ms) is None, "though a proposal is open"


def test_another_epoch_begins_with_view_0_and_other_voters() -> None:
    chamber = Chamber(at=1)
    chamber.begin(3)
    chamber.grow(chamber.block(1, chamber.realm.leave(chamber.others[2])))
    assert (chamber.replica.view, chamber.replica.entered, len(chamber.replica.validators)) == (0, True, 3)
    assert chamber.replica.records() == []
    late = chamber.hear(
        PREPARE, chamber.vote(Phase.PREPARE, chamber.core(chamber.block(), epoch=0), chamber.others[0])
    )
    assert [type(effect) for effect in late] == [Serve]


def test_who_was_given_another_key_says_nothing_with_the_old_one() -> None:
    chamber = Chamber(at=0)
    chamber.submit(chamber.proposal_tx(1))
    said = chamber.grow(chamber.block(1, chamber.realm.bump(chamber.me, 2)))
    assert not chamber.replica.voting
    assert [effect for effect in (*said, *chamber.tick(60)) if isinstance(effect, Say)] == []


def test_who_leaves_is_voting_no_more() -> None:
    chamber = Chamber(at=1)
    chamber.grow(chamber.block(1, chamber.realm.leave(chamber.me)))
    assert not chamber.replica.voting


def test_the_leaders_of_views_to_come_are_known() -> None:
    chamber = Chamber(at=1)
    assert [chamber.replica.leader(ahead).swarm for ahead in range(5)] == [
        swarm(chamber.order[place]) for place in (0, 1, 2, 3, 0)
    ]


def test_calls_of_an_epoch_before_count_no_more() -> None:
    chamber = Chamber(7)
    chamber.call(3, chamber.others[0])
    chamber.grow(chamber.block(1, chamber.realm.leave(chamber.others[5])))
    chamber.call(3, chamber.others[1])
    assert chamber.replica.view == 0
    chamber.call(3, chamber.others[0])
    assert chamber.replica.view == 3


@pytest.mark.parametrize("at", [0, 1], ids=["who would lead", "another one"])
def test_who_is_replaced_as_queen_has_no_voice_from_that_very_block_on(at: int) -> None:
    """Its swarm votes on, by another key: what the old one signs would count nowhere, and be held against it."""
    chamber = Chamber(at=at)
    chamber.submit(chamber.proposal_tx(2))
    chamber.tick(0.001)
    block = chamber.block(1, chamber.realm.bump(chamber.me, 2))
    chamber.grow(block)
    assert chamber.chain.validators().position(swarm(chamber.me)) is not None
    assert not chamber.of(Say)
    assert not chamber.replica.voting
    assert not any(isinstance(effect, Say) for effect in chamber.tick(60))
