"""A chain that leaps: what brings it where others stand, what it refuses, and what it then knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from consensus import history, image
from consensus.bft.messages import Phase
from consensus.blocks import Block
from consensus.chain import Chain
from consensus.history import Record
from consensus.membership import MemberState
from consensus.tickets import Anchor
from tests.support.leaps import SPACING, Story, caught_up, creators, told
from tests.support.realm import queen, swarm
from wire import cbor
from wire.errors import Equivocation, Overtaken, ProtocolViolation, RemoteError
from wire.ids import Digest


def test_a_newcomer_leaps_from_epoch_to_epoch_and_ends_where_all_are() -> None:
    story = told()
    course = story.course()
    assert len(course) < story.chain.height // 2, "most blocks are passed over"
    newcomer = caught_up(story.fresh(), story)
    assert (newcomer.height, newcomer.head_hash, newcomer.epoch) == (
        story.chain.height, story.chain.head_hash, story.chain.epoch
    )  # fmt: skip
    assert newcomer.state == story.chain.state, "to the last outcome, and in the same order"
    assert list(newcomer.standing.outcomes) == list(story.chain.standing.outcomes)
    assert newcomer.whole
    assert newcomer.time_ms == story.chain.time_ms
    assert newcomer.first > SPACING
    assert newcomer.blocks(newcomer.first - 1, 1 << 20) == [], "what is not held is not served"
    assert newcomer.blocks(newcomer.first, 1 << 20) == story.chain.blocks(newcomer.first, 1 << 20)


@pytest.mark.parametrize("from_end", [1, 2, 8, 9, 21, 30, 50, 60])
def test_a_laggard_begins_at_its_own_last_block(from_end: int) -> None:
    story = told()
    laggard = story.fresh()
    for block, certificate in story.chain.all_blocks()[:-from_end]:
        laggard.append(block, certificate)
    held = laggard.height
    assert caught_up(laggard, story).state == story.chain.state
    assert laggard.records()[:held] == [Record(*pair) for pair in story.chain.all_blocks()[:held]], (
        "it forgets nothing"
    )


def test_who_leaped_shows_others_the_same_way() -> None:
    story = told()
    second = caught_up(story.fresh(), story)
    third = story.fresh()
    for record in second.course(0, None, 1 << 30):
        third.append(*record)
    for block, certificate in second.blocks(third.height + 1, 1 << 30):
        third.append(block, certificate)
    assert third.state == story.chain.state


def test_what_it_has_leads_from_the_genesis_again() -> None:
    story = told()
    newcomer = caught_up(story.fresh(), story)
    again = story.fresh()
    for record in newcomer.records():
        assert again.append(*record)
    assert (again.state, again.first, again.whole) == (newcomer.state, newcomer.first, True)
    assert newcomer.way_to(newcomer.first) == newcomer.records()[: len(story.course())]


def test_a_chain_of_a_creator_leaps_as_well() -> None:
    realm = creators(40)
    newcomer = Chain.from_genesis(realm.chain.genesis.raw)
    for record in realm.chain.course(0, None, 1 << 30):
        newcomer.append(*record)
    for block, certificate in realm.chain.blocks(newcomer.height + 1, 1 << 30):
        newcomer.append(block, certificate)
    assert (newcomer.state, newcomer.whole) == (realm.chain.state, True)


@pytest.mark.parametrize("leaped", [False, True], ids=["from the genesis", "behind a leap"])
def test_a_block_is_proven_by_few(leaped: bool) -> None:
    story = told()
    chain = caught_up(story.fresh(), story) if leaped else story.chain
    for height in range(chain.first, chain.height + 1):
        way = chain.way_to(height)
        proven = story.fresh()
        for record in way:
            assert proven.append(*record)
        assert proven.height == height
        assert height not in story.states or proven.state_hash == story.hash(height)
    assert len(chain.way_to(chain.height)) < 40


def test_a_block_whose_way_is_too_large_is_proven_by_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MAX_IMAGE", 100)
    chain = told().chain
    assert chain.way_to(80) == chain.records()[:80]


# refusals


HOSTILE: dict[str, tuple[Callable[[Story], Record], str]] = {
    "another state": (
        lambda s: Record(*pair(s, 16), image.encode(s.states[14], whole=True)),
        "an image of another state",
    ),
    "a state of another epoch": (
        lambda s: Record(*pair(s, 16), image.encode(s.states[40], whole=True)),
        "another",
    ),
    "a weight": (
        lambda s: Record(*pair(s, 16), changed(s, 15, lambda rows: rows[2][0].__setitem__(5, 9))),
        "an image of another state",
    ),
    "a truncated image": (lambda s: Record(*pair(s, 16), image.encode(s.states[15], whole=True)[:-1]), "."),
    "no image": (lambda s: Record(*pair(s, 16), b"\x80"), "."),
    "a huge one": (lambda s: Record(*pair(s, 16), bytes(image.MAX_IMAGE + 1)), "."),
    "a term that was never": (
        lambda s: Record(*pair(s, 16), changed(s, 15, lambda rows: rows[2][0].__setitem__(7, 9))),
        "a term that it never had",
    ),
    "outcomes left out": (
        lambda s: Record(*pair(s, 16), changed(s, 15, lambda rows: fewer(rows))),
        "without outcomes that its state remembers",
    ),
    "an outcome that was not": (
        lambda s: Record(*pair(s, 16), changed(s, 15, lambda rows: rows[9][0].__setitem__(1, "REJECTED"))),
        "an image of another state",
    ),
    "a certificate that is too light": (
        lambda s: Record(pair(s, 16)[0], light(s, 16), image.encode(s.states[15], whole=True)),
        "too little weight",
    ),
    "another block's certificate": (
        lambda s: Record(pair(s, 16)[0], pair(s, 17)[1], image.encode(s.states[15], whole=True)),
        "a certificate of another block",
    ),
    "a later epoch": (lambda s: s.leap_to(40), "into another epoch"),
}


def pair(story: Story, height: int) -> tuple[bytes, bytes]:
    return story.chain.blocks(height, 0)[0]


def changed(story: Story, height: int, change: Callable[[list[Any]], Any]) -> bytes:
    rows = cbor2.loads(image.encode(story.states[height], whole=True))
    change(rows)
    return cbor.encode(rows)


def fewer(rows: list[Any]) -> None:
    """The oldest outcome is folded into what comes before: the hash is the same."""
    standing = image.decode(cbor.encode(rows), told().chain.genesis, 0)[0].standing
    first = next(iter(standing.outcomes.values()))
    rows[8], rows[9] = history_after(first), rows[9][1:]


def history_after(outcome: Any) -> Digest:
    from consensus.governance.standing import Standing

    return Standing(params=told().chain.params).closed(outcome).history


def light(story: Story, height: int) -> bytes:
    """Signed by one of four."""
    certificate = cbor2.loads(pair(story, height)[1])
    return cbor.encode([certificate[0], b"\x01", certificate[2][:1]])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_leap_leaves_the_chain_as_it_was(name: str) -> None:
    story = told()
    make, why = HOSTILE[name]
    chain = standing_at(story, 9)
    before = (chain.height, chain.state, chain.head_hash, chain.records())
    with pytest.raises(RemoteError, match=why):
        chain.append(*make(story))
    assert (chain.height, chain.state, chain.head_hash, chain.records()) == before
    assert caught_up(chain, story).state == story.chain.state, "and it goes on"


def standing_at(story: Story, height: int, anchor: Anchor | None = None) -> Chain:
    chain = Chain.from_genesis(story.chain.genesis.raw, anchor=anchor)
    for block, certificate in story.chain.all_blocks()[:height]:
        chain.append(block, certificate)
    return chain


def test_a_leap_into_a_block_that_may_not_be_lands_nowhere() -> None:
    """Its certificate is good, as that of a quorum that lies; the rules are judged all the same."""
    story = told()
    chain = standing_at(story, 9)
    block = cbor.decode_as(pair(story, 16)[0], Block)
    bad = cbor.encode_struct(
        Block(block.height, block.epoch, block.parent_hash, block.time_ms, block.prev_state_hash, ())
    )
    core = story.chamber.core(bad, height=16, epoch=block.epoch)
    signed = {s.swarm: signature(story, core, s.swarm) for s in chain.validators().validators}
    with pytest.raises(ProtocolViolation, match="nothing in it"):
        chain.append(bad, chain.validators().certify(core, signed), image.encode(story.states[15], whole=True))
    assert chain.height == 9


def signature(story: Story, core: Any, voter: bytes) -> bytes:
    from consensus.bft.messages import CONTENT
    from consensus.blocks import sign_core

    name = next(name for name in story.chamber.order if swarm(name) == voter)
    return sign_core(core, queen(name), CONTENT[Phase.COMMIT])


@pytest.mark.parametrize("at", [0, 12, 15, 16, 17, 25])
def test_no_leap_passes_over_the_anchor(at: int) -> None:
    story = told()
    anchor = Anchor(0, at, story_hash(story, at))
    chain = standing_at(story, 9, anchor)
    if 9 < at < 15:
        with pytest.raises(ProtocolViolation, match="over the block that our ticket names"):
            chain.append(*story.leap_to(16))
    else:
        assert chain.append(*story.leap_to(16))
        assert chain.anchored is (at <= 16)


@pytest.mark.parametrize("at", [15, 16])
def test_a_leap_to_another_anchor_is_refused(at: int) -> None:
    story = told()
    chain = standing_at(story, 9, Anchor(0, at, bytes(32)))
    with pytest.raises(ProtocolViolation, match="is not the one that our ticket names"):
        chain.append(*story.leap_to(16))


def story_hash(story: Story, height: int) -> bytes:
    known = history.hash_of(story.chain._history.at(height))
    return known or story.chain.federation_id


def test_a_course_does_not_pass_the_anchor() -> None:
    story = told()
    last = max(story.chain.landmarks._checkpoints)
    (*_, landing) = story.chain.course(0, last - 1, 1 << 30)
    assert cbor.decode_as(landing.block, Block).height == last - SPACING + 1
    assert story.chain.course(0, SPACING, 1 << 30) == [], "so far back no checkpoint is kept"
    assert story.chain.course(story.chain.height, None, 1 << 30) == []


def test_who_leaped_itself_shows_the_way_to_an_anchor_by_the_ends_of_epochs() -> None:
    """It has no blocks for the heights before; where the anchor ended an epoch, its last blocks lead there."""
    story = told()
    server = caught_up(story.fresh(), story)
    way = server.course(0, 7, 1 << 30)
    assert [cbor.decode_as(record.block, Block).height for record in way] == list(range(1, 8))
    assert all(record.state is None for record in way)
    chain = Chain.from_genesis(story.chain.genesis.raw, anchor=Anchor(0, 7, story_hash(story, 7)))
    for record in way:
        chain.append(*record)
    assert chain.anchored
    assert caught_up(chain, story).state == story.chain.state


def test_a_state_that_is_too_large_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MAX_IMAGE", 100)
    assert told().course() == []


def test_a_course_comes_in_parts() -> None:
    story, chain = told(), told().fresh()
    turns = 0
    while part := story.chain.course(chain.height, None, 1):
        (record,) = part
        chain.append(*record)
        turns += 1
    for block, certificate in story.chain.blocks(chain.height + 1, 1 << 20):
        chain.append(block, certificate)
    assert turns == len(story.course())
    assert chain.state == story.chain.state


# what it then knows


def test_it_is_whole_once_it_has_the_blocks_that_a_promotion_may_name() -> None:
    story = told()
    chain = standing_at(story, 9)
    chain.append(*story.leap_to(16))
    for height in range(17, 23):
        chain.append(*pair(story, height))
        assert not chain.whole
    chain.append(*pair(story, 23))
    assert chain.whole


def test_without_its_outcomes_it_is_not_whole_until_another_leap_brings_them() -> None:
    story = told()
    chain = standing_at(story, 9)
    chain.append(*story.leap_to(16, whole=False))
    for height in range(17, 25):
        chain.append(*pair(story, height))
    assert not chain.whole
    assert chain.state.hash == story.hash(24), "and yet it knows what is voted on"
    chain.append(*story.leap_to(25))
    for height in range(26, 33):
        chain.append(*pair(story, height))
    assert chain.whole


def test_a_block_that_it_passed_over_is_no_fork_and_no_news() -> None:
    story = told()
    chain = standing_at(story, 9)
    chain.append(*story.leap_to(16))
    assert not chain.append(*pair(story, 12))
    assert not chain.append(*pair(story, 16))


def test_a_fork_behind_the_leap_is_proven() -> None:
    story = told()
    chain = standing_at(story, 9)
    chain.append(*story.leap_to(16))
    chain.append(*pair(story, 17))
    block = cbor.decode_as(pair(story, 17)[0], Block)
    other = cbor.encode_struct(
        Block(17, block.epoch, block.parent_hash, block.time_ms + 1, block.prev_state_hash, block.txs)
    )
    core = story.chamber.core(other, height=17, epoch=block.epoch)
    signed = {s.swarm: signature(story, core, s.swarm) for s in chain.validators().validators}
    with pytest.raises(Equivocation, match="two blocks are certified for height 17"):
        chain.append(other, chain.validators().certify(core, signed))


def test_a_promotion_by_a_block_before_the_leap_is_taken_from_a_quorum() -> None:
    """Right behind a leap the blocks that it names are not held; a chain that votes has them."""
    story = Story(epochs=0, calm=2)
    gone, chamber = story.chamber.order[-1], story.chamber
    realm = chamber.realm
    state = chamber.chain.state
    learner = state.membership.put(swarm(gone), MemberState.LEARNER).weighed()
    chamber.chain.state = type(state)(learner, state.standing, state.epoch)
    realm_chain, realm.chain = realm.chain, chamber.chain
    try:
        promotion = realm.promote(gone)
    finally:
        realm.chain = realm_chain
    chamber.order = [name for name in chamber.order if name != gone]
    with pytest.raises(Overtaken):
        for _ in range(12):
            chamber.chain.check_transaction(promotion, chamber.wall_ms)
            story.decide()


def test_the_time_goes_on_behind_a_leap() -> None:
    story = told()
    chain = standing_at(story, 9)
    assert chain.append(*story.leap_to(16))
    assert chain.time_ms == cbor.decode_as(pair(story, 16)[0], Block).time_ms
