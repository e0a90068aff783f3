"""Whole nodes with a backup: it is named, follows, says nothing, takes over, and is queen."""

from __future__ import annotations

from copy import deepcopy

import pytest

from consensus.membership import Member, MemberState
from mesh.protocol.commands import Failure, FailureKind, GetMembers, MemoryGet, MemoryPut, Success
from mesh.protocol.effects import Reply
from mesh.protocol.lifecycle import Lifecycle
from mesh.protocol.outbox import Outbox
from mesh.protocol.startup import FORGOTTEN_FILE, Verdict
from mesh.protocol.trace import TraceKind
from tests.support.governed import NAMES, contradiction, propose, refused, result, town_of
from tests.support.small_swarms import Town
from wire.time import SECOND

ACTIVE_WITHIN = 20 * SECOND


def town_with_backups(size: int, *ranks: int) -> tuple[Town, str, list[str]]:
    """(a governed federation, the last of its queens, the machines of her backups)."""
    town, gone = town_of(size), NAMES[size - 1]
    spares = [town.add_backup(gone, rank) for rank in ranks or (0,)]
    town.name_backups(gone, *spares)
    town.world.run(5 * SECOND)
    return town, gone, spares


def member_of(town: Town, name: str, host: str = "alpha") -> Member:
    found = town.node(host).context.chain.member_by_name(name)
    assert found is not None
    return found


def taken_over(town: Town, name: str, hosts: list[str], term: int = 2) -> bool:
    members = [member_of(town, name, host) for host in hosts]
    return all(member.term == term and member.state is MemberState.ACTIVE for member in members)


def health_of(town: Town, name: str, host: str = "alpha") -> str:
    """As `host` shows it."""
    row = town.node(host).operations.health.of(member_of(town, name, host), town.world.now)
    assert row is not None
    return str(row["state"])


def put(town: Town, name: str, key: str) -> object:
    return town.world.ask(town[name], MemoryPut(key=key, value=b"1"))


def keys_at(town: Town, host: str, key: str) -> bool:
    return isinstance(town.world.ask(town[host], MemoryGet(key=key)), Success)


def test_a_backup_follows_and_refuses_what_is_its_queens_business() -> None:
    town, gone, (spare,) = town_with_backups(3)
    assert isinstance(put(town, gone, "plan"), Success)
    town.world.run(2 * SECOND)
    assert keys_at(town, spare, "plan")
    outcome = put(town, spare, "mine")
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.REJECTED
    assert "NotLeader: this node is a backup" in outcome.message
    assert town[gone].address in outcome.message, "where to ask instead"
    assert "NotLeader" in refused(propose(town, spare)).message
    assert town.node(spare).lifecycle is Lifecycle.OPERATIONAL
    rows: object = result(town.world.ask(town["alpha"], GetMembers()))["members"]
    assert isinstance(rows, list)
    named = {row["swarm"]: [backup["peer_id"] for backup in row["backups"]] for row in rows}
    assert named == {"alpha": [], "beta": [], gone: [town.swarms[spare].peer]}
    assert result(propose(town, "alpha"))["status"] == "APPROVED"


@pytest.mark.parametrize("size", [3, 4, 5])
def test_a_killed_queen_is_replaced(size: int) -> None:
    town, gone, (spare,) = town_with_backups(size)
    assert isinstance(put(town, gone, "plan"), Success)
    town.world.run(2 * SECOND)
    town.world.crash(town[gone])
    others = [*NAMES[: size - 1], spare]
    town.world.run_until(lambda: member_of(town, gone).state is MemberState.TAKING_OVER, limit=ACTIVE_WITHIN)
    town.world.run_until(lambda: health_of(town, gone) != "failed", limit=ACTIVE_WITHIN)
    assert health_of(town, gone) == "taking over"
    town.world.run_until(lambda: taken_over(town, gone, others), limit=ACTIVE_WITHIN)
    assert member_of(town, gone).peer == town.swarms[spare].peer
    town.settle()
    assert isinstance(put(town, spare, "more"), Success)
    town.world.run(2 * SECOND)
    assert keys_at(town, "alpha", "plan")
    assert keys_at(town, "alpha", "more")
    assert result(propose(town, spare))["status"] == "APPROVED", "the new queen votes and proposes"
    assert health_of(town, gone, spare) == "active", "the new queen has nothing against her own swarm"


def test_the_old_queen_comes_back_as_a_backup_of_the_new_one() -> None:
    town, gone, (spare,) = town_with_backups(3)
    town.world.crash(town[gone])
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", spare]), limit=ACTIVE_WITHIN)
    assert isinstance(put(town, spare, "new"), Success)
    town.world.start(town[gone])
    town.world.run_until(lambda: town.node(gone).context.understudy() is not None)
    town.world.run(5 * SECOND)
    assert keys_at(town, gone, "new"), "it follows its successor"
    outcome = put(town, gone, "old")
    assert isinstance(outcome, Failure)
    assert "a backup took over while this node, queen of term 1, was silent" in outcome.message
    assert "recover --new-term" in outcome.message
    assert town.node(gone).lifecycle is Lifecycle.RECOVERING
    assert TraceKind.FENCED in [record.kind for record in town[gone].trace]
    town.world.crash(town[spare])
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", gone], term=3), limit=ACTIVE_WITHIN)
    assert isinstance(put(town, gone, "again"), Success), "and takes over in its turn"


