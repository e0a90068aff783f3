"""The small parts of a replica: what it holds for later, how long it waits, whose votes it has booked."""

from __future__ import annotations

import pytest

from consensus import membership, quorum, state, transactions, validators
from consensus.bft.desk import ReplicaConfig
from consensus.bft.held import MAX_BYTES, MAX_MESSAGES, Held
from consensus.bft.messages import CONTENT, Phase, check_vote
from consensus.bft.pacemaker import Pace, Pacemaker
from consensus.bft.votes import VoteBook
from consensus.blocks import Core, sign_core
from consensus.evidence import convicted
from consensus.governance import standing
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.validators import Validator, ValidatorSet
from tests.support.chamber import Chamber
from tests.support.realm import queen, swarm
from wire import cbor, keys
from wire.errors import BadSignature
from wire.ids import sha256
from wire.time import seconds
from wire.types import MessageType

BETA, GAMMA = swarm("beta"), swarm("gamma")
KIND = MessageType.PRE_PREPARE


# what everyone has to agree on

STATED = [
    pytest.param(validators.ROTATION, 64, id="heights after which another leads"),
    pytest.param(quorum.SMALL_FEDERATION, 3, id="members among whom a majority decides"),
    pytest.param(membership.SUSPENDED_COUNTS, 4, id="members among whom a suspended one counts"),
    pytest.param(state.MOST_CHANGED, 6, id="a block changes such a part of the weight"),
    pytest.param(standing.MAX_OPEN_OF_ONE, 16, id="open proposals of a swarm"),
    pytest.param(standing.MAX_OPEN, 1024, id="open proposals"),
    pytest.param(transactions.MAX_DEADLINE_MS, 7 * 86_400_000, id="seven days"),
    pytest.param(ReplicaConfig().clock_window_ms, 10_000, id="a new block's time is within 10 s"),
    pytest.param(ReplicaConfig().all_to_all, 6, id="up to so many, votes go to everyone"),
    pytest.param(Pace().floor, seconds(1), id="a view has 1 s"),
    pytest.param(Pace().cap, seconds(60), id="60 s at most"),
]


@pytest.mark.parametrize(("number", "stated"), STATED)
def test_the_numbers_of_the_protocol(number: int, stated: int) -> None:
    assert number == stated


def test_a_replica_tells_how_long_a_view_gets_and_how_the_present_one_began() -> None:
    chamber = Chamber(at=2)
    assert chamber.replica.patience == seconds(1)
    assert chamber.replica.opening is None
    chamber.time_out()
    assert chamber.replica.opening is None, "views change"
    chamber.begin(1)
    assert chamber.replica.opening == cbor.encode_struct(chamber.new_view(1))


# held


def test_what_is_held_is_handed_out_once_in_the_order_of_each_sender() -> None:
    held = Held()
    for sender, body in ((BETA, b"1"), (GAMMA, b"2"), (BETA, b"3")):
        held.add(sender, KIND, body)
    assert held.take() == [(BETA, KIND, b"1"), (BETA, KIND, b"3"), (GAMMA, KIND, b"2")]
    assert held.take() == []


def test_the_same_message_is_held_once() -> None:
    held = Held()
    for kind in (KIND, KIND, MessageType.NEW_VIEW):
        held.add(BETA, kind, b"1")
    assert held.take() == [(BETA, KIND, b"1"), (BETA, MessageType.NEW_VIEW, b"1")]


