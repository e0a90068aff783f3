"""Replicas agree: on one block after the other, without a leader, across crashes, cuts and loss, against twins."""

from __future__ import annotations

import pytest

from consensus import evidence
from consensus.bft.effects import NoteKind
from consensus.bft.messages import PrePrepare, Vote, open_core
from consensus.governance.proposals import Choice
from consensus.governance.tally import Status
from tests.support.council import Council, Member, ballot_tx, proposal_tx
from tests.support.realm import queen, swarm
from wire import cbor, keys
from wire.errors import Overloaded, RemoteError
from wire.ids import sha256
from wire.rng import Rng
from wire.types import MessageType

VOTES = (MessageType.PRE_PREPARE, MessageType.PREPARE, MessageType.COMMIT)
STORIES = 12


def put(council: Council, number: int, choice: Choice = Choice.APPROVE) -> None:
    """The first queen proposes, and all vote; each hands everything to everyone."""
    tx, raw = proposal_tx(council.federation, council.names[0], number, council.wall_ms)
    ballots = [ballot_tx(council.federation, name, number, raw, choice) for name in council.names]
    for name in council.names:
        for one in (tx, *ballots):
            try:
                council.submit(name, one)
            except (RemoteError, Overloaded):
                continue  # it is decided there already


def decided(council: Council, number: int) -> bool:
    """Everyone who runs has the outcome."""
    id_ = sha256(b"proposal %d" % number)[:16]
    return all(id_ in member.chain.standing.outcomes for member in council.members.values() if member.up)


def leader_of(council: Council) -> str:
    return next(name for name in council.names if swarm(name) == council.members[name].replica.leader().swarm)


def agree(council: Council) -> bool:
    """What one holds is the beginning of what the other holds."""
    chains = [[block for block, _ in member.chain.all_blocks()] for member in council.members.values()]
    longest = max(chains, key=len)
    return all(chain == longest[: len(chain)] for chain in chains)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 10, 20])
def test_all_decide_in_view_zero(size: int) -> None:
    council = Council(size)
    put(council, 1)
    assert council.run_until(lambda: decided(council, 1), limit_s=5)
    assert {m.replica.view for m in council.members.values()} == {0}
    assert all(not member.blames for member in council.members.values())


def test_votes_of_many_go_through_the_leader() -> None:
    few, many = Council(6), Council(7)
    for council in (few, many):
        put(council, 1)
        council.run_until(lambda council=council: decided(council, 1), limit_s=5)
    assert few.sent > 2 * 5 * 5
    assert many.sent < 8 * 7


@pytest.mark.parametrize(("size", "down"), [(3, 1), (4, 1), (5, 1), (7, 2), (10, 3)])
def test_a_quorum_decides_without_its_leaders(size: int, down: int) -> None:
    council = Council(size)
    for _ in range(down):
        council.crash(leader_of(council))
    put(council, 1)
    assert council.run_until(lambda: decided(council, 1), limit_s=60)
    assert agree(council)


@pytest.mark.parametrize(("size", "down"), [(2, 1), (3, 2), (4, 2), (5, 2), (7, 3)])
def test_less_than_a_quorum_decides_nothing(size: int, down: int) -> None:
    council = Council(size)
    height = council.realm.chain.height
    for name in council.names[:down]:
        council.crash(name)
    put(council, 1)
    council.run(120)
    assert council.heights() == {height}


def test_what_may_be_decided_is_proposed_again() -> None:
    """Only one replica hears the COMMITs of view 0, and it is cut off: the next leader has to propose the same."""
    council = Council(4)
    knowing = next(name for name in council.names if name != leader_of(council))

    def only_to_one(source: Member, target: Member, kind: MessageType, body: bytes) -> bytes | None:
        if kind is not MessageType.COMMIT or target.name == knowing:
            return body
        return body if open_core(cbor.decode_as(body, Vote).core, council.federation).view else None

    council.filter = only_to_one
    put(council, 1)
    height = council.realm.chain.height + 1
    assert council.run_until(lambda: council.members[knowing].chain.height == height, limit_s=5)
    council.partition([knowing], [name for name in council.names if name != knowing])
    assert council.run_until(lambda: all(m.chain.height >= height for m in council.members.values()), limit_s=60)
    assert agree(council)
    assert any(note.kind is NoteKind.VIEW_ENTERED for _, note in council.notes)


