"""How each member is, since when, on whose word; and what the weight in reach allows: as it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bootstrap.readings import gauges_of
from consensus.blocks import Core, QuarantineTx, encode_tx
from consensus.membership import MemberState
from mesh.protocol.commands import GetMembers, GetStatus
from mesh.protocol.detector import Health
from mesh.protocol.health import HealthBook
from mesh.protocol.outbox import Outbox
from mesh.protocol.reach import MEND, Power, QuorumState, Reach
from tests.support.governed import propose, result, town_of
from tests.support.small_swarms import CREATORS_RULE, Town
from tests.support.small_world import WALL_START_MS
from wire import cbor, cose
from wire.ids import PublicKey, SwarmId, sha256, swarm_id_of
from wire.time import SECOND
from wire.types import ContentType


def health(town: Town, name: str, of: str) -> Any:
    """What a node shows of a member; status and members agree."""
    shown = []
    for operation in (GetStatus(), GetMembers()):
        rows: Any = result(town.world.ask(town[name], operation))["members"]
        shown += [row["health"] for row in rows if row["swarm"] == of]
    assert shown[0] == shown[1]
    return shown[0]


def quorum(town: Town, name: str) -> Any:
    return result(town.world.ask(town[name], GetStatus()))["quorum"]


def wall_ms(town: Town) -> int:
    return WALL_START_MS + town.world.now // 1000


def settled(size: int) -> Town:
    town = town_of(size)
    town.world.run(5 * SECOND)
    return town


def swarm_of(town: Town, name: str) -> SwarmId:
    return swarm_id_of(town.swarms[name].root.public)


def state_of(town: Town, name: str) -> MemberState:
    member = town.node("alpha").context.chain.member(swarm_of(town, name))
    assert member is not None
    return member.state


ACTIVE = {"state": "active", "since_ms": None, "accused_by": []}


def test_from_active_to_suspended_and_back() -> None:
    town = settled(4)
    assert [health(town, "alpha", name) for name in ("alpha", "beta", "gamma", "delta")] == [ACTIVE] * 4
    swarm, killed_ms = swarm_of(town, "delta"), wall_ms(town)
    town.world.crash(town["delta"])
    detector = town.node("alpha").detector
    town.world.run_until(lambda: detector.health(swarm, town.world.now) is Health.FAILED)
    failed = health(town, "alpha", "delta")
    assert failed["state"] == "failed"
    assert abs(failed["since_ms"] - wall_ms(town)) < 100, "since it was confirmed, which was just now"
    assert set(failed["accused_by"]) <= {"alpha", "beta", "gamma"}
    assert len(failed["accused_by"]) >= 2, "more than half of three"
    town.world.run_until(lambda: state_of(town, "delta") is MemberState.SUSPENDED, limit=90 * SECOND)
    town.world.run(SECOND)
    suspended = health(town, "beta", "delta")
    assert suspended["state"] == "suspended"
    assert killed_ms + 60_000 < suspended["since_ms"] <= wall_ms(town)
    assert len(suspended["accused_by"]) >= 2
    assert health(town, "gamma", "delta") == suspended, "the chain says so: everybody shows the same"
    town.world.crash(town["beta"])
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    assert health(town, "beta", "delta") == suspended, "after a start too"
    town.world.start(town["delta"])
    town.world.run_until(lambda: state_of(town, "delta") is MemberState.ACTIVE, limit=30 * SECOND)
    town.world.run(SECOND)
    assert health(town, "alpha", "delta") == ACTIVE


def test_who_is_cut_off_shows_whom_it_suspects_and_accuses_nobody() -> None:
    town = settled(3)
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    cut_ms = wall_ms(town)
    town.world.run(10 * SECOND)
    seen = health(town, "alpha", "beta")
    assert (seen["state"], seen["accused_by"]) == ("suspected", [])
    assert abs(seen["since_ms"] - cut_ms) <= 1_000, "since it is silent, not since it is suspected"


def test_who_contradicted_itself_is_shown_in_quarantine_since_the_block_that_says_so() -> None:
    town = settled(4)
    context = town.node("alpha").context
    cores = [Core(context.federation, 3, 0, 99, sha256(block)) for block in (b"one", b"other")]
    key = town.node("delta").context.me.queen_key
    sealed = [cose.seal(ContentType.PREPARE, cbor.encode_struct(core), key, context.federation) for core in cores]
    town.node("alpha").deciding.submit(encode_tx(QuarantineTx(*sealed)), town.world.now, Outbox())
    town.world.run_until(lambda: state_of(town, "delta") is MemberState.QUARANTINED)
    at_ms = wall_ms(town)
    town.world.run(SECOND)
    seen = health(town, "beta", "delta")
    assert (seen["state"], seen["accused_by"]) == ("quarantined", [])
    assert at_ms - 2_000 <= seen["since_ms"] <= at_ms
    member = context.chain.member(swarm_of(town, "delta"))
    assert member is not None
    later = replace(
        member, term=2, terms={**member.terms, 2: replace(member.terms[1], queen_key=PublicKey(bytes(32)))}
    )
    book = HealthBook(context, town.node("alpha").detector)
    assert book.of(later, town.world.now) == seen, "a new term is no acquittal"


def test_nobody_is_shown_as_watched_while_the_creator_governs() -> None:
    town = Town("alpha", "beta", config=CREATORS_RULE)
    town.form()
    assert [health(town, "alpha", name) for name in ("alpha", "beta")] == [None, None]


def test_who_has_no_vote_is_not_watched() -> None:
    town = settled(4)
    result(propose(town, "alpha", "expel", swarm=swarm_of(town, "delta").hex(), reason="it lies"))
    (row,) = [
        row for row in result(town.world.ask(town["alpha"], GetMembers()))["members"] if row["swarm"] == "delta"
    ]
    assert (row["state"], row["health"]) == ("EXPELLED", None)


def test_gauges_count_members_by_health() -> None:
    town = settled(3)
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    town.world.run(10 * SECOND)
    book = HealthBook(town.node("alpha").context, town.node("alpha").detector)
    assert book.counts(town.world.now) == dict.fromkeys(Health, 0) | {Health.ACTIVE: 1, Health.SUSPECTED: 2}
    gauges = gauges_of(town.node("alpha"))
    assert {f"node_members_{word.name.lower()}" for word in Health} <= gauges.keys()


# the quorum


@pytest.mark.parametrize(
    ("size", "gone", "state", "can"),
    [
        (3, 0, "QUORATE", ["decide", "promise", "own"]),
        (3, 1, "QUORATE", ["decide", "promise", "own"]),
        (3, 2, "MINORITY", ["own"]),
        (4, 1, "QUORATE", ["decide", "promise", "own"]),
        (4, 2, "MINORITY", ["own"]),
        (5, 1, "QUORATE", ["decide", "promise", "own"]),
        (5, 2, "DEGRADED", ["promise", "own"]),
        (5, 3, "MINORITY", ["own"]),
    ],
)
def test_what_a_node_may_do_follows_from_the_weight_in_reach(
    size: int, gone: int, state: str, can: list[str]
) -> None:
    town = settled(size)
    names = ("epsilon", "delta", "gamma", "beta")[-(size - 1) :][:gone]
    for name in names:
        town.world.crash(town[name])
    town.world.run(10 * SECOND)
    seen = quorum(town, "alpha")
    assert (seen["state"], seen["can"], seen["weight"], seen["total"]) == (state, can, size - gone, size)
    if state == "QUORATE":
        assert seen["remedy"] is None
    else:
        assert seen["reason"].endswith("waiting for " + ", ".join(n for n in _order(town) if n in names))
        assert seen["remedy"] == MEND


def _order(town: Town) -> list[str]:
    return [member.name for member in town.node("alpha").context.chain.members()]


def test_a_suspended_one_that_counts_is_waited_for_too() -> None:
    town = settled(4)
    town.world.crash(town["delta"])
    town.world.run_until(lambda: state_of(town, "delta") is MemberState.SUSPENDED, limit=90 * SECOND)
    assert quorum(town, "alpha")["state"] == "QUORATE"
    town.world.crash(town["gamma"])
    town.world.run(10 * SECOND)
    seen = quorum(town, "alpha")
    assert (seen["state"], seen["weight"], seen["needed"], seen["total"]) == ("MINORITY", 2, 3, 4)
    assert seen["reason"].endswith("waiting for gamma, delta (suspended)")


@pytest.mark.parametrize("state", QuorumState)
def test_only_who_may_decide_is_refused_nothing(state: QuorumState) -> None:
    seen = Reach(state=state, weight=1, total=3, needed=2, silent=("beta",))
    assert (seen.refusal == "") == (Power.DECIDE in state.powers) == (state is QuorumState.QUORATE)
    assert Power.OWN in state.powers
