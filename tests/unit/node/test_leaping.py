"""Nodes far behind leap to a checkpoint that the voters certified, and go on; who lies about one is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bootstrap.verifying import NotProven, spelled, verify
from consensus.chain import Chain
from consensus.governance.proposals import Choice
from consensus.history import Record
from consensus.image import encode
from consensus.membership import MemberState
from consensus.state import State
from consensus.tickets import parse_ticket
from mesh.protocol import proofs
from mesh.protocol.commands import GetDecisions, GetMembers
from mesh.protocol.config import NodeConfig, VotingPolicy
from mesh.protocol.events import DamageFound, MessageReceived
from mesh.protocol.intent import JoinIntent
from mesh.protocol.messages import BlockRecord, ChainBlocks, ChainRequest, Leaps
from tests.support.governed import propose, refused, result, voting
from tests.support.small_swarms import Town
from wire import cbor
from wire.frame import pack_message
from wire.ids import swarm_id_of
from wire.time import SECOND
from wire.types import Channel, MessageType

CONFIG = NodeConfig(
    govern=True, voting=VotingPolicy(default=Choice.APPROVE), checkpoint_every=10, leap_from=12, compact_bytes=1 << 30
)
FEW, MANY = 4, 30


def town_of(*names: str, config: NodeConfig = CONFIG) -> Town:
    """A federation that governs itself; `names` are there from the beginning."""
    town = Town("alpha", "beta", "gamma", "delta", "epsilon", config=config)
    town.form(names)
    town.world.run_until(lambda: all(voting(node) for node in town.nodes()))
    return town


def decide(town: Town, times: int, first: int = 0) -> None:
    for number in range(first, first + times):
        outcome = propose(town, "alpha", kind="task", target=f"t{number}", priority="high")
        assert result(outcome)["status"] == "APPROVED"


def away(town: Town, name: str, times: int = MANY) -> None:
    """It is stopped, and many things are decided meanwhile."""
    town.world.stop(town[name])
    decide(town, times)
    town.world.start(town[name])


def same(town: Town, name: str) -> None:
    """It holds what alpha holds, to the last outcome."""
    town.world.run_until(town.equal, 30 * SECOND)
    ours, theirs = town.node(name).context.chain, town.node("alpha").context.chain
    assert (ours.state, ours.whole) == (theirs.state, True)


ALL = ("alpha", "beta", "gamma", "delta")


def test_one_that_was_away_for_long_leaps_and_votes_again() -> None:
    town = town_of(*ALL)
    away(town, "delta")
    same(town, "delta")
    node = town.node("delta")
    assert node.context.counters["leaps"] == 1
    assert node.context.chain.first > MANY // 2
    town.world.run_until(lambda: node.deciding.replica.voting)
    town.world.stop(town["gamma"])
    decide(town, 1, MANY)
    assert not any(node.context.counters["offence_chain"] for node in town.nodes())


def test_one_that_was_away_for_a_moment_gets_the_blocks() -> None:
    town = town_of(*ALL)
    away(town, "delta", FEW)
    same(town, "delta")
    assert (town.node("delta").context.counters["leaps"], town.node("delta").context.chain.first) == (0, 1)


def test_who_joins_late_leaps_and_its_anchor_holds() -> None:
    town = town_of("alpha", "beta", "gamma")
    decide(town, MANY)
    town.swarms["delta"].intent = JoinIntent(ticket=parse_ticket(town.ticket("beta")))
    town.world.start(town["delta"])
    town.settle()
    same(town, "delta")
    chain = town.node("delta").context.chain
    assert (chain.anchored, chain.first > MANY // 2) == (True, True)
    assert chain.anchor_height is not None
    assert chain.first <= chain.anchor_height


@pytest.mark.parametrize("folded", [False, True], ids=["from the journal", "from a snapshot"])
def test_after_a_restart_it_is_where_it_was_and_shows_others_the_way(folded: bool) -> None:
    town = town_of("alpha", "beta", "gamma")
    decide(town, MANY)
    town.swarms["delta"].intent = JoinIntent(ticket=parse_ticket(town.ticket("alpha")))
    town.world.start(town["delta"])
    town.settle()
    if folded:
        town.world.deliver(town["delta"], DamageFound(path="x", detail="write it anew"))
    first = town.node("delta").context.chain.first
    town.world.crash(town["delta"])
    town.world.start(town["delta"])
    town.settle()
    town.world.run_until(lambda: town.node("delta").context.links.established == 3)
    same(town, "delta")
    assert town.node("delta").context.chain.first == first
    for name in ("alpha", "beta", "gamma"):
        town.world.stop(town[name])
    town["gamma"].disk.records.clear()
    town["gamma"].disk.files.clear()
    town.world.start(town["gamma"])
    town.world.run_until(lambda: town.node("gamma").context.chain.height >= first, 60 * SECOND)
    assert town.node("gamma").context.counters["leaps"] == 1  # behind block 1, which its ticket names


# lies


def lie(town: Town, record: Record, by: str = "alpha") -> None:
    """Somebody answers delta, which had asked."""
    tell(town, BlockRecord(*record), by=by)


def tell(town: Town, *records: BlockRecord, by: str = "alpha") -> None:
    news = ChainBlocks(height=1 << 20, blocks=records)
    message = pack_message(MessageType.CHAIN_BLOCKS, cbor.encode_struct(news))
    event = MessageReceived(peer=town[by].peer, channel=Channel.MESH, message=message)
    town.world.deliver(town["delta"], event)


def test_a_lie_is_refused_counted_scored_and_the_node_goes_on() -> None:
    town = town_of(*ALL)
    node = town.node("delta")
    chain = node.context.chain
    before = chain.height
    decide(town, 1)
    town.world.run_until(town.equal)
    (block, certificate) = chain.blocks(chain.height, 0)[0]
    node.context.chain = past(town, before)
    lie(town, Record(block, certificate, b"\x80"))
    assert node.context.counters["leaps_refused"] == 1
    assert node.context.counters["offence_decode"] == 1
    assert node.context.scores.score(town["alpha"].peer, town.world.now) < 0
    assert node.context.chain.height == before
    request = node.greeting.leaping.request(town["alpha"].peer)
    assert request == ChainRequest(from_height=before + 1), "it is asked for blocks alone from then on"
    assert node.greeting.leaping.request(town["beta"].peer).leaps is Leaps.FAR


def past(town: Town, height: int) -> Chain:
    """The chain as delta held it at an earlier height."""
    whole = town.node("alpha").context.chain
    chain = Chain.from_genesis(whole.genesis.raw)
    for block, certificate in whole.all_blocks()[:height]:
        chain.append(block, certificate)
    return chain


def begun(town: Town) -> tuple[Chain, Chain]:
    """Delta stands at an earlier height, and has taken a first, light leap from alpha: (its chain, alpha's)."""
    node, whole = town.node("delta"), town.node("alpha").context.chain
    node.context.chain = past(town, 7)
    height = 20
    light = encode(state_at(town, height - 1), whole=False)
    lie(town, Record(*whole.blocks(height, 0)[0], light))
    assert node.greeting.leaping.request(town["alpha"].peer).leaps is Leaps.WANTED
    return node.context.chain, whole


def state_at(town: Town, height: int) -> State:
    return past(town, height).state


@pytest.mark.parametrize("what", ["nothing", "news of a later block"])
def test_what_does_not_go_on_from_where_it_stands_is_no_offence(what: str) -> None:
    town = town_of(*ALL)
    decide(town, 25)
    town.world.run_until(town.equal)
    node = town.node("delta")
    chain, whole = begun(town)
    asked = node.greeting.leaping.request(town["alpha"].peer)
    tip = whole.blocks(whole.height, 0)[0]
    message = {
        "nothing": (),
        "news of a later block": (BlockRecord(*tip),),
    }[what]
    tell(town, *message)
    assert node.greeting.leaping.request(town["alpha"].peer) == asked, "it asks for what it lacks"
    assert not any(name.startswith("offence") for name in node.context.counters)
    assert node.context.chain is chain


def test_a_copy_that_its_chain_has_overtaken_is_given_up() -> None:
    town = town_of(*ALL)
    decide(town, 25)
    town.world.run_until(town.equal)
    node = town.node("delta")
    chain, whole = begun(town)
    chain.append(*whole.blocks(8, 0)[0])
    tell(town, BlockRecord(*whole.blocks(21, 0)[0]))
    assert node.context.counters["leaps_overtaken"] == 1
    assert node.greeting.leaping.request(town["alpha"].peer).from_height == 9
    assert not any(name.startswith("offence") for name in node.context.counters)


# decisions behind a leap


def test_what_was_decided_before_the_leap_is_listed_and_proven_elsewhere() -> None:
    town = town_of(*ALL)
    away(town, "delta")
    same(town, "delta")
    decide(town, 1, MANY)
    town.world.run_until(town.equal)
    chain = town.node("delta").context.chain
    first, *_, last = chain.standing.outcomes
    said = refused(town.world.ask(town["delta"], GetDecisions(proposal=first.hex())))
    assert "caught up by a checkpoint" in said.message
    document = result(town.world.ask(town["delta"], GetDecisions(proposal=last.hex())))
    genesis, text = chain.genesis.raw, spelled(document)
    assert verify(text.encode(), genesis).document == document
    assert any("state" in entry for entry in document["proof"])
    for entry in document["proof"]:
        if "state" in entry:
            changed = json.loads(text)
            at = document["proof"].index(entry)
            changed["proof"][at]["state"] = entry["state"][:-2] + ("00" if entry["state"][-2:] != "00" else "01")
            with pytest.raises(NotProven):
                verify(spelled(changed).encode(), genesis)
    assert proofs.outcome_facts(chain, chain.standing.outcomes[first])["certificate"] is None


def test_who_was_suspended_before_the_leap_is_so_without_a_date() -> None:
    town = town_of(*ALL, "epsilon", config=replace(CONFIG, suspend_after=5 * SECOND))
    town.world.stop(town["gamma"])
    swarm = swarm_id_of(town.swarms["gamma"].root.public)
    standing = town.node("alpha").context.chain.standing_of
    town.world.run_until(lambda: standing(swarm) is MemberState.SUSPENDED, 90 * SECOND)
    away(town, "delta")
    town.world.run_until(town.equal, 30 * SECOND)
    assert town.node("delta").context.counters["leaps"] == 1
    for name, dated in (("alpha", True), ("delta", False)):
        rows = {row["swarm"]: row["health"] for row in result(town.world.ask(town[name], GetMembers()))["members"]}
        assert rows["gamma"]["state"] == "suspended"
        assert (rows["gamma"]["since_ms"] is not None, bool(rows["gamma"]["accused_by"])) == (dated, dated)