def test_a_twin_that_proposes_two_blocks_is_convicted_by_evidence() -> None:
    council = Council(4)
    lead = leader_of(council)
    twin = council.twin(lead)
    sides = [name for name in council.names if name != lead]
    council.crash(sides[2])
    council.partition([lead, sides[0]], [twin.name, sides[1]])
    for number, name in ((1, lead), (2, twin.name)):
        tx, _ = proposal_tx(council.federation, council.names[0], number, council.wall_ms)
        council.submit(name, tx)
    council.run(0.5)
    council.heal()
    council.run_until(lambda: bool(council.convicted), limit_s=20)
    _, proof = council.convicted[0]
    assert agree(council)
    assert evidence.convicted(proof.first, proof.second, council.federation, keys.verify) == queen(lead).public


def test_a_crashed_replica_says_the_same_again() -> None:
    """It is killed after each message it sends, and starts from its journal: no slot is ever signed twice apart."""
    council = Council(4)
    signed: dict[tuple[str, MessageType, int, int, int], bytes] = {}

    def once(source: Member, target: Member, kind: MessageType, body: bytes) -> bytes:
        if kind in VOTES:
            message = cbor.decode_as(body, PrePrepare if kind is MessageType.PRE_PREPARE else Vote)
            core = open_core(message.core, council.federation)
            slot = (source.name, kind, core.epoch, core.view, core.height)
            assert signed.setdefault(slot, core.block_hash) == core.block_hash, slot
        return body

    council.filter = once
    for number in range(1, 9):
        put(council, number)
        council.run(0.004 * number)
        victim = council.names[number % 4]
        council.crash(victim)
        council.restart(victim)
    assert council.run_until(lambda: decided(council, 8), limit_s=60)
    assert agree(council)
    assert len(signed) > 4 * 3 * 4


@pytest.mark.parametrize("seed", range(STORIES))
def test_a_story_of_loss_crashes_cuts_and_twins(seed: int) -> None:
    """Whatever happens nobody disagrees; and once it is over, all decide."""
    rng = Rng(seed)
    council = Council((3, 4, 5, 7)[seed % 4], seed=seed, lose=(0.0, 0.05, 0.2)[rng.randbelow(3)])
    doubled = council.names[-1] if seed % 8 >= 4 and len(council.names) > 3 else None
    if doubled:
        council.twin(doubled)
    for number in range(1, 16):
        put(council, number)
        happens(council, rng)
        council.run(rng.random() * 2)
        assert agree(council)
    council.lose = 0.0
    for name in [name for name, member in council.members.items() if not member.up]:
        council.restart(name)
    council.heal()
    put(council, 99)
    honest = [member for name, member in council.members.items() if doubled is None or not name.startswith(doubled)]
    id_ = sha256(b"proposal 99")[:16]
    assert council.run_until(lambda: all(id_ in member.chain.standing.outcomes for member in honest), limit_s=200)
    assert agree(council)
    assert all(member.chain.standing.outcomes[id_].status is Status.APPROVED for member in honest)
    assert doubled or all(not member.blames for member in honest)


def happens(council: Council, rng: Rng) -> None:
    names = list(council.members)
    match rng.randbelow(6):
        case 0:
            council.crash(names[rng.randbelow(len(names))])
        case 1:
            for name in [name for name in names if not council.members[name].up]:
                council.restart(name)
        case 2:
            sides: tuple[list[str], list[str]] = ([], [])
            for name in names:
                sides[rng.randbelow(2)].append(name)
            council.partition(*sides)
        case 3:
            council.heal()
        case _:
            pass


