"""Scenarios of the pure node: forming a federation, by each way in."""

from __future__ import annotations

import pytest

from consensus.genesis import Params
from consensus.tickets import parse_ticket
from mesh.protocol.commands import (
    Admit,
    Failure,
    FailureKind,
    GetStatus,
    Invite,
    Join,
    MemoryGet,
    MemoryList,
    MemoryPut,
    MemoryRemove,
    Propose,
    Success,
)
from mesh.protocol.config import NodeConfig
from mesh.protocol.events import PeerFound
from mesh.protocol.intent import JoinIntent
from mesh.protocol.joiner import Joiner
from mesh.protocol.lifecycle import Lifecycle
from tests.support.small_swarms import CREATORS_RULE, Town
from tests.support.small_world import Host
from wire.time import SECOND


def status(town: Town, name: str) -> dict[str, object]:
    outcome = town.world.ask(town[name], GetStatus())
    assert isinstance(outcome, Success)
    return dict(outcome.result)


def values(town: Town, name: str, key: str) -> object:
    outcome = town.world.ask(town[name], MemoryGet(key=key))
    return outcome.result["values"] if isinstance(outcome, Success) else None


def test_three_swarms_form_a_federation_and_share_a_write() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    outcome = town.world.ask(town["beta"], MemoryPut(key="plan", value=b'{"step": 1}'))
    assert isinstance(outcome, Success), outcome
    town.world.run_until(lambda: all(values(town, name, "plan") for name in town.swarms), SECOND)
    assert values(town, "gamma", "plan") == {"beta": {"step": 1}}


def test_every_member_is_linked_to_every_other() -> None:
    town = Town("alpha", "beta", "gamma", "delta")
    town.form()
    town.world.run_until(lambda: all(len(node.context.links.members()) == 3 for node in town.nodes()), 10 * SECOND)


def test_status_shows_the_federation() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    seen = status(town, "gamma")
    assert seen["lifecycle"] == "OPERATIONAL"
    assert seen["height"] == 5  # the creator hands over to itself, then two are admitted and promoted
    assert sorted(member["swarm"] for member in seen["members"]) == ["alpha", "beta", "gamma"]  # type: ignore[attr-defined, index]
    assert seen["quorum"]["crash_faults_tolerated"] == 1  # type: ignore[index]


def test_any_member_invites() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha", "beta"])
    town.swarms["gamma"].intent = JoinIntent(ticket=parse_ticket(town.ticket("beta")))
    town.world.start(town["gamma"])
    town.settle()
    assert town.node("alpha").context.chain.member_by_name("gamma") is not None


@pytest.mark.parametrize(
    ("config", "why"),
    [
        pytest.param(CREATORS_RULE, "the creator of the federation is out of reach", id="while it governs"),
        pytest.param(
            NodeConfig(), "the members cannot decide now: 1 of 2 weight is in reach", id="one of two queens"
        ),
    ],
)
def test_a_join_waits_while_the_creator_is_away_and_says_so(config: NodeConfig, why: str) -> None:
    town = Town("alpha", "beta", "gamma", config=config)
    town.form(["alpha", "beta"])
    ticket = parse_ticket(town.ticket("beta"))
    town.world.stop(town["alpha"])
    town.swarms["gamma"].intent = JoinIntent(ticket=ticket)
    town.world.start(town["gamma"])
    town.world.run(15 * SECOND)
    pending = status(town, "gamma")["pending_join"]
    assert pending["state"] == "pending"  # type: ignore[index]
    assert why in pending["reason"]  # type: ignore[index]
    town.world.start(town["alpha"])
    town.settle()


