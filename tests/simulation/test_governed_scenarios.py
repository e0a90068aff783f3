"""Worlds whose queens govern: stories by hand, about votes that are forgotten, doubled, late or in the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from chaos.actions import AnyAction, Crash, Cut, Detail, Disk, DiskFault, Leave, Propose, Start, Stop, Twin, Write
from chaos.checkers.statements import VOTES, said_in
from chaos.process import Process
from chaos.rules import Rules
from chaos.runner import Report, run
from chaos.scenario import Scenario
from chaos.trace import Kind
from chaos.world import World
from mesh.protocol.effects import Effect, RecordKind
from mesh.storage.store import Doubt, Recovered

Vote = tuple[int, str, str, int]  # at, host, kind, height


def propose(at_ms: int, host: str, number: int) -> Propose:
    details: dict[str, Detail] = {
        "kind": "task", "target": f"t{number}", "priority": "high"
    }  # fmt: skip
    return Propose(at_ms=at_ms, host=host, action="set_priority", details=details)


def story(*actions: AnyAction, swarms: int = 4, **fields: object) -> Scenario:
    """Some seconds of a federation that governs itself, all of which is healed in the end."""
    ordered = tuple(sorted(actions, key=lambda action: action.at_ms))
    everyone = tuple(f"s{number}" for number in range(1, swarms + 1))
    told = {"faults_s": 30, "core": everyone, "govern": True, **fields}
    return Scenario(name="story", seed=1, swarms=swarms, actions=ordered, **told)  # type: ignore[arg-type]


@contextmanager
def witnessed(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[Vote], list[World]]]:
    """Every vote that leaves a host, and the world."""
    votes: list[Vote] = []
    worlds: list[World] = []
    release = World.release

    def heard(world: World, process: Process, effect: Effect) -> None:
        said = said_in(effect)
        if said is not None and said.kind in VOTES:
            votes.append((world.now, process.host.name, said.kind.name, said.height))
        if world not in worlds:
            worlds.append(world)
        release(world, process, effect)

    monkeypatch.setattr(World, "release", heard)
    yield votes, worlds


def held(report: Report) -> None:
    assert report.violation is None
    assert report.settled is not None


def heights(world: World) -> set[int]:
    return {host.process.node.context.chain.height for host in world.hosts.values() if host.process is not None}


AGAIN = (Crash(at_ms=13_000, host="s2"), Start(at_ms=14_000, host="s2"))


@pytest.mark.parametrize("restarts", [(), AGAIN], ids=["once", "and starts again"])
def test_who_forgot_its_votes_abstains_until_the_next_epoch(
    restarts: tuple[AnyAction, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk is taken back to before two decisions. What others hold of its own log gives that away, once: by a
    second start it has its whole log again, and still has to know that it may have forgotten votes."""
    amnesia = story(
        *restarts,
        Crash(at_ms=2_000, host="s2"),
        Start(at_ms=3_000, host="s2"),
        Write(at_ms=6_000, host="s2", key="plan"),
        propose(7_000, "s1", 1),
        propose(8_000, "s3", 2),
        Crash(at_ms=9_000, host="s2"),
        Disk(at_ms=9_001, host="s2", fault=DiskFault.ROLLBACK),
        Start(at_ms=10_000, host="s2"),
        propose(16_000, "s1", 3),
        propose(20_000, "s2", 4),
        Propose(at_ms=22_000, host="s1", action="set_weight", other="s3", details={"weight": 2}),
        propose(24_000, "s2", 5),
    )
    with witnessed(monkeypatch) as (votes, worlds):
        held(run(amnesia))
    before = {height for at, host, _, height in votes if host == "s2" and at < 9_000_000}
    after = {height for at, host, _, height in votes if host == "s2" and at > 10_000_000}
    assert (before, after) == ({8, 9}, {13})
    assert heights(worlds[0]) == {13}


def taken_back(*actions: AnyAction) -> Scenario:
    """Two of four are cut off, so that nothing is decided; meanwhile the disk of another one is taken back, and lacks
    nothing of its own log. Then all go on."""
    return story(
        Crash(at_ms=2_000, host="s2"),
        Start(at_ms=3_000, host="s2"),
        Cut(at_ms=5_500, sources=("s3", "s4"), targets=("s1", "s2"), for_ms=8_000),
        propose(5_600, "s1", 1),
        Crash(at_ms=12_000, host="s2"),
        Disk(at_ms=12_001, host="s2", fault=DiskFault.ROLLBACK),
        Start(at_ms=13_000, host="s2"),
        *actions,
    )