def test_the_oldest_of_a_sender_go_and_of_no_other() -> None:
    held = Held()
    held.add(GAMMA, KIND, b"gamma's")
    bodies = [b"%d" % number for number in range(MAX_MESSAGES + 2)]
    for body in bodies:
        held.add(BETA, KIND, body)
    assert [body for _, _, body in held.take()] == [b"gamma's", *bodies[2:]]


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        pytest.param([MAX_BYTES // 2, MAX_BYTES // 2], 2, id="as much as may be"),
        pytest.param([MAX_BYTES // 2, MAX_BYTES // 2, 1], 2, id="a byte more: the first goes"),
        pytest.param([1, 1, MAX_BYTES], 1, id="all the others go for a large one"),
        pytest.param([MAX_BYTES + 1], 1, id="one is kept whatever its size"),
    ],
)
def test_a_sender_fills_so_many_bytes(sizes: list[int], kept: int) -> None:
    held = Held()
    for number, size in enumerate(sizes):
        held.add(BETA, KIND, bytes([number]) * size)
    assert [len(body) for _, _, body in held.take()] == sizes[-kept:]


# how long


PACE = Pace(floor=seconds(1), cap=seconds(60))


def test_a_deadline_runs_only_while_there_is_work() -> None:
    pacemaker = Pacemaker(PACE)
    assert not pacemaker.due(seconds(999))
    pacemaker.work(True, seconds(10))
    pacemaker.work(True, seconds(10.5))
    assert pacemaker.deadline == seconds(11), "it began with the first"
    assert [pacemaker.due(seconds(at)) for at in (10.9, 11, 12)] == [False, True, True]
    pacemaker.work(False, seconds(10.6))
    assert pacemaker.deadline is None


def test_the_time_of_a_view_doubles_with_each_that_failed_up_to_the_cap() -> None:
    pacemaker = Pacemaker(PACE)
    times = []
    for _ in range(9):
        times.append(pacemaker.timeout() // seconds(1))
        pacemaker.view_failed(seconds(5))
    assert times == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pacemaker.deadline == seconds(65)
    for _ in range(10_000):
        pacemaker.view_failed(0)
    assert pacemaker.timeout() == seconds(60)
    pacemaker.decided(None)
    assert (pacemaker.timeout(), pacemaker.deadline) == (seconds(1), None)


@pytest.mark.parametrize(
    ("rounds", "base"),
    [
        pytest.param([], 1, id="nothing is known"),
        pytest.param([None], 1, id="nobody knows how long it took"),
        pytest.param([0.2, 0.1], 1, id="fast rounds: the floor"),
        pytest.param([0.5, 3, 0.1], 12, id="four times the slowest"),
        pytest.param([3] + [0.5] * 64, 2, id="of the last rounds alone"),
        pytest.param([100], 60, id="the cap"),
    ],
)
def test_a_view_gets_four_times_the_slowest_of_the_last_rounds(rounds: list[float | None], base: float) -> None:
    pacemaker = Pacemaker(PACE)
    for took in rounds:
        pacemaker.decided(None if took is None else seconds(took))
    assert pacemaker.base == pacemaker.timeout() == seconds(base)


# votes


FEDERATION = sha256(b"federation")
NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta")


def voters(members: int) -> ValidatorSet:
    """So many of equal weight."""
    queens = tuple(
        Validator(swarm=swarm(name), term=1, key=queen(name).public, weight=1)
        for name in sorted(NAMES[:members], key=swarm)
    )
    return ValidatorSet(epoch=3, validators=queens, rule=QuorumRule(QuorumSetting.AUTO, members))


def core(block: bytes = b"one", view: int = 2, height: int = 9) -> Core:
    return Core(FEDERATION, 3, view, height, sha256(block))


def book(votes: VoteBook, name: str, about: Core, phase: Phase = Phase.PREPARE) -> object:
    return votes.add(phase, about, swarm(name), sign_core(about, queen(name), CONTENT[phase]))


def test_a_quorum_agrees_on_one_block_in_one_slot() -> None:
    votes = VoteBook(voters(4))
    book(votes, "alpha", core())
    book(votes, "beta", core())
    book(votes, "gamma", core(b"other"))
    book(votes, "delta", core(view=3))
    book(votes, "delta", core(height=10))
    book(votes, "delta", core(), Phase.COMMIT)
    assert votes.agreed(Phase.PREPARE, 2, 9) is None
    book(votes, "delta", core())
    agreed = votes.agreed(Phase.PREPARE, 2, 9)
    assert agreed is not None
    assert (agreed[0], set(agreed[1])) == (sha256(b"one"), {swarm("alpha"), BETA, swarm("delta")})
    assert votes.agreed(Phase.COMMIT, 2, 9) is None
    assert votes.views(Phase.PREPARE, 9) == [2, 3]


def test_a_majority_of_seven_agrees_on_nothing() -> None:
    votes = VoteBook(voters(7))
    for name in NAMES[:4]:
        book(votes, name, core())
        assert votes.agreed(Phase.PREPARE, 2, 9) is None
    book(votes, NAMES[4], core())
    assert votes.agreed(Phase.PREPARE, 2, 9) is not None


@pytest.mark.parametrize("phase", Phase)
def test_who_contradicts_himself_gives_the_evidence_and_his_first_vote_stays(phase: Phase) -> None:
    votes = VoteBook(voters(4))
    assert book(votes, "beta", core(), phase) is None
    assert book(votes, "beta", core(), phase) is None
    proof = votes.add(phase, core(b"other"), BETA, sign_core(core(b"other"), queen("beta"), CONTENT[phase]))
    assert proof is not None
    assert proof.swarm == BETA
    assert convicted(proof.first, proof.second, FEDERATION, keys.verify) == queen("beta").public
    assert votes.known(phase, core(), BETA)
    assert not votes.known(phase, core(b"other"), BETA)


def test_what_is_decided_is_of_no_use_any_more() -> None:
    votes = VoteBook(voters(4))
    for height in (8, 9, 10):
        book(votes, "beta", core(height=height))
    votes.decided(9)
    assert [votes.known(Phase.PREPARE, core(height=height), BETA) for height in (8, 9, 10)] == [False, False, True]


def test_a_vote_is_of_one_phase() -> None:
    raw = sign_core(core(), queen("beta"), CONTENT[Phase.PREPARE])
    encoded = cbor.encode_struct(core())
    check_vote(Phase.PREPARE, encoded, queen("beta").public, raw, FEDERATION, keys.verify)
    for phase in (Phase.PRE_PREPARE, Phase.COMMIT):
        with pytest.raises(BadSignature):
            check_vote(phase, encoded, queen("beta").public, raw, FEDERATION, keys.verify)
