"""The rules of a federation change by decision alone: who knows them goes on, who does not stops, and says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.governance import standing
from mesh.protocol.commands import FailureKind, Propose, Vote
from tests.support.governed import NAMES, decisions, proposals, refused, result, town_of
from tests.support.small_swarms import Town
from wire.errors import ConfigError
from wire.time import SECOND

NEW = 2
SAYS = "the federation's rules are of version 2, and this zenmesh knows versions up to 1: install a newer zenmesh"


@pytest.fixture
def town(monkeypatch: pytest.MonkeyPatch) -> Town:
    """Four queens that approve of everything; the code knows the new rules, their configuration makes them older."""
    town = town_of(4)
    monkeypatch.setattr(standing, "RULES", NEW)
    return town


def upgrade(town: Town, name: str) -> None:
    """Restart a node as one that knows the new rules."""
    town.world.stop(town[name])
    town.config = replace(town.config, rules=NEW)
    town.world.start(town[name])
    town.world.run(10 * SECOND)


def ask(town: Town) -> str:
    """Have the version decided, before any node knows it."""
    command = Propose(
        subject="FEDERATION_POLICY", action="set_protocol_version", details={"version": NEW}, deadline_s=3600
    )
    proposal = str(result(town.world.ask(town["alpha"], command))["proposal"])
    town.world.run(10 * SECOND)
    return proposal


def test_nobody_approves_of_what_its_node_does_not_know(town: Town) -> None:
    proposal = ask(town)
    assert proposals(town, "beta") == [proposal]
    failure = refused(town.world.ask(town["beta"], Vote(proposal=proposal, choice="approve")))
    assert failure.kind is FailureKind.REJECTED
    assert failure.message == "no vote was cast: this node knows rules up to version 1, not 2: update it first"
    result(town.world.ask(town["beta"], Vote(proposal=proposal, choice="reject")))


def test_it_is_decided_once_a_quorum_is_updated_and_who_is_not_stops(town: Town) -> None:
    town["delta"].may_halt = True
    proposal = ask(town)
    for name in NAMES[:2]:
        upgrade(town, name)
        assert decisions(town, name) == []
    upgrade(town, "gamma")
    for name in NAMES[:3]:
        assert decisions(town, name) == [(proposal, "APPROVED")]
    assert town["delta"].halted.startswith(SAYS)
    assert town["delta"].machine is None
    held = list(town["delta"].disk.records)
    town.config = replace(town.config, rules=1)
    with pytest.raises(ConfigError, match=r"protocol_version = 2: .*install a newer zenmesh and start it again"):
        town.world.start(town["delta"])
    assert town["delta"].disk.records == held
    town.config = replace(town.config, rules=NEW)
    town.world.start(town["delta"])
    town.world.run(10 * SECOND)
    assert decisions(town, "delta") == [(proposal, "APPROVED")]
    assert town.equal()


def test_who_was_away_stops_at_the_block_that_changed_the_rules(town: Town) -> None:
    town.world.stop(town["delta"])
    ask(town)
    for name in NAMES[:3]:
        upgrade(town, name)
    details = {"kind": "task", "target": "t1", "priority": "low"}
    later = Propose(subject="PRIORITY_CHANGE", action="set_priority", details=details, wait=True)
    assert result(town.world.ask(town["beta"], later))["status"] == "APPROVED"
    town.config = replace(town.config, rules=1)
    town["delta"].may_halt = True
    town.world.start(town["delta"])
    town.world.run(10 * SECOND)
    assert town["delta"].halted.startswith(SAYS)