def test_a_fourth_waits_while_one_of_three_is_away() -> None:
    """As soon as it belongs two thirds decide: two of three could no more, not even give it its vote."""
    town = Town("alpha", "beta", "gamma", "delta")
    town.form(["alpha", "beta", "gamma"])
    ticket = parse_ticket(town.ticket("alpha"))
    town.world.crash(town["gamma"])
    town.world.run(10 * SECOND)
    town.swarms["delta"].intent = JoinIntent(ticket=ticket)
    town.world.start(town["delta"])
    town.world.run(15 * SECOND)
    pending = status(town, "delta")["pending_join"]
    assert pending["state"] == "pending"  # type: ignore[index]
    assert "with one more member a decision takes 3 of 3 weight" in pending["reason"]  # type: ignore[index]
    assert "waiting for gamma" in pending["reason"]  # type: ignore[index]
    assert status(town, "alpha")["quorum"]["state"] == "QUORATE"  # type: ignore[index]
    town.world.start(town["gamma"])
    town.settle()
    assert status(town, "delta")["quorum"]["crash_faults_tolerated"] == 1  # type: ignore[index]


def test_nor_does_an_operator_propose_a_fourth_while_one_of_three_is_away() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha", "beta", "gamma"])
    fourth = Propose(subject="FEDERATION_POLICY", action="admit", details={"certificate": "00"})
    town.world.crash(town["gamma"])
    town.world.run(10 * SECOND)
    outcome = town.world.ask(town["alpha"], fourth)
    assert isinstance(outcome, Failure)
    assert "nothing was proposed: with one more member a decision takes 3 of 3 weight" in outcome.message
    town.world.start(town["gamma"])
    town.settle()
    assert isinstance(town.world.ask(town["alpha"], fourth), Success)


def test_a_fifth_waits_for_nobody() -> None:
    town = Town("alpha", "beta", "gamma", "delta", "epsilon")
    town.form(["alpha", "beta", "gamma", "delta"])
    ticket = parse_ticket(town.ticket("beta"))
    town.world.crash(town["delta"])
    town.swarms["epsilon"].intent = JoinIntent(ticket=ticket)
    town.world.start(town["epsilon"])
    town.world.run(15 * SECOND)
    found = town.node("alpha").context.chain.member_by_name("epsilon")
    assert found is not None
    assert found.weight == 1, "it is in step, and votes"


def test_a_ticket_admits_one_swarm_only() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha"])
    ticket = parse_ticket(town.ticket("alpha"))
    for name in ("beta", "gamma"):
        town.swarms[name].intent = JoinIntent(ticket=ticket)
    town.world.start(town["beta"])
    town.settle()
    town.world.start(town["gamma"])
    town.world.run(5 * SECOND)
    machine = town["gamma"].machine
    assert isinstance(machine, Joiner)
    assert status(town, "gamma")["pending_join"]["state"] == "rejected"  # type: ignore[index]


