"""Nodes whose certificates end: who is warned, who says so, and how an operator brings a vote back."""

from __future__ import annotations

from typing import Any

from consensus.certificates import YEAR_MS, make_member_cert
from consensus.membership import MemberState
from mesh.protocol import expiry
from mesh.protocol.commands import GetMembers, GetStatus, Renew
from mesh.protocol.config import NodeConfig
from mesh.protocol.expiry import DAY_MS
from tests.support.governed import propose, result, town_of, voting
from tests.support.small_swarms import CREATORS_RULE, Town
from tests.support.small_world import WALL_START_MS
from wire.time import MILLISECOND, SECOND


def aged(size: int, **lives_ms: int) -> Town:
    """A federation that governs itself, some of whose certificates hold for so long only."""
    return town_of(size, lives_ms=lives_ms)


def warnings(town: Town, name: str, ask: Any = None) -> list[str]:
    found = result(town.world.ask(town[name], ask or GetStatus()))["warnings"]
    return [str(line) for line in found if "certificate" in line or "backup" in line]


def renew(town: Town, name: str, until_ms: int) -> dict[str, Any]:
    """What `zenmesh renew` does, with the root key of a swarm."""
    swarm = town.swarms[name]
    certificate = make_member_cert(
        federation=town.node(name).context.federation,
        name=name,
        project="demo",
        root=swarm.root,
        term=swarm.term,
        queen_key=swarm.queen().public,
        peer=swarm.peer,
        not_after_ms=until_ms,
    )
    return dict(result(town.world.ask(town[name], Renew(certificate=certificate.hex()), limit=60 * SECOND)))


def state(town: Town, at: str, of: str) -> MemberState:
    member = town.node(at).context.chain.member_by_name(of)
    assert member is not None
    return member.state


def test_a_month_before_its_end_everyone_is_warned_with_the_command_that_mends_it() -> None:
    town = aged(3, beta=29 * DAY_MS, gamma=31 * DAY_MS)
    command = "`zenmesh renew` with the root key"
    assert warnings(town, "beta") == [f"the certificate of this swarm ends in 29 day(s): {command}"]
    theirs = f"the certificate of beta ends in 29 day(s): its operator runs {command}"
    assert warnings(town, "alpha") == warnings(town, "alpha", GetMembers()) == [theirs]
    renewed = renew(town, "beta", WALL_START_MS + YEAR_MS)
    assert (renewed["state"], renewed["expires_ms"]) == ("ACTIVE", WALL_START_MS + YEAR_MS)
    assert warnings(town, "beta") == []


def test_a_backup_whose_time_is_nearly_up_is_named_to_its_own_operator_alone() -> None:
    town = Town("alpha", "beta")
    town.form()
    name = town.add_backup("beta")
    town.name_backups("beta", name)
    member = town.node("beta").context.chain.member_by_name("beta")
    assert member is not None
    later = town.world.now + (YEAR_MS - 3 * DAY_MS) * MILLISECOND
    own, backup, other = expiry.warnings(town.node("beta").context, later)
    assert "alpha" in other
    assert "this swarm ends in" in own
    assert backup == f"the backup {member.backups[0].peer} ends in 3 day(s): `zenmesh backup add` names it anew"


def test_after_its_end_the_others_say_so_once_and_the_root_key_brings_the_vote_back() -> None:
    town = aged(4, delta=60_000)
    height = town.node("alpha").context.chain.height
    town.world.run_until(lambda: state(town, "alpha", "delta") is MemberState.EXPIRED, 90 * SECOND)
    town.world.run_until(town.equal)
    assert town.node("alpha").context.chain.height == height + 1, "four said so, and it was ordered once"
    health = {row["swarm"]: row["health"] for row in result(town.world.ask(town["alpha"], GetMembers()))["members"]}
    assert health["delta"] == {"state": "expired", "since_ms": WALL_START_MS + 60_000, "accused_by": []}
    assert "has ended" in warnings(town, "delta")[0]
    assert not town.node("delta").deciding.replica.voting
    assert result(propose(town, "alpha"))["status"] == "APPROVED"
    renewed = renew(town, "delta", WALL_START_MS + YEAR_MS)
    assert renewed["state"] == "ACTIVE"
    town.world.run_until(lambda: town.node("delta").deciding.replica.voting)
    assert result(propose(town, "delta", kind="task", target="t2", priority="low"))["status"] == "APPROVED"
    assert all(not node.context.counters["offences"] for node in town.nodes())


def test_two_and_one_go_on_after_the_end_and_are_asked_again_when_a_third_has_come() -> None:
    town = aged(2, alpha=60_000, beta=60_000)
    town.world.run(200 * SECOND)
    assert state(town, "alpha", "beta") is state(town, "beta", "alpha") is MemberState.ACTIVE
    assert result(propose(town, "alpha"))["status"] == "APPROVED"
    assert renew(town, "alpha", WALL_START_MS + YEAR_MS)["state"] == "ACTIVE"


def test_nobody_is_said_to_have_expired_while_the_creator_governs() -> None:
    town = Town("alpha", "beta", lives_ms={"beta": 10_000})
    town.form()
    town.world.run(60 * SECOND)
    assert state(town, "alpha", "beta") is MemberState.ACTIVE
    assert "has ended" in warnings(town, "beta")[0]


def test_who_was_past_its_end_at_the_handover_has_a_month_to_renew() -> None:
    """Nobody enforced an end while the creator governed; nobody loses a vote before its operator could act."""
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE, lives_ms={"alpha": 5_000, "beta": 5_000})
    town.form()
    town.world.run(60 * SECOND)
    assert len([line for line in warnings(town, "beta") if "has ended" in line]) == 2
    town.config = NodeConfig(govern_patience=60 * SECOND)
    for name in ("alpha", "beta", "gamma"):
        town.world.stop(town[name])
        town.world.start(town[name])
    town.world.run_until(lambda: all(voting(node) for node in town.nodes()))
    town.world.run(120 * SECOND)
    assert all(voting(node) for node in town.nodes())
    command = "`zenmesh renew` with the root key"
    mine, theirs = warnings(town, "beta")
    assert mine == f"the certificate of this swarm ends in 30 day(s): {command}"
    assert theirs == f"the certificate of alpha ends in 30 day(s): its operator runs {command}"
    assert renew(town, "beta", WALL_START_MS + YEAR_MS)["state"] == "ACTIVE"
    assert warnings(town, "beta") == [theirs]
    assert not any(node.context.counters["offences"] for node in town.nodes())


def test_what_has_ended_is_never_due_before_now_since_a_node_would_spin_on_it() -> None:
    town = aged(3, gamma=20_000)
    ended = town.world.now + 60 * SECOND
    fresh = expiry.Expiry(town.node("alpha").context)
    assert fresh.next_deadline(ended) == ended + 1
    assert len(fresh.due(ended)) == 1
