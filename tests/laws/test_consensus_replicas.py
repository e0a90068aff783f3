"""Laws of the chain: whoever gets the same blocks, however they arrive, holds the same chain, and nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consensus.chain import Chain
from consensus.membership import MemberState
from mesh.protocol.assembly import Recovered, load_chain
from mesh.protocol.compaction import CHAIN_FILE
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import BlockRecord
from tests.support.realm import CREATOR, Realm, queen, swarm
from wire import cbor
from wire.errors import RemoteError

GUESTS = ("beta", "gamma", "delta", "epsilon", "zeta")
Deed = tuple[str, str]

deeds = st.lists(
    st.tuples(st.sampled_from(["join", "promote", "bump", "leave"]), st.sampled_from((CREATOR, *GUESTS))),
    min_size=1,
    max_size=12,
)
chains = deeds.map(lambda story: live(story))


def transaction(realm: Realm, deed: Deed) -> bytes | None:
    """The transaction of a deed, None where it may not be done now."""
    what, name = deed
    past = realm.chain.state.membership.everyone.get(swarm(name))
    member = realm.chain.member(swarm(name))
    match what:
        case "join" if member is None:
            return realm.join(name, CREATOR, past.term + 1 if past else 1)
        case "promote" if member is not None and member.state is MemberState.LEARNER:
            return realm.promote(name, member.term)
        case "bump" if member is not None:
            return realm.bump(name, member.term + 1 + len(name) % 3)
        case "leave" if member is not None and name != CREATOR:
            return realm.leave(name, member.term)
    return None


def live(story: list[Deed]) -> Realm:
    """A realm in which everything of `story` that may be done was done, one block each."""
    realm = Realm()
    for deed in story:
        tx = transaction(realm, deed)
        if tx is None:
            continue
        creator = realm.chain.creator
        realm.governor = queen(CREATOR, creator.term + (1 + len(CREATOR) % 3) * (deed == ("bump", CREATOR)))
        realm.order(tx)
    return realm


def same(one: Chain, other: Chain) -> bool:
    return (one.all_blocks(), one.head_hash, one.state_hash) == (
        other.all_blocks(),
        other.head_hash,
        other.state_hash,
    )


def fresh(realm: Realm) -> Chain:
    return Chain.from_genesis(realm.chain.genesis.raw)


@given(chains)
def test_a_replica_that_gets_the_blocks_in_order_holds_equal_state_at_equal_height(realm: Realm) -> None:
    replica, again = fresh(realm), fresh(realm)
    for raw, proof in realm.chain.all_blocks():
        assert replica.append(raw, proof)
        assert again.append(raw, proof)
        assert (replica.height, replica.state_hash) == (again.height, again.state_hash)
    assert same(replica, realm.chain)


@given(chains, st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_and_duplication_of_delivery_gives_the_same_chain(
    realm: Realm, chance: random.Random, copies: int
) -> None:
    replica = fresh(realm)
    mail = realm.chain.all_blocks() * copies
    while replica.height < realm.chain.height:
        chance.shuffle(mail)
        for raw, proof in mail:
            try:
                replica.append(raw, proof)
            except RemoteError as error:
                assert "does not follow" in error.detail  # noqa: PT017
    assert same(replica, realm.chain)


@given(chains, st.data())
def test_a_changed_byte_is_refused_and_changes_nothing(realm: Realm, data: st.DataObject) -> None:
    blocks = realm.chain.all_blocks()
    assume(blocks)
    at = data.draw(st.integers(0, len(blocks) - 1))
    held = data.draw(st.integers(at, len(blocks)))
    replica, witness = fresh(realm), fresh(realm)
    for chain in (replica, witness):
        for block in blocks[:held]:
            chain.append(*block)
    part = data.draw(st.integers(0, 0 if held > at else 1))
    changed = [bytearray(piece) for piece in blocks[at]]
    place = data.draw(st.integers(0, len(changed[part]) - 1))
    changed[part][place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RemoteError):
        replica.append(*map(bytes, changed))
    assert same(replica, witness)


@given(chains, st.data())
def test_a_restart_from_snapshot_and_journal_gives_the_same_chain(realm: Realm, data: st.DataObject) -> None:
    records = [cbor.encode_struct(BlockRecord(block=b, certificate=c)) for b, c in realm.chain.all_blocks()]
    folded = data.draw(st.integers(0, len(records)))
    start = data.draw(st.integers(0, folded))
    journal = [(int(RecordKind.BLOCK), record) for record in records[start:]]
    replica = fresh(realm)
    recovered = Recovered(records=journal, snapshots={CHAIN_FILE: cbor.encode(records[:folded])})
    assert load_chain(replica, recovered) == 0
    assert same(replica, realm.chain)


@given(chains)
def test_names_nodes_and_tickets_stay_unique(realm: Realm) -> None:
    members = realm.chain.members()
    assert len({member.name for member in members}) == len({member.peer for member in members}) == len(members)
    assert realm.chain.creator in members
    assert all(member.weight >= 1 for member in members if member.state is MemberState.ACTIVE)
    assert all(member.weight == 0 for member in members if member.state is MemberState.LEARNER)
