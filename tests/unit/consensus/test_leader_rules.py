"""What a leader does, and what timers do: when it proposes, what it hands on, what is said again, what is due."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.bft.desk import ReplicaConfig
from consensus.bft.effects import Decided, Fetch, Note, NoteKind, Say, Submit
from consensus.bft.messages import CertificateNews, Phase
from consensus.blocks import Block
from tests.support.chamber import Chamber
from tests.support.realm import swarm
from wire import cbor
from wire.errors import Overloaded, RemoteError
from wire.time import seconds
from wire.types import MessageType

PRE_PREPARE, PREPARE, COMMIT = MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT
CERTIFICATE = MessageType.CERTIFICATE


@pytest.fixture
def leader() -> Chamber:
    """Leads view 0 of four."""
    return Chamber(at=0)


def txs(chamber: Chamber) -> list[tuple[bytes, ...]]:
    """The transactions of the blocks that it just proposed."""
    return [cbor.decode_as(block, Block).txs for block in chamber.proposed()]


def propose(chamber: Chamber) -> bytes:
    """It proposes a block."""
    chamber.submit(chamber.proposal_tx())
    chamber.tick(0.01)
    [block] = chamber.proposed()
    return block


# proposing


def test_what_waits_for_ballots_is_proposed_after_the_batch_delay(leader: Chamber) -> None:
    tx = leader.proposal_tx()
    assert leader.submit(tx) == []
    assert leader.replica.next_deadline(leader.now, leader.wall_ms) == leader.now + seconds(0.01)
    leader.tick(0.009)
    assert txs(leader) == []
    leader.tick(0.001)
    assert txs(leader) == [(tx,)]
    assert [note.kind for note in leader.of(Note)] == [NoteKind.PROPOSED]
    assert leader.says(PREPARE), "a leader accepts its own block"


@pytest.mark.parametrize(("round_s", "waits_s"), [(0.001, 0.01), (0.1, 0.1), (5.0, 0.25)])
def test_ballots_are_waited_for_as_long_as_a_round_takes(leader: Chamber, round_s: float, waits_s: float) -> None:
    for tx in leader.ballots()[:4]:
        leader.submit(tx)
    core = leader.core(*leader.proposed())
    leader.now += seconds(round_s)
    for phase in (Phase.PREPARE, Phase.COMMIT):
        leader.votes(phase, core)
    assert leader.height == core.height + 1, "decided, after one round"
    leader.submit(leader.proposal_tx(2))
    assert txs(leader) == []
    leader.tick(waits_s - 0.001)
    assert txs(leader) == []
    leader.tick(0.001)
    assert len(txs(leader)) == 1


def test_what_decides_is_proposed_at_once(leader: Chamber) -> None:
    tx, *ballots = leader.ballots()
    for each in (tx, *ballots[:2]):
        leader.submit(each)
        assert txs(leader) == []
    leader.submit(ballots[2])
    assert txs(leader) == [(tx, *ballots[:3])]


def test_what_needs_no_ballots_is_proposed_at_once(leader: Chamber) -> None:
    tx = leader.realm.leave("beta")
    leader.submit(tx)
    assert txs(leader) == [(tx,)]


def test_who_does_not_lead_keeps_what_waits(leader: Chamber) -> None:
    other = Chamber(at=1)
    other.submit(other.realm.leave("beta"))
    assert other.proposed() == []
    assert (other.replica.pending, other.replica.waits_for(other.realm.leave("beta"), other.wall_ms)) == (1, True)


def test_a_leader_proposes_one_block_a_view_and_height(leader: Chamber) -> None:
    block = propose(leader)
    leader.submit(leader.realm.leave("beta"))
    assert leader.proposed() == []
    leader.grow(block)
    assert txs(leader) == [(leader.realm.leave("beta"),)]


def test_a_leader_proposes_nothing_before_its_view_has_begun(leader: Chamber) -> None:
    chamber = Chamber(at=1)
    chamber.time_out()
    chamber.submit(chamber.realm.leave("beta"))
    assert chamber.proposed() == []
    for name in chamber.others[:2]:
        chamber.call(1, name)
    assert txs(chamber) == [(chamber.proposal_tx(1000 + chamber.height), chamber.realm.leave("beta"))]


def test_what_can_be_in_no_block_is_refused_or_forgotten(leader: Chamber) -> None:
    """A transaction that was fine when it came, and is not any more when its block is made."""
    with pytest.raises(RemoteError, match="did not sign"):
        leader.submit(leader.realm.leave("eve"))
    leader.submit(leader.proposal_tx())
    assert leader.replica.pending == 1
    leader.wall_ms += 3_600_000
    leader.tick(0.01)
    assert leader.proposed() == []
    assert leader.replica.pending == 0


def test_a_deadline_makes_a_block_without_transactions(leader: Chamber) -> None:
    leader.grow(leader.block())
    assert leader.replica.next_deadline(leader.now, leader.wall_ms) == leader.now + 60_000_000
    leader.wall_ms += 60_000
    leader.tick(60)
    assert txs(leader) == [()]


def test_too_many_transactions_are_too_many() -> None:
    chamber = Chamber(config=ReplicaConfig(pool=2))
    for number in (1, 2):
        chamber.submit(chamber.proposal_tx(number))
    with pytest.raises(Overloaded):
        chamber.submit(chamber.proposal_tx(3))


# certificates


def test_a_certificate_of_prepares_locks(leader: Chamber) -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    chamber.hear(CERTIFICATE, chamber.news(Phase.PREPARE, chamber.locked(block).certificate))
    assert chamber.says(COMMIT)


def test_a_certificate_without_its_block_locks_nothing(leader: Chamber) -> None:
    chamber = Chamber(at=1)
    assert chamber.hear(CERTIFICATE, chamber.news(Phase.PREPARE, chamber.locked(chamber.block()).certificate)) == []


def test_a_certificate_of_commits_decides() -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    certificate = chamber.certificate(Phase.COMMIT, chamber.core(block, view=3))
    chamber.hear(CERTIFICATE, chamber.news(Phase.COMMIT, certificate))
    assert chamber.of(Decided) == [Decided(block, certificate)]


def test_who_hands_on_a_decision_has_its_block() -> None:
    chamber = Chamber(at=1)
    certificate = chamber.certificate(Phase.COMMIT, chamber.core(chamber.block()))
    chamber.hear(CERTIFICATE, chamber.news(Phase.COMMIT, certificate), chamber.others[2])
    assert chamber.of(Fetch) == [Fetch(swarm(chamber.others[2]))]


@pytest.mark.parametrize(
    ("news", "why"),
    [
        pytest.param(
            lambda c: c.news(Phase.PRE_PREPARE, c.certificate(Phase.PRE_PREPARE, c.core(c.block()))),
            "phase that has none",
            id="of PRE_PREPARE",
        ),
        pytest.param(
            lambda c: c.news(Phase.COMMIT, c.locked(c.block()).certificate), "bad signature", id="PREPARE as COMMIT"
        ),
        pytest.param(
            lambda c: c.news(Phase.PREPARE, c.certificate(Phase.COMMIT, c.core(c.block()))),
            "bad signature",
            id="COMMIT as PREPARE",
        ),
        pytest.param(
            lambda c: c.news(Phase.COMMIT, c.certificate(Phase.COMMIT, c.core(c.block(), federation=bytes(32)))),
            "another federation",
            id="another federation's",
        ),
        pytest.param(lambda c: c.news(Phase.COMMIT, b"\xff"), "not CBOR", id="no certificate"),
    ],
)
def test_a_certificate_that_proves_nothing_is_blamed_on_its_sender(
    leader: Chamber, news: Callable[[Chamber], bytes], why: str
) -> None:
    leader.hear(CERTIFICATE, news(leader), leader.others[0])
    assert why in leader.blamed
    assert not leader.of(Decided)


# many validators: votes go to the leader


@pytest.fixture
def crowd() -> Callable[[int], Chamber]:
    """Of four, as if that were too many for everyone to hear everyone."""
    return lambda at: Chamber(at=at, config=ReplicaConfig(all_to_all=3))


def told(chamber: Chamber, kind: MessageType) -> list[bytes | None]:
    return [say.to for say in chamber.of(Say) if say.message is kind]


def test_votes_of_many_go_to_the_leader_alone(crowd: Callable[[int], Chamber]) -> None:
    chamber = crowd(1)
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))
    assert told(chamber, PREPARE) == [swarm(chamber.leader())]
    chamber.hear(CERTIFICATE, chamber.news(Phase.PREPARE, chamber.locked(block).certificate))
    assert told(chamber, COMMIT) == [swarm(chamber.leader())]


def test_their_leader_hands_on_what_it_collected(crowd: Callable[[int], Chamber]) -> None:
    chamber = crowd(0)
    block = propose(chamber)
    assert told(chamber, PREPARE) == [], "nobody sends to itself"
    core = chamber.core(block)
    for phase in (Phase.PREPARE, Phase.COMMIT):
        chamber.votes(phase, core, chamber.others[:2])
        [body] = chamber.says(CERTIFICATE)
        news = cbor.decode_as(body, CertificateNews)
        assert (news.phase, told(chamber, CERTIFICATE)) == (phase, [None])
    assert chamber.of(Decided)


def test_few_hear_each_other_and_nobody_hands_on_anything(leader: Chamber) -> None:
    core = leader.core(propose(leader))
    for phase in (Phase.PREPARE, Phase.COMMIT):
        leader.votes(phase, core, leader.others[:2])
        assert not leader.says(CERTIFICATE)
        assert set(told(leader, MessageType.COMMIT)) <= {None}


# said again


def test_while_nothing_is_decided_what_was_said_is_said_again() -> None:
    leader = Chamber(at=0, config=ReplicaConfig(repeat=seconds(0.1)))
    block = propose(leader)
    said = [*leader.says(PRE_PREPARE), *leader.says(PREPARE)]
    for _ in range(3):
        assert leader.tick(0.08) == []
        leader.tick(0.02)
        assert [*leader.says(PRE_PREPARE), *leader.says(PREPARE)] == said
    leader.grow(block)
    assert leader.tick(0.2) == []


def test_what_waits_is_handed_to_the_leader_the_oldest_first() -> None:
    config = ReplicaConfig(repeat=seconds(0.1), submit_again=2)
    follower, leader = Chamber(at=1, config=config), Chamber(at=0, config=config)
    waiting = follower.ballots()
    for tx in waiting[:3]:
        assert follower.submit(tx) == []
    assert follower.tick(0.08) == []
    follower.submit(waiting[3])
    handed = []
    for _ in range(4):
        follower.tick(0.1)
        handed.append(follower.of(Submit))
    to = follower.replica.leader().swarm
    assert handed == [[Submit(tx, to) for tx in late] for late in (waiting[:2], waiting[2:4], [], [])], "each once"
    leader.submit(waiting[0])
    leader.tick(0.1)
    assert leader.of(Submit) == []


def test_a_leader_says_again_how_its_view_began() -> None:
    chamber = Chamber(at=1)
    chamber.time_out()
    for name in chamber.others[:2]:
        chamber.call(1, name)
    body = chamber.says(MessageType.NEW_VIEW)
    chamber.tick(0.5)
    assert set(chamber.says(MessageType.NEW_VIEW)) == set(body)


def test_a_new_link_to_a_validator_hears_what_matters(leader: Chamber) -> None:
    propose(leader)
    said = leader.says(PRE_PREPARE) + leader.says(PREPARE)
    leader.met(leader.others[1])
    assert leader.says(PRE_PREPARE) + leader.says(PREPARE) == said
    assert {say.to for say in leader.of(Say)} == {swarm(leader.others[1])}
    assert leader.met("a stranger") == []
