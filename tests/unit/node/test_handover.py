"""From the creator's rule to the queens': when it happens, and what people are told while it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesh.protocol.commands import GetStatus
from mesh.protocol.config import NodeConfig
from tests.support.governed import result
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.time import SECOND

HELD_BACK = "this node holds the handover back"
READY = NodeConfig(govern_patience=60 * SECOND)


@pytest.fixture
def town() -> Town:
    """A federation of before, whose nodes are all down."""
    town = Town("alpha", "beta", "gamma", config=CREATORS_RULE)
    town.form()
    for host in town.hosts.values():
        town.world.stop(host)
    return town


def start(town: Town, config: NodeConfig, *names: str) -> None:
    town.config = config
    for name in names:
        town.world.start(town[name])
    town.world.run(10 * SECOND)


def handover(town: Town, name: str) -> dict[str, str] | None:
    consensus = result(town.world.ask(town[name], GetStatus()))["consensus"]
    waits: dict[str, str] | None = consensus["handover"]
    assert (waits is None) == (consensus["governed_by"] == "queens")
    return waits


def waits_for(town: Town, name: str) -> str:
    waits = handover(town, name)
    assert waits is not None
    return waits["reason"]


def test_a_federation_of_one_governs_itself_from_its_first_moment() -> None:
    town = Town("alpha")
    town.world.start(town["alpha"])
    assert handover(town, "alpha") is None


def test_nobody_waits_longer_than_for_the_last_to_be_ready(town: Town) -> None:
    start(town, READY, "alpha", "beta")
    assert waits_for(town, "alpha") == "waiting for gamma to be ready"
    assert waits_for(town, "beta") == "waiting for alpha to hand over"
    start(town, READY, "gamma")
    assert [handover(town, name) for name in ("alpha", "beta", "gamma")] == [None] * 3


def test_after_a_while_a_quorum_is_enough(town: Town) -> None:
    start(town, READY, "alpha", "beta")
    town.world.run(READY.govern_patience)
    assert handover(town, "beta") is None


def test_without_a_quorum_the_creator_waits_for_ever(town: Town) -> None:
    start(town, READY, "alpha")
    town.world.run(3 * READY.govern_patience)
    assert waits_for(town, "alpha") == "waiting for beta, gamma to be ready"


def test_without_the_creator_all_wait_for_it(town: Town) -> None:
    start(town, READY, "beta", "gamma")
    for name in ("beta", "gamma"):
        assert handover(town, name) == {
            "reason": "waiting for alpha to hand over, which is out of reach",
            "remedy": "start its node; where it is lost for good, all root keys, its own among them, take over: "
            "`zenmesh takeover request`",
        }


def test_who_holds_it_back_is_not_waited_for_if_a_quorum_is_ready(town: Town) -> None:
    start(town, CREATORS_RULE, "gamma")
    start(town, READY, "alpha", "beta")
    assert waits_for(town, "gamma") == HELD_BACK
    town.world.run(READY.govern_patience)
    assert [handover(town, name) for name in ("alpha", "beta", "gamma")] == [None] * 3


def test_a_creator_that_holds_it_back_hands_nothing_over(town: Town) -> None:
    start(town, replace(READY, govern=False), "alpha")
    start(town, READY, "beta", "gamma")
    town.world.run(3 * READY.govern_patience)
    assert [waits_for(town, name) for name in ("alpha", "beta")] == [HELD_BACK, "waiting for alpha to hand over"]
