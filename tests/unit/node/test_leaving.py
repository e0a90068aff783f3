"""Swarms that leave, or are sent away: the command ends when the chain says so, and the node knows what it is now."""

from __future__ import annotations

import pytest

from mesh.protocol.commands import FailureKind, GetStatus, Leave, MemoryPut
from tests.support.governed import propose, refused, result, swarm_hex, town_of
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.time import SECOND

LEFT = (
    "this swarm has left the federation: stop this node, its home stays readable; to come back, make a new home"
    " (`zenmesh init`) and join by ticket"
)
EXPELLED = (
    "the members have expelled this swarm: one of them can ask the others to take it back (`zenmesh reinstate`)"
)


def shown(town: Town, name: str) -> tuple[str, str, str]:
    """(lifecycle, the reason for it, why it is read-only), as `status` has them."""
    status = result(town.world.ask(town[name], GetStatus()))
    return status["lifecycle"], status["lifecycle_reason"], status["read_only"]


def gone(why: str) -> tuple[str, str, str]:
    return "INIT", why, f"read-only: {why}"


@pytest.mark.parametrize("size", [2, 3, 4])
def test_who_leaves_is_told_when_the_chain_says_so(size: int) -> None:
    town = town_of(size)
    last = ("alpha", "beta", "gamma", "delta")[size - 1]
    left = result(town.world.ask(town[last], Leave()))
    chain = town.node(last).context.chain
    assert left == {"swarm": last, "swarm_id": swarm_hex(town, last), "state": "LEFT", "height": chain.height}
    assert chain.member_by_name(last) is None
    assert shown(town, last) == gone(LEFT)
    again = refused(town.world.ask(town[last], Leave()))
    assert (again.kind, again.message) == (FailureKind.REJECTED, f"{last} has left the federation already")
    assert refused(town.world.ask(town[last], MemoryPut(key="k", value=b"1"))).kind is FailureKind.REJECTED
    town.world.run(30 * SECOND)
    assert not town[last].links


def test_the_last_one_stays() -> None:
    town = town_of(1)
    failure = refused(town.world.ask(town["alpha"], Leave()))
    assert failure.kind is FailureKind.REJECTED
    assert "nobody would be left who has a vote" in failure.message


def test_whom_the_queens_expel_learns_of_it() -> None:
    town = town_of(4)
    result(propose(town, "alpha", "expel", swarm=swarm_hex(town, "delta"), reason="it lies"))
    town.world.run(2 * SECOND)
    assert shown(town, "delta") == gone(EXPELLED)


def test_whom_the_queens_expel_while_it_is_away_learns_of_it_when_it_is_back() -> None:
    town = town_of(4)
    swarm = swarm_hex(town, "delta")
    town.world.crash(town["delta"])
    result(propose(town, "alpha", "expel", swarm=swarm, reason="it is gone"))
    town.world.start(town["delta"])
    town.world.run_until(lambda: shown(town, "delta") == gone(EXPELLED))
    result(propose(town, "alpha", "reinstate", swarm=swarm, reason="it is back"))
    town.world.run_until(lambda: town.node("delta").deciding.replica.voting, 60 * SECOND)
    assert shown(town, "delta")[0] == "OPERATIONAL"


@pytest.mark.parametrize("size", [2, 3])
def test_who_left_says_so_after_a_restart_too_and_looks_for_nobody(size: int) -> None:
    town = town_of(size)
    last = ("alpha", "beta", "gamma")[size - 1]
    result(town.world.ask(town[last], Leave()))
    town.world.stop(town[last])
    town.world.start(town[last])
    for _ in range(3):
        assert shown(town, last) == gone(LEFT)
        town.world.run(20 * SECOND)
    assert not town[last].links


def test_where_the_creator_governs_a_member_leaves_through_it() -> None:
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE)
    town.form()
    assert result(town.world.ask(town["gamma"], Leave()))["state"] == "LEFT"
    assert town.node("alpha").context.chain.member_by_name("gamma") is None
    failure = refused(town.world.ask(town["alpha"], Leave()))
    assert failure.kind is FailureKind.REJECTED
    assert failure.message == "alpha did not leave: it governs this federation alone, which would end with it"


def test_where_the_creator_is_out_of_reach_nobody_leaves() -> None:
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE)
    town.form()
    town.world.crash(town["alpha"])
    town.world.run(10 * SECOND)
    failure = refused(town.world.ask(town["gamma"], Leave()))
    assert failure.kind is FailureKind.NO_QUORUM
    assert (
        failure.message
        == "gamma did not leave: alpha, which governs this federation, is out of reach: start its node"
    )


def test_one_alone_does_not_leave() -> None:
    town = town_of(3)
    town.world.partition([town["alpha"], town["gamma"]], [town["beta"]])
    town.world.run(10 * SECOND)
    failure = refused(town.world.ask(town["beta"], Leave()))
    assert failure.kind is FailureKind.NO_QUORUM
    assert failure.message.startswith("beta did not leave: 1 of 3 weight is in reach")


def test_who_cannot_be_heard_is_told_that_it_is_still_a_member() -> None:
    town = town_of(3)
    town.world.tamper = lambda host, peer, send: None if host is town["beta"] else send.message
    failure = refused(town.world.ask(town["beta"], Leave(), limit=90 * SECOND))
    assert failure.kind is FailureKind.NO_QUORUM
    assert "is not decided" in failure.message
