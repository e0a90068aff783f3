"""The checker of queens that are gone (succession): kept, then broken by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chaos.checkers.succession import WITHIN, Succession, awaited
from chaos.scenario import Scenario
from consensus.membership import MemberState
from mesh.protocol.config import PROFILES, ProfileName
from mesh.protocol.lifecycle import Lifecycle
from tests.support.hand_made import Is, Stage, Steps
from tests.support.hand_made_votes import Keeps, mind
from wire.time import SECOND

CORE = ("s1", "s3", "s4", "s2b")
LAN = WITHIN[ProfileName.LAN]
NOBODY = "the queen of s2 is gone, and after 13.0 s nobody took over for her"


class Palace(Stage):
    """A core that is connected, without the queen of s2, whose backup is in it."""

    def __init__(self, profile: ProfileName = ProfileName.LAN) -> None:
        super().__init__(Succession, Scenario(seed=1, swarms=4, govern=True, backups=("s2",), profile=profile))
        self.chain = self.world.ledger.chain
        self.member = self.chain.member(self.world.hosts["s2"].home.swarm)
        self.queen = self.world.hosts["s2"]
        self.queen.process = None
        self.cut = False
        self.world.core = [self.world.hosts[name] for name in CORE]
        links: Any = SimpleNamespace(linked=lambda one, other: not self.cut)
        self.world.links = links

    def stands(self, state: MemberState, queen: str = "s2") -> None:
        """So the chain has it from now on."""
        host = self.world.hosts[queen]
        stand_in = SimpleNamespace(
            swarm=host.home.swarm,
            name="s2",
            state=state,
            peer=host.peer,
            queen_key=host.home.queen.public,
            backups=self.member.backups if self.member else (),
            term=1 + (queen != "s2"),
        )
        known = self.chain.member
        self.chain.member = lambda swarm: stand_in if swarm == host.home.swarm else known(swarm)  # type: ignore[assignment,method-assign,return-value]

    def after(self, seconds: float) -> list[str]:
        """So much later, somebody takes a step."""
        self.world.now += round(seconds * SECOND)
        self.checker.every = 1  # type: ignore[misc]
        return self.play(Steps("s1", {}))


def test_a_queen_is_followed_in_time() -> None:
    palace = Palace()
    assert palace.after(0) == palace.after(LAN.fenced / SECOND) == []
    palace.stands(MemberState.TAKING_OVER, "s2b")
    assert palace.after((LAN.active - LAN.fenced) / SECOND) == []
    palace.stands(MemberState.ACTIVE, "s2b")
    assert palace.after(100) == []


def test_nobody_takes_over() -> None:
    palace = Palace()
    palace.after(0)
    assert palace.after(13) == [NOBODY]


def test_her_successor_is_stuck() -> None:
    palace = Palace()
    palace.after(0)
    palace.stands(MemberState.TAKING_OVER, "s2b")
    assert palace.after(20) == []
    assert palace.after(1) == ["the queen of s2 is gone, and after 21.0 s her successor is not ACTIVE"]


@pytest.mark.parametrize("state", [MemberState.SUSPENDED, MemberState.TAKING_OVER])
def test_who_was_suspended_or_took_over_is_followed_as_well(state: MemberState) -> None:
    palace = Palace()
    palace.stands(state)
    palace.after(0)
    assert palace.after(13) == [NOBODY]


@pytest.mark.parametrize("state", [MemberState.QUARANTINED, MemberState.EXPELLED, MemberState.LEFT])
def test_nobody_follows_who_has_no_vote_any_more(state: MemberState) -> None:
    palace = Palace()
    palace.stands(state)
    palace.after(0)
    assert palace.after(100) == []


def test_a_queen_is_not_gone_as_long_as_a_twin_answers_for_her() -> None:
    palace = Palace()
    twin = palace.world.settle_in(palace.queen.home, "s2'")
    twin.process = palace.world.hosts["s1"].process
    palace.after(0)
    assert palace.after(100) == []
    twin.process = None
    assert palace.after(1) == []
    assert palace.after(13) == [NOBODY]


def test_time_runs_from_when_they_are_connected() -> None:
    palace = Palace()
    palace.after(0)
    palace.cut = True
    assert palace.after(100) == []
    palace.cut = False
    assert palace.after(1) == palace.after(12) == []
    assert palace.after(1) == [NOBODY]


def test_and_in_service_and_in_one_time() -> None:
    palace = Palace()
    palace.actors["s3"].lifecycle = Lifecycle.SYNCING
    palace.after(0)
    assert palace.after(100) == []
    palace.actors["s3"].lifecycle = Lifecycle.OPERATIONAL
    hosts = palace.world.hosts
    hosts["s4"].clocks.wall_offset_ms = -100_000_000
    assert palace.after(100) == []
    hosts["s4"].clocks.wall_offset_ms = 0
    assert palace.after(1) == []
    assert palace.after(13) == [NOBODY]


@pytest.mark.parametrize(
    "plight",
    [Is("s3", robbed=True), Is("s3", rotten=True), Is("s2b", byzantine=True), Is("s2b", rotten=True)],
    ids=["no quorum", "no sound quorum", "no honest backup", "no sound backup"],
)
def test_where_it_cannot_be_nobody_waits(plight: Is) -> None:
    palace = Palace()
    palace.play(plight)
    assert awaited(palace.world, palace.world.core) == []


def test_a_queen_that_is_healed_or_merely_silent_is_not_awaited() -> None:
    palace = Palace()
    assert [one.name for one in awaited(palace.world, palace.world.core)] == ["s2"]
    assert awaited(palace.world, [*palace.world.core, palace.queen]) == []
    palace.boot(palace.queen)
    assert awaited(palace.world, palace.world.core) == []


def test_views_that_failed_before_may_take_longer() -> None:
    palace = Palace()
    change = mind("s1").view_change(1, palace.chain.height, palace.chain.head_hash)
    palace.play(Keeps("s1", change), Keeps("s1", change))
    palace.after(0)
    assert palace.after(12 + 21) == [], "three views of 1, 2 and 4 s are ones of 4, 8 and 16 s then"
    assert palace.after(1) != []


@pytest.mark.parametrize("profile", ProfileName)
def test_the_bounds_are_possible(profile: ProfileName) -> None:
    timing, bound = PROFILES[profile], WITHIN[profile]
    suspected = timing.probe * (timing.missed_probes + 1)
    assert suspected < bound.fenced
    assert suspected + timing.guard_of(4) < bound.active