def test_who_was_queen_again_and_whose_disk_was_taken_back_may_have_forgotten_votes() -> None:
    """However long her log of an earlier term is: what she signed in the present one is what counts."""
    town, gone, (spare,) = town_with_backups(4)
    for key in ("a", "b", "c"):
        assert isinstance(put(town, gone, key), Success)
    town.world.crash(town[gone])
    others = ["alpha", "beta", "gamma"]
    town.world.run_until(lambda: taken_over(town, gone, [*others, spare]), limit=ACTIVE_WITHIN)
    town.world.start(town[gone])
    town.world.run_until(lambda: town.node(gone).context.understudy() is not None)
    town.world.run(5 * SECOND)
    before = deepcopy(town[gone].disk)
    town.world.crash(town[spare])
    town.world.run_until(lambda: taken_over(town, gone, [*others, gone], term=3), limit=ACTIVE_WITHIN)
    assert isinstance(put(town, gone, "again"), Success)
    town.world.run(2 * SECOND)
    town.world.crash(town[gone])
    town[gone].disk = before
    town.world.start(town[gone])
    town.world.run_until(lambda: town.node(gone).startup.confirmed)
    town.world.run(10 * SECOND)
    assert keys_at(town, gone, "again")
    assert town.node(gone).context.me.term == 3
    assert town.node(gone).deciding.abstaining


def test_a_backup_that_fetches_its_queens_log_has_no_votes_that_could_be_missing() -> None:
    """Else one that is killed while it fetches would abstain once it has taken over."""
    town, gone, (spare,) = town_with_backups(4)
    town.world.crash(town[spare])
    assert isinstance(put(town, gone, "missed"), Success)
    town.world.start(town[spare])
    town.world.run_until(lambda: town.node(spare).startup.verdict(town.world.now) is Verdict.CATCHING_UP)
    town.world.crash(town[spare])
    assert FORGOTTEN_FILE not in town[spare].disk.files
    town.world.start(town[spare])
    town.world.run_until(lambda: keys_at(town, spare, "missed"))
    assert not town.node(spare).startup.forgetful


def test_who_lied_and_was_followed_is_convicted_once_she_is_queen_again() -> None:
    town, gone, (spare,) = town_with_backups(4)
    swarm, proof = member_of(town, gone).swarm, contradiction(town, gone)
    town.world.crash(town[gone])
    others = ["alpha", "beta", "gamma"]
    town.world.run_until(lambda: taken_over(town, gone, [*others, spare]), limit=ACTIVE_WITHIN)
    alpha = town.node("alpha")
    alpha.deciding._convict(swarm, *proof, town.world.now, Outbox())
    assert alpha.context.counters["evidence_unused"] == 1
    town.world.start(town[gone])
    town.world.run_until(lambda: town.node(gone).context.understudy() is not None)
    assert member_of(town, gone).state is MemberState.ACTIVE, "her successor has done nothing"
    town.world.run(5 * SECOND)
    town.world.crash(town[spare])
    town.world.run_until(lambda: member_of(town, gone).term == 3, limit=ACTIVE_WITHIN)
    town.world.run_until(lambda: member_of(town, gone).state is MemberState.QUARANTINED, limit=ACTIVE_WITHIN)


def test_of_two_backups_the_first_takes_over_and_if_it_is_gone_the_second() -> None:
    town, gone, (first, second) = town_with_backups(3, 0, 1)
    town.world.crash(town[gone])
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", first, second]), limit=ACTIVE_WITHIN)
    assert member_of(town, gone).peer == town.swarms[first].peer
    town.world.run(5 * SECOND)
    town.world.crash(town[first])
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", second], term=3), limit=ACTIVE_WITHIN)
    assert member_of(town, gone).peer == town.swarms[second].peer


def test_a_backup_that_comes_late_takes_over_from_a_suspended_queen() -> None:
    town, gone, (spare,) = town_with_backups(4)
    town.world.crash(town[spare])
    town.world.crash(town[gone])
    town.world.run_until(lambda: member_of(town, gone).state is MemberState.SUSPENDED, limit=120 * SECOND)
    town.world.start(town[spare])
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", spare]), limit=2 * ACTIVE_WITHIN)