def test_who_abstains_signs_nothing_and_begins_once_it_may() -> None:
    council = Council(4)
    lead, height = leader_of(council), council.realm.chain.height
    replica = council.members[lead].replica
    replica.abstain(True)
    put(council, 1)
    others = [member for name, member in council.members.items() if name != lead]
    assert council.run_until(lambda: all(member.chain.height > height for member in others), limit_s=60)
    assert council.members[lead].journal == []
    assert not replica.voting
    replica.abstain(False)
    council.crash(others[0].name)
    put(council, 2)
    assert council.run_until(lambda: decided(council, 2), limit_s=60)
    assert council.members[lead].journal != []
    assert agree(council)


def test_who_is_alone_does_not_run_ahead_of_the_views_of_the_others() -> None:
    """It calls for the next view, and for no other until a quorum has come as far: so it is of use once back."""
    council = Council(4)
    alone, gone = [name for name in council.names if name != leader_of(council)][:2]
    council.partition([alone], [name for name in council.names if name != alone])
    put(council, 1)
    council.run(120)
    assert council.members[alone].replica.view == 1
    council.crash(gone)
    council.heal()
    put(council, 2)
    assert council.run_until(lambda: decided(council, 2), limit_s=10)


def test_a_leader_gets_its_whole_time_once_a_quorum_has_come_to_its_view() -> None:
    council = Council(4)
    lead = leader_of(council)
    council.crash(lead)
    late = next(name for name in council.names if name != lead)
    council.partition([late], [name for name in council.names if name != late])
    put(council, 1)
    council.run(20)  # two of four have called for a view for long
    council.heal()
    assert council.run_until(lambda: decided(council, 1), limit_s=10)
    assert {m.replica.view for m in council.members.values() if m.up} <= {1, 2}


@pytest.mark.parametrize("size", [4, 7])
def test_what_was_told_to_one_alone_is_ordered_and_nobody_leaves_the_view(size: int) -> None:
    """Whoever told it is gone, or means ill: else one message would cost the others this queen's vote."""
    council = Council(size)
    one = next(name for name in council.names if name != leader_of(council))
    tx, raw = proposal_tx(council.federation, council.names[0], 1, council.wall_ms)
    for told in (tx, *(ballot_tx(council.federation, name, 1, raw) for name in council.names)):
        council.submit(one, told)
    assert council.run_until(lambda: decided(council, 1), limit_s=1)
    council.run(10)
    assert {(m.replica.view, m.replica.entered) for m in council.members.values()} == {(0, True)}


def test_nobody_leaves_a_view_for_what_can_be_no_more() -> None:
    """A proposal that reached no leader before its deadline waits in the pools of the others."""
    council = Council(4)
    lead = leader_of(council)
    council.partition(*[[name] for name in council.names])
    tx, _ = proposal_tx(council.federation, council.names[0], 1, council.wall_ms)
    for name in council.names:
        if name != lead:
            council.submit(name, tx)
    council.run(200)  # its deadline is a minute away
    council.heal()
    council.run(200)
    replicas = [member.replica for member in council.members.values()]
    assert [replica.pending for replica in replicas if not replica.entered] in ([], [0, 0, 0])
    views = {replica.view for replica in replicas}
    council.run(500)
    assert {replica.view for replica in replicas} == views


def test_a_change_of_view_of_an_earlier_epoch_is_no_offence() -> None:
    """Whoever was expelled meanwhile and does not know it yet speaks of views of the epoch in which it had a vote."""
    council = Council(4)
    lead = leader_of(council)
    away = next(name for name in council.names if name != lead)
    council.partition([away], [name for name in council.names if name != away])
    others = [name for name in council.names if name != away]
    details = {"swarm": swarm(away).hex(), "reason": "it is silent"}
    tx, raw = proposal_tx(council.federation, lead, 1, council.wall_ms, "expel", **details)
    for name in others:
        for one in (tx, *(ballot_tx(council.federation, voter, 1, raw) for voter in others)):
            council.submit(name, one)
    council.submit(away, proposal_tx(council.federation, lead, 2, council.wall_ms)[0])
    assert council.run_until(lambda: council.members[lead].chain.member(swarm(away)) is None, limit_s=5)
    council.run(10)
    assert council.members[away].replica.view == 1
    council.heal()
    council.run(10)
    assert [member.blames for member in council.members.values()] == [[], [], [], []]