def test_who_asks_which_federation_it_is_has_no_answer_to_its_join_yet() -> None:
    town = Town("alpha", "beta")
    town.form(["alpha"])
    town.swarms["beta"].intent = JoinIntent(peer=f"{town['alpha'].address}/p2p/{town['alpha'].peer}")
    town.world.start(town["beta"])
    seen = [status(town, "beta")["pending_join"]]
    while seen[-1]["state"] != "rejected":  # type: ignore[index]
        assert len(seen) < 5_000
        town.world.run(SECOND // 1_000)
        seen.append(status(town, "beta")["pending_join"])
    assert "pending" not in [one["state"] for one in seen]  # type: ignore[index]
    assert "admits by ticket" in seen[-1]["reason"]  # type: ignore[index]


def test_an_expired_ticket_is_refused_by_the_federation() -> None:
    town = Town("alpha", "beta")
    town.form(["alpha"])
    outcome = town.world.ask(town["alpha"], Invite(expires_s=1))
    assert isinstance(outcome, Success)
    town.world.run(2 * SECOND)
    town.swarms["beta"].intent = JoinIntent(ticket=parse_ticket(str(outcome.result["ticket"])))
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    assert status(town, "beta")["pending_join"]["state"] == "rejected"  # type: ignore[index]


@pytest.mark.parametrize("config", [CREATORS_RULE, NodeConfig()], ids=["the creator's", "the queens'"])
def test_under_the_vote_policy_the_operator_admits(config: NodeConfig) -> None:
    town = Town("alpha", "beta", params=Params(admission="vote"), config=config)
    town.form(["alpha"])
    peer = f"{town['alpha'].address}/p2p/{town['alpha'].peer}"
    town.swarms["beta"].intent = JoinIntent(peer=peer)
    town.world.start(town["beta"])
    town.world.run_until(lambda: bool(status(town, "alpha")["pending_joins"]), 10 * SECOND)
    refused = town.world.ask(town["alpha"], Admit(swarm="nobody"))
    assert isinstance(refused, Failure)
    assert "beta" in refused.message
    admitted = town.world.ask(town["alpha"], Admit(swarm="beta"))
    assert isinstance(admitted, Success)
    assert admitted.result["state"] == "admitted"
    assert status(town, "alpha")["pending_joins"] == []
    town.settle()


def test_under_the_vote_policy_a_majority_of_the_operators_admits() -> None:
    town = Town("alpha", "beta", "gamma", params=Params(admission="vote"))
    town.form(["alpha"])
    for name, operators in (("beta", ["alpha"]), ("gamma", ["alpha", "beta"])):
        town.swarms[name].intent = JoinIntent(peer=f"{town['alpha'].address}/p2p/{town['alpha'].peer}")
        town.world.start(town[name])
        for operator in operators:
            asks = [{"swarm": name}]
            town.world.run_until(lambda who=operator, asks=asks: status(town, who)["pending_joins"] == asks)  # type: ignore[misc]
        states = [town.world.ask(town[operator], Admit(swarm=name)) for operator in operators]
        assert [one.result["state"] for one in states if isinstance(one, Success)] == (
            ["admitted"] if name == "beta" else ["approved", "approved"]
        )
        town.settle()


def test_an_admission_of_what_is_no_swarm_waits_for_nobody() -> None:
    town = Town("alpha")
    town.form()
    details = {"certificate": "00"}
    command = Propose(subject="FEDERATION_POLICY", action="admit", details=details, deadline_s=3600)
    assert isinstance(town.world.ask(town["alpha"], command), Success)
    assert status(town, "alpha")["pending_joins"] == []


def test_under_the_open_policy_whoever_asks_is_in() -> None:
    town = Town("alpha", "beta", params=Params(admission="open"))
    town.form(["alpha"])
    town.swarms["beta"].intent = JoinIntent(lan=True)
    town.world.start(town["beta"])
    found = PeerFound(
        source="mdns",
        peer=town["alpha"].peer,
        addresses=(town["alpha"].address,),
        attributes={"zm.fed": town.node("alpha").context.federation.hex()},
    )
    town.world.deliver(town["beta"], found)
    town.settle()


def test_without_a_ticket_the_ticket_policy_refuses() -> None:
    town = Town("alpha", "beta")
    town.form(["alpha"])
    town.swarms["beta"].intent = JoinIntent(peer=f"{town['alpha'].address}/p2p/{town['alpha'].peer}")
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    assert status(town, "beta")["pending_join"]["state"] == "rejected"  # type: ignore[index]


def test_a_running_node_without_a_federation_takes_a_ticket() -> None:
    town = Town("alpha", "beta")
    town.form(["alpha"])
    ticket = town.ticket("alpha")
    town.world.start(town["beta"])
    refused = town.world.ask(town["beta"], MemoryPut(key="k", value=b"1"))
    assert isinstance(refused, Failure)
    assert refused.kind is FailureKind.NOT_MEMBER
    for wrong in (Join(), Join(ticket="zm1nonsense"), Join(peer="/ip4/1.2.3.4/tcp/1")):
        outcome = town.world.ask(town["beta"], wrong)
        assert isinstance(outcome, Failure), wrong
    assert isinstance(town.world.ask(town["beta"], Join(ticket=ticket)), Success)
    town.settle()
    again = town.world.ask(town["beta"], Join(ticket=ticket))
    assert isinstance(again, Failure)
    assert "already" in again.message


def test_members_of_another_federation_are_left_alone() -> None:
    ours, theirs = Town("alpha", "beta"), Town("alpha", "beta", seed=2)
    ours.form()
    stranger = theirs["alpha"]
    stranger.address = "/ip4/10.0.9.9/tcp/4150"
    ours.world.add(stranger)
    ours.world.start(stranger)
    found = PeerFound(source="bootstrap", peer=stranger.peer, addresses=(stranger.address,))
    ours.world.deliver(ours["beta"], found)
    ours.world.run(20 * SECOND)
    assert ours.settled
    assert stranger.peer not in ours["beta"].links
    assert not ours.node("beta").context.counters["offence_federation"]


def test_memory_is_listed_replaced_and_removed() -> None:
    town = Town("alpha", "beta")
    town.form()
    for value in (b"1", b"2"):
        assert isinstance(town.world.ask(town["alpha"], MemoryPut(key="a/x", value=value)), Success)
    town.world.ask(town["alpha"], MemoryPut(key="b/y", value=b'"text"'))
    town.world.ask(town["beta"], MemoryPut(key="a/z", value=b"[]", replicated=True))
    town.world.run(SECOND)
    listed = town.world.ask(town["beta"], MemoryList(prefix="a/"))
    assert isinstance(listed, Success)
    assert listed.result["keys"] == {"alpha": ["a/x"], "beta": ["a/z"]}
    one = town.world.ask(town["beta"], MemoryGet(key="a/x", swarm="alpha"))
    assert isinstance(one, Success)
    assert one.result["value"] == 2
    assert isinstance(town.world.ask(town["alpha"], MemoryRemove(key="a/x")), Success)
    town.world.run(SECOND)
    assert values(town, "beta", "a/x") is None
    for wrong in (
        MemoryRemove(key="a/x"),
        MemoryGet(key="a/x", swarm="alpha"),
        MemoryGet(key="a/x", swarm="nobody"),
        MemoryPut(key="", value=b"1"),
        MemoryPut(key="k", value=b"not json"),
        MemoryPut(key="k", value=b"NaN"),
        MemoryPut(key="k" * 129, value=b"1"),
        MemoryPut(key="k", value=b'"' + b"x" * 20_000 + b'"'),
        MemoryPut(key="k", value=b"[" * 4000 + b"]" * 4000),
    ):
        assert isinstance(town.world.ask(town["alpha"], wrong), Failure), wrong


def test_a_replicated_write_waits_for_others_and_says_when_they_are_away() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    done = town.world.ask(town["alpha"], MemoryPut(key="k", value=b"1", replicated=True))
    assert isinstance(done, Success)
    assert done.result["replicated"] is True
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    alone = town.world.ask(town["alpha"], MemoryPut(key="k", value=b"2", replicated=True))
    assert isinstance(alone, Failure)
    assert alone.kind is FailureKind.NO_QUORUM


def restart(town: Town, host: Host) -> None:
    town.world.stop(host)
    town.world.start(host)


@pytest.mark.parametrize("seed", range(8))
def test_who_is_operational_is_named_by_the_chain_it_holds(seed: int) -> None:
    """Else it refuses the command of an operator who waited for it: a chain of one member has nobody to miss."""
    town = Town("alpha", "beta", "gamma", "delta", seed=seed)
    town.world.start(town["alpha"])
    for name in ("beta", "gamma", "delta"):
        town.swarms[name].intent = JoinIntent(ticket=parse_ticket(town.ticket("alpha")))
        town.world.start(town[name])

    def formed() -> bool:
        ready = [node for node in town.nodes() if node.lifecycle is Lifecycle.OPERATIONAL]
        assert all(node.context.chain.member(node.context.me.swarm) for node in ready)
        return len(ready) == len(town.swarms)

    town.world.run_until(formed)