def test_a_backup_that_is_restarted_after_it_took_over_is_queen() -> None:
    town, gone, (spare,) = town_with_backups(3)
    town.world.crash(town[gone])
    town.world.run_until(lambda: member_of(town, gone).state is MemberState.TAKING_OVER, limit=ACTIVE_WITHIN)
    town.world.crash(town[spare])
    town.world.start(town[spare])
    assert isinstance(put(town, spare, "early"), Failure), "the guard begins anew"
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", spare]), limit=ACTIVE_WITHIN)
    town.world.run(2 * SECOND)
    assert isinstance(put(town, spare, "new"), Success)


def test_nobody_takes_over_without_a_quorum_or_from_a_queen_that_answers() -> None:
    town, gone, (spare,) = town_with_backups(3)
    town.world.run(60 * SECOND)
    assert member_of(town, gone).term == 1
    town.world.crash(town[gone])
    town.world.crash(town["beta"])
    town.world.run(60 * SECOND)
    assert member_of(town, gone).term == member_of(town, gone, spare).term == 1


def test_a_queen_with_a_backup_promises_nothing_once_it_may_have_been_replaced() -> None:
    town, gone, (spare,) = town_with_backups(3)
    others = [town.swarms[name].peer for name in ("alpha", "beta", spare)]
    town.world.cut |= {frozenset((town.swarms[gone].peer, other)) for other in others}
    for other in others:
        town.world.unlink(town.swarms[gone].peer, other)
    assert isinstance(put(town, gone, "soon"), Success), "nobody can have been so quick"
    fence = town.node(gone).context.config.profile.fence
    town.world.run(fence + SECOND)
    outcome = put(town, gone, "late")
    assert isinstance(outcome, Failure)
    assert "no quorum answered this queen for 5 s, and a backup may have taken over" in outcome.message
    assert not keys_at(town, gone, "late")
    town.world.run_until(lambda: member_of(town, gone).term == 2, limit=ACTIVE_WITHIN)
    assert isinstance(put(town, spare, "early"), Failure), "its guard ends after the fence of the other one"
    town.world.run_until(lambda: taken_over(town, gone, ["alpha", "beta", spare]), limit=ACTIVE_WITHIN)
    town.world.cut.clear()
    town.world.run_until(lambda: town.node(gone).context.understudy() is not None)
    assert "NotLeader" in refused(town.world.ask(town[gone], MemoryPut(key="again", value=b"1"))).message


def test_without_a_backup_an_isolated_queen_goes_on_alone() -> None:
    town = town_of(3)
    town.world.crash(town["alpha"])
    town.world.crash(town["beta"])
    town.world.run(60 * SECOND)
    assert isinstance(put(town, "gamma", "alone"), Success)


def test_an_answer_that_comes_too_late_is_not_given() -> None:
    town, gone, _ = town_with_backups(3)
    node = town.node(gone)
    until = node.fence.until(town.world.now)
    assert until is not None
    reply = Reply(request_id=1, outcome=Success(), until=until)
    assert isinstance(reply.at(until), Success)
    assert refused(reply.at(until + 1)).kind is FailureKind.NO_QUORUM
    assert isinstance(Reply(request_id=1, outcome=Success()).at(until + 1), Success)


def test_answers_of_those_who_know_more_blocks_count_once_they_are_known() -> None:
    town, gone, _ = town_with_backups(3)
    node = town.node(gone)
    for link in node.context.links.members():
        link.height += 1
    town.world.run(node.context.config.profile.fence + SECOND)
    assert node.fence.closed(town.world.now)
    for link in node.context.links.members():
        link.height -= 1
    assert not node.fence.closed(town.world.now)


def test_the_guard_is_longer_than_the_fence_and_nothing_is_signed_before() -> None:
    town, gone, (spare,) = town_with_backups(3)
    town.world.crash(town[gone])
    node = town.node(spare)
    town.world.run_until(lambda: node.context.me.term == 2, limit=ACTIVE_WITHIN)
    began, fence = town.world.now, node.context.config.profile.fence
    assert "taking over as queen of gamma in term 2" in node.read_only_reason(began)
    assert isinstance(put(town, spare, "early"), Failure)
    town.world.run_until(lambda: node.may_sign(town.world.now))
    assert town.world.now - began > fence


def test_who_asked_in_vain_asks_no_more_once_the_queen_answers() -> None:
    town, gone, (spare,) = town_with_backups(4)
    queen, own = town.swarms[gone].peer, town.swarms[spare].peer
    others = [town.swarms[name].peer for name in ("alpha", "beta", "gamma")]
    town.world.crash(town["alpha"])
    town.world.cut |= {frozenset((queen, other)) for other in (*others, own)}
    for other in (*others, own):
        town.world.unlink(queen, other)
    town.world.run_until(lambda: town.node(spare).deciding.submitted == 1, limit=ACTIVE_WITHIN)
    town.world.cut.remove(frozenset((queen, own)))
    town.world.run_until(lambda: town.node(spare).deciding.submitted == 0, limit=10 * SECOND)
    assert member_of(town, gone, "beta").term == 1
