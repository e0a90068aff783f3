"""Laws of leaping: who begins in the middle of a chain, wherever that is, is from there on where all are."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consensus import image
from consensus.chain import Chain
from consensus.history import Record
from mesh.protocol.assembly import Recovered, load_chain
from mesh.protocol.compaction import CHAIN_FILE
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import BlockRecord
from tests.laws.test_consensus_replicas import GUESTS, Realm, live
from tests.support.leaps import Story, caught_up, told
from tests.support.realm import CREATOR
from wire import cbor
from wire.errors import RemoteError

creators = st.lists(
    st.tuples(st.sampled_from(["join", "promote", "bump", "leave"]), st.sampled_from((CREATOR, *GUESTS))),
    min_size=12,
    max_size=40,
).map(live)


class Told(Story):
    """A governed chain with so many decisions in each of its epochs."""

    def __init__(self, epochs: list[int]) -> None:
        super().__init__(epochs=0, calm=0)
        for number, calm in enumerate(epochs):
            for _ in range(calm):
                self.decide()
            self.renew(number)


def hashes(chain: Chain) -> dict[int, bytes]:
    """The state hash at each height, by replay from the genesis."""
    again, found = Chain.from_genesis(chain.genesis.raw), {}
    for block, certificate in chain.all_blocks():
        again.append(block, certificate)
        found[again.height] = again.state_hash
    return found


def follows(chain: Chain, source: Chain, spacing: int, start: int) -> None:
    """From `start` on, block by block or by leaps: at each height that it stands on it holds what replay leads to."""
    source.landmarks.spacing = spacing
    seen = Chain.from_genesis(source.genesis.raw)
    seen.landmarks.spacing = spacing
    for block, certificate in source.all_blocks():
        seen.append(block, certificate)
    expected = hashes(source)
    for block, certificate in source.all_blocks()[:start]:
        chain.append(block, certificate)
    way = seen.course(start, None, 1 << 30)
    for record in way:
        assert chain.append(*record)
        assert chain.state_hash == expected[chain.height]
    for block, certificate in source.blocks(chain.height + 1, 1 << 30):
        assert chain.append(block, certificate)
        assert chain.state_hash == expected[chain.height]
    assert (chain.state, chain.head_hash, chain.whole) == (source.state, source.head_hash, True)


@given(creators, st.integers(1, 6), st.integers(0, 40))
def test_leaps_over_what_a_creator_ordered_lead_where_replay_does(realm: Realm, spacing: int, start: int) -> None:
    chain = realm.chain
    follows(Chain.from_genesis(chain.genesis.raw), chain, spacing, min(start, chain.height))


@settings(max_examples=15)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=4), st.integers(2, 12), st.integers(0, 60))
def test_leaps_over_what_queens_decided_lead_where_replay_does(epochs: list[int], spacing: int, start: int) -> None:
    chain = Told(epochs).chain
    follows(Chain.from_genesis(chain.genesis.raw), chain, spacing, min(start, chain.height))


@given(st.integers(0, 90), st.booleans())
def test_an_image_gives_its_state_back(height: int, whole: bool) -> None:
    story = told()
    assume(height in story.states)
    state = story.states[height]
    raw = image.encode(state, whole=whole)
    again, has_outcomes = image.decode(raw, story.chain.genesis, state.epoch)
    assert (again.hash, has_outcomes) == (state.hash, whole)
    assert image.encode(again, whole=whole) == raw
    assert again.membership == state.membership
    if whole:
        assert again == state


@settings(max_examples=200)
@given(st.data())
def test_a_changed_byte_of_an_image_is_refused_and_changes_nothing(data: st.DataObject) -> None:
    story = told()
    record = story.leap_to(25)
    assert record.state is not None
    changed = bytearray(record.state)
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    chain = story.fresh()
    for block, certificate in story.chain.all_blocks()[:9]:
        chain.append(block, certificate)
    before = chain.state, chain.head_hash, chain.records()
    with pytest.raises(RemoteError):
        chain.append(record.block, record.certificate, bytes(changed))
    assert (chain.state, chain.head_hash, chain.records()) == before


@given(st.binary(max_size=300))
def test_bytes_that_are_no_image_are_refused(raw: bytes) -> None:
    with pytest.raises(RemoteError):
        image.decode(raw, told().chain.genesis, 0)


@given(st.data())
def test_a_disk_that_leaped_gives_the_same_chain_however_much_of_it_is_folded_or_cut(data: st.DataObject) -> None:
    story = told()
    start = data.draw(st.sampled_from([0, 9, 30, 60]))
    chain = story.fresh()
    for block, certificate in story.chain.all_blocks()[:start]:
        chain.append(block, certificate)
    caught_up(chain, story)
    records = [cbor.encode_struct(BlockRecord(*record)) for record in chain.records()]
    folded = data.draw(st.integers(0, len(records)))
    journal = [(int(RecordKind.BLOCK), record) for record in records[data.draw(st.integers(0, folded)) :]]
    again = story.fresh()
    snapshots = {CHAIN_FILE: cbor.encode(records[:folded])}
    assert load_chain(again, Recovered(records=journal, snapshots=snapshots)) == 0
    assert (again.state, again.head_hash, again.records()) == (chain.state, chain.head_hash, chain.records())
    cut = data.draw(st.integers(0, len(records)))
    torn = story.fresh()
    load_chain(torn, Recovered(records=[(int(RecordKind.BLOCK), one) for one in records[:cut]]))
    assert torn.whole, "what was cut within a leap is as if the leap had never begun"
    assert caught_up(torn, story).state == story.chain.state


def test_a_record_is_what_a_chain_takes() -> None:
    assert Record._fields == BlockRecord.__struct_fields__ == ("block", "certificate", "state")