@pytest.mark.parametrize("restarts", [(), (Crash(at_ms=15_000, host="s2"), Start(at_ms=15_500, host="s2"))])
def test_who_is_shown_a_vote_that_it_does_not_know_abstains_until_the_next_epoch(
    restarts: tuple[AnyAction, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks whole, and others heard it call for other views: it says nothing else on that height, or that view."""
    amnesia = taken_back(
        *restarts,
        propose(16_000, "s1", 2),
        Propose(at_ms=22_000, host="s1", action="set_weight", other="s3", details={"weight": 2}),
        propose(25_000, "s2", 3),
    )
    with witnessed(monkeypatch) as (votes, worlds):
        held(run(amnesia))
    after = {height for at, host, _, height in votes if host == "s2" and at > 12_000_000}
    assert (after, heights(worlds[0])) == ({10}, {10})


class Rotted(Rules):
    """Who ended in order finds its votes rotted away, the marker of its clean end behind them unharmed."""

    def opened(self, found: Recovered) -> Recovered:
        votes = [record for record in found.records if record.kind == RecordKind.VOTE]
        if not found.clean or not votes:
            return found
        others = [record for record in found.records if record not in votes]
        return replace(found, records=others, doubt=Doubt.DAMAGE)


@pytest.mark.parametrize("restarts", [(), AGAIN], ids=["once", "and starts again"])
def test_a_clean_end_vouches_for_no_vote(restarts: tuple[AnyAction, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """The marker names what the node wrote last into its own log. What it voted may be lost all the same."""
    tired = story(
        *restarts,
        propose(6_000, "s1", 1),
        Stop(at_ms=9_000, host="s2"),
        Start(at_ms=10_000, host="s2"),
        propose(16_000, "s1", 2),
        propose(18_000, "s2", 3),
        Propose(at_ms=20_000, host="s1", action="set_weight", other="s3", details={"weight": 2}),
        propose(23_000, "s2", 4),
    )
    with witnessed(monkeypatch) as (votes, worlds):
        held(run(tired, rules=Rotted))
    before = {height for at, host, _, height in votes if host == "s2" and at < 9_000_000}
    after = {height for at, host, _, height in votes if host == "s2" and at > 10_000_000}
    assert (before, after) == ({8}, {12})
    assert heights(worlds[0]) == {12}


class CutShort(Rules):
    """Every start finds the last write cut: by a power cut, which nobody was told of, or by rot."""

    torn = True

    def opened(self, found: Recovered) -> Recovered:
        return replace(found, clean=False, cut=True, torn=self.torn, doubt=Doubt.TAIL)


class Rotten(CutShort):
    torn = False


@pytest.mark.parametrize(("rules", "decided"), [(CutShort, 1), (Rotten, 0)])
@pytest.mark.parametrize("swarms", [3, 4])
def test_all_go_on_after_the_power_was_cut_in_the_middle_of_their_writes(
    swarms: int, rules: type[Rules], decided: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that was torn was told to nobody: it is no reason to abstain, or nobody could ever vote again."""
    with witnessed(monkeypatch) as (_, worlds):
        held(run(story(propose(5_000, "s1", 1), swarms=swarms), rules=rules))
    world = worlds[0]
    assert {height - world.colony.verified.height for height in heights(world)} == {decided}


def test_a_leader_with_a_twin_cannot_make_two_decisions_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with the first leader's key, each with a part of the others, and both propose at each height."""
    lead = leader(World(story()))
    one, other, third = (host for host in ("s1", "s2", "s3", "s4") if host != lead)
    scenario = story(
        Cut(at_ms=5_000, sources=(lead, one), targets=(other, third), for_ms=9_000),
        Twin(at_ms=5_001, host=lead),
        Cut(at_ms=5_002, sources=(lead, one), targets=(f"{lead}'",), for_ms=9_000),
        *(propose(9_400 + 200 * number, host, number) for number, host in enumerate((lead, f"{lead}'") * 4)),
        *(propose(16_000 + 500 * number, host, 20 + number) for number, host in enumerate((one, other, third) * 4)),
        core=(one, other, third),
    )
    with witnessed(monkeypatch) as (votes, _):
        held(run(scenario))
    proposed = [(host, height) for _, host, kind, height in votes if kind == "PRE_PREPARE"]
    both = {height for host, height in proposed if host == lead} & {h for host, h in proposed if host == f"{lead}'"}
    assert both


def leader(world: World) -> str:
    """Who proposes in view 0 of the last epoch."""
    voters = world.ledger.chain.validators()
    return world.owner(voters.leader(0, world.ledger.height + 1).swarm).name


def test_members_change_while_the_view_does() -> None:
    """The first leader goes down; the next block, of another view, lets one in; another takes a second member out."""
    first = leader(World(story(swarms=6, late=("s6",))))
    others = [host for host in ("s1", "s2", "s3", "s4", "s5") if host != first]
    scenario = story(
        Crash(at_ms=5_000, host=first),
        Propose(at_ms=5_001, host=others[0], action="admit", other="s6"),
        Propose(at_ms=5_002, host=others[1], action="expel", other=others[2], details={"reason": "it is time"}),
        Leave(at_ms=9_000, host=others[3]),
        Start(at_ms=20_000, host=first),
        swarms=6,
        late=("s6",),
    )
    report = run(scenario, keep=True)
    held(report)
    records = [record for record in report.trace.records if record.kind is Kind.NODE]
    assert any("step=view_entered" in str(record.values[1]) for record in records)


def test_a_leader_is_expelled_at_its_own_height() -> None:
    first = leader(World(story(swarms=5)))
    others = [host for host in ("s1", "s2", "s3", "s4", "s5") if host != first]
    scenario = story(
        *(propose(5_000 + 40 * number, others[number % 4], number) for number in range(50)),
        Propose(at_ms=6_000, host=first, action="expel", other=first, details={"reason": "it asks for it"}),
        swarms=5,
    )
    held(run(scenario))


@pytest.mark.parametrize("handover", [False, True])
def test_the_creator_hands_over_and_all_go_on(handover: bool) -> None:
    with_all = story(*(propose(4_000 + 500 * n, f"s{1 + n % 4}", n) for n in range(8)), handover=handover)
    held(run(with_all))


@pytest.mark.parametrize(
    ("ends", "expired"),
    [({"s4": 3}, 1), ({"s1": 2, "s2": 3, "s3": 3, "s4": 4}, 1), ({"s1": 4, "s2": 5, "s3": 5, "s5": 6, "s7": 7}, 2)],
    ids=["one of four", "all of four", "five of seven"],
)
def test_certificates_end_while_queens_decide(
    ends: dict[str, int], expired: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many lose their votes as the others can do without; the rest keep theirs, and decisions go on."""
    size = 7 if "s7" in ends else 4
    motions = [propose(2_000 + 3_000 * number, f"s{1 + number % size}", number) for number in range(8)]
    scenario = story(*motions, swarms=size, expire_s=tuple(ends.items()))
    with witnessed(monkeypatch) as (_, worlds):
        held(run(scenario))
    (world,) = worlds
    chains = [host.process.node.context.chain for host in world.hosts.values() if host.process is not None]
    assert {len(chain.validators()) for chain in chains} == {size - expired}
    assert {chain.validators().total for chain in chains} == {size}
    assert min(len(chain.standing.outcomes) for chain in chains) >= 6, "all but what the expired proposed too late"


@pytest.mark.parametrize("every", [4, 10])
def test_who_was_away_leaps_to_what_the_others_decided(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One host is down for most of the time, another one's disk is lost in between; both hold in the end what replay
    leads to, as the checkers see to."""
    motions = [propose(1_500 + 900 * number, f"s{1 + number % 2}", number) for number in range(30)]
    down = Crash(at_ms=2_000, host="s4"), Start(at_ms=29_000, host="s4")
    again = Crash(at_ms=30_000, host="s4"), Start(at_ms=31_000, host="s4")
    scenario = story(*motions, *down, *again, faults_s=35, checkpoint_every=every)
    with witnessed(monkeypatch) as (_, worlds):
        report = run(scenario)
        held(report)
    (world,) = worlds
    chain = world.hosts["s4"].process.node.context.chain  # type: ignore[union-attr]
    assert chain.first > world.colony.verified.height
    assert heights(world) == {chain.height}
