"""Lies of queens: each says what its name says, under the liar's own seal, and to each listener for itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.actions import Deceit, Deceive
from chaos.deceits import BOAST, LIES
from chaos.faults import heal, perform
from chaos.rules import Chances
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from consensus import evidence
from consensus.accusations import open_accusation
from consensus.bft.messages import NewView, PrePrepare, ViewChange, ViewChangeHeader, open_view_change
from consensus.blocks import BallotTx, Certificate, block_hash, decode_tx
from consensus.governance.proposals import Choice, open_ballot
from tests.support.leaps import caught_up
from tests.support.leaps import told as story_told
from tests.support.perjury import Council, opened, packed
from wire import cbor, keys
from wire.errors import RemoteError
from wire.frame import code_of, pack_message, unpack_message
from wire.ids import ZERO_DIGEST
from wire.rng import Rng
from wire.types import MessageType

VIEW_CHANGES = (Deceit.FALSE_LOCK, Deceit.DENIED_LOCK, Deceit.FALSE_BASE)
PING = pack_message(MessageType.PING, b"")


@pytest.fixture
def council() -> Council:
    return Council()


def proposal(council: Council, view: int = 0) -> bytes:
    return packed(council.rules().pre_prepare(council.core(view), council.block))


def vote(council: Council) -> bytes:
    return packed(council.rules().commit(council.core(0), council.prepared(0), council.block))


# What each lie twists.
WORDS: dict[Deceit, Callable[[Council], bytes]] = {
    Deceit.TWO_BLOCKS: proposal,
    Deceit.TWO_VOTES: vote,
    Deceit.TWO_BALLOTS: lambda council: council.ballot(),
    Deceit.HEAVY_BALLOTS: lambda council: council.ballot(),
    Deceit.NO_CERTIFICATES: vote,
    Deceit.NO_BODIES: proposal,
    **dict.fromkeys(VIEW_CHANGES, lambda council: council.change(council.rules(), locked=True)),
    Deceit.UNBOUND_VIEW: lambda council: council.beginning(),
    Deceit.ACCUSES: lambda council: PING,
}


@pytest.mark.parametrize("lie", Deceit)
def test_a_lie_is_told_at_its_rate_and_about_nothing_else(lie: Deceit, council: Council) -> None:
    message = WORDS.get(lie, proposal)(council)
    if lie is Deceit.OLD_VIEW:
        council.liar.begun.append(unpack_message(council.beginning())[1])
    told = [said != (message,) for said in council.says(lie, message, rate=0.5, times=400)]
    assert 100 < sum(told) < 260
    assert code_of(message) in LIES[lie][0]
    pong = pack_message(MessageType.PONG, b"")
    assert set(council.says(lie, pong)) == {(pong,)}


def test_two_blocks_of_one_place_convict_her(council: Council) -> None:
    said = council.says(Deceit.TWO_BLOCKS, proposal(council))
    assert {len(words) for words in said} == {1, 2}
    assert len(set(said)) == 4  # each of them, or both in either order
    one, other = next(words for words in said if len(words) == 2)
    assert block_hash(opened(other, PrePrepare).block) == council.vote(other)[0].block_hash
    pair = council.vote(one)[1], council.vote(other)[1]
    assert evidence.convicted(*pair, council.fed, keys.verify) == council.home.queen.public


def test_two_votes_of_one_place_convict_her(council: Council) -> None:
    said = council.says(Deceit.TWO_VOTES, vote(council))
    one, other = next(words for words in said if len(words) == 2)
    pair = council.vote(one)[1], council.vote(other)[1]
    assert evidence.convicted(*pair, council.fed, keys.verify) == council.home.queen.public
    assert len(set(said)) == 3


@pytest.mark.parametrize("choice", Choice)
def test_two_ballots_on_one_proposal_convict_her(choice: Choice, council: Council) -> None:
    said = council.says(Deceit.TWO_BALLOTS, council.ballot(choice))
    pair = next(words for words in said if len(words) == 2)
    ballots = [tx.ballot for tx in map(decode_tx, (unpack_message(w)[1] for w in pair)) if isinstance(tx, BallotTx)]
    assert evidence.convicted(*ballots, council.fed, keys.verify) == council.home.queen.public


def test_a_ballot_boasts(council: Council) -> None:
    ((word,),) = set(council.says(Deceit.HEAVY_BALLOTS, council.ballot()))
    tx = decode_tx(unpack_message(word)[1])
    assert isinstance(tx, BallotTx)
    assert open_ballot(tx.ballot, council.fed, keys.verify)[0].weight == BOAST


def test_what_she_keeps_to_herself_is_not_said(council: Council) -> None:
    assert set(council.says(Deceit.NO_CERTIFICATES, vote(council))) == {()}
    assert set(council.says(Deceit.NO_BODIES, proposal(council))) == {()}
    ((change,),) = set(council.says(Deceit.NO_BODIES, council.change(council.rules(), locked=True)))
    assert (opened(change, ViewChange).certificate, opened(change, ViewChange).block) == (None, None)
    ((begun,),) = set(council.says(Deceit.NO_BODIES, council.beginning()))
    with pytest.raises(RemoteError, match="does not show the block"):
        council.elections().open(opened(begun, NewView))


def headers(council: Council, lie: Deceit) -> list[ViewChangeHeader]:
    """What she says of herself in changes of view; each is under her seal."""
    said = council.says(lie, council.change(council.rules(), locked=True))
    pairs = [open_view_change(opened(word, ViewChange).header, council.fed, keys.verify) for (word,) in said]
    assert {key for _, key in pairs} == {council.home.queen.public}
    return [header for header, _ in pairs]


def test_a_false_lock_is_on_what_nobody_prepared(council: Council) -> None:
    assert len({(one.prepared_view, one.prepared_hash) for one in headers(council, Deceit.FALSE_LOCK)}) > 5
    for (word,) in council.says(Deceit.FALSE_LOCK, council.change(council.rules(), locked=True)):
        elections = council.elections()
        with pytest.raises(RemoteError):
            elections.check_lock(elections.read(opened(word, ViewChange)))


def test_a_false_base_is_ahead_or_behind(council: Council) -> None:
    heights = {one.committed_height - council.chain.height for one in headers(council, Deceit.FALSE_BASE)}
    assert min(heights) < 0 < max(heights)
    assert 0 not in heights


def test_a_false_base_names_no_block_of_another_height(council: Council) -> None:
    """Her node leapt over the first blocks: those that it holds stand at higher places."""
    story = story_told()
    leapt = caught_up(story.fresh(), story)
    assert leapt.first > council.chain.height + 4
    council.liar.chain = lambda: leapt
    held = {block_hash(block) for block, _ in leapt.all_blocks()}
    assert not held & {one.committed_hash for one in headers(council, Deceit.FALSE_BASE)}


def test_a_denied_lock_convicts_her_who_committed(council: Council) -> None:
    locks = {(one.prepared_view, one.prepared_hash) for one in headers(council, Deceit.DENIED_LOCK)}
    assert locks == {(-1, ZERO_DIGEST)}
    ((change,),) = set(council.says(Deceit.DENIED_LOCK, council.change(council.rules(), locked=True)))
    pair = council.vote(vote(council))[1], opened(change, ViewChange).header
    assert evidence.convicted(*pair, council.fed, keys.verify) == council.home.queen.public


def test_an_old_view_begins_again_as_it_was_or_with_another_number(council: Council) -> None:
    assert set(council.says(Deceit.OLD_VIEW, proposal(council))) == {(proposal(council),)}  # she knows of none
    assert next(iter(council.liar.told(council.beginning(), Rng(1).split))) == council.beginning()
    elections, outcomes = council.elections(), set()
    for first, old in council.says(Deceit.OLD_VIEW, proposal(council)):
        assert first == proposal(council)
        try:
            outcomes.add(elections.open(opened(old, NewView)).view)
        except RemoteError as error:
            outcomes.add(error.detail)
    assert outcomes == {1, "a new view that rests on a change to another view"}


def test_an_unbound_view_forgets_her_own_lock_and_is_believed(council: Council) -> None:
    """Only where it was hers alone: what a quorum is locked on she cannot hide."""
    assert council.elections().open(opened(council.beginning(), NewView)).forced == block_hash(council.block)
    ((word,),) = set(council.says(Deceit.UNBOUND_VIEW, council.beginning()))
    assert council.elections().open(opened(word, NewView)).forced is None
    first, later = (set(council.says(Deceit.UNBOUND_VIEW, proposal(council, view))) for view in (0, 1))
    assert first == {(proposal(council),)}
    assert later.isdisjoint({(proposal(council, 1),)})
    council.liar.key = council.rules(0)._key  # what another one began she hands on
    assert set(council.says(Deceit.UNBOUND_VIEW, council.beginning())) == {(council.beginning(),)}


def test_accusations_are_authentic_and_of_anybody(council: Council) -> None:
    accused = set()
    for first, word in council.says(Deceit.ACCUSES, PING):
        assert first == PING
        body = open_accusation(unpack_message(word)[1], council.voters, council.fed, keys.verify)
        assert body.accuser == council.home.swarm
        accused.add(body.accused)
    assert accused == {home for home in council.homes if home != council.home.swarm}
    council.liar.chain = lambda: None
    assert set(council.says(Deceit.ACCUSES, PING)) == {(PING,)}


def test_certificates_that_she_shows_are_no_certificates_of_that(council: Council) -> None:
    """Of the proofs of a false lock there are three: what she is locked on, the last decision, and none."""
    said = council.says(Deceit.FALSE_LOCK, council.change(council.rules(), locked=True))
    shown = [opened(word, ViewChange).certificate for (word,) in said]
    assert None in shown
    assert len({cbor.decode_as(raw, Certificate).core for raw in shown if raw}) == 2


# chance


def drawn(chances: Chances, *sayings: tuple[str, str, bytes]) -> list[int]:
    return [chances.of(*saying).randbelow(1 << 30) for saying in sayings]


def test_what_is_left_out_moves_nothing_else() -> None:
    one, two, twice = ("s1", "s2", b"a"), ("s1", "s3", b"a"), ("s1", "s2", b"a")
    whole = drawn(Chances(Rng(1)), one, two, twice, ("s2", "s1", b"a"))
    assert len(set(whole)) == 4  # each listener, and each time, for itself
    assert drawn(Chances(Rng(1)), two, ("s2", "s1", b"a")) == [whole[1], whole[3]]
    assert drawn(Chances(Rng(2)), one) != whole[:1]


def test_it_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.rules._SAYINGS", 2)
    chances = Chances(Rng(1))
    first = drawn(chances, ("s1", "s2", b"a"))
    drawn(chances, ("s1", "s2", b"b"), ("s1", "s2", b"c"))
    assert drawn(chances, ("s1", "s2", b"a")) == first
    assert len(chances._times) == 2


# in the world


def test_a_queen_deceives_for_a_while_and_is_trusted_with_nothing() -> None:
    world = World(Scenario(seed=1, swarms=4, govern=True))
    for host in world.hosts.values():
        world.start(host)
    world.run(5 * SECOND)
    perform(world, Deceive(at_ms=0, host="s2", lie=Deceit.ACCUSES, for_ms=1_000))
    perform(world, Deceive(at_ms=0, host="s2", lie=Deceit.TWO_BLOCKS, rate=0.5, for_ms=60_000))
    perform(world, Deceive(at_ms=0, host="s9", lie=Deceit.TWO_BLOCKS, for_ms=60_000))
    liar = world.rules.deceivers["s2"]
    assert liar.lies == {Deceit.ACCUSES: 1.0, Deceit.TWO_BLOCKS: 0.5}
    assert (liar.chain(), liar.swarm) == (world.hosts["s2"].process.node.context.chain, world.hosts["s2"].home.swarm)  # type: ignore[union-attr]
    world.run(world.now + 2 * SECOND)
    assert liar.lies == {Deceit.TWO_BLOCKS: 0.5}
    assert [host.name for host in world.hosts.values() if host.byzantine] == ["s2"]
    world.stop(world.hosts["s2"])
    assert liar.chain() is None
    heal(world, list(world.hosts.values()))
    assert world.rules.deceivers == {}
