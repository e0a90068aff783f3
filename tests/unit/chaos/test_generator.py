"""The generator: a seed is a scenario, swarm testing, two phases, a core with a quorum, and files with garbage."""

from __future__ import annotations

import pytest

from chaos.actions import (
    AnyAction,
    Clock,
    Clog,
    Crash,
    Cut,
    Deceit,
    Deceive,
    Disk,
    DiskFault,
    Hangup,
    Lag,
    Leave,
    Lie,
    Link,
    Pause,
    Propose,
    Remove,
    Silence,
    Start,
    Stop,
    Twin,
    Vote,
    Write,
)
from chaos.generator import AMONG, KINDS, MEMOLESS, few, generate
from chaos.intrigues import successions
from chaos.motions import MOTIONS, motions
from chaos.runner import core_of
from chaos.scenario import Policy, Scenario, dump, hosts_of, load, spares_of
from chaos.world import World
from wire.errors import UsageError
from wire.rng import Rng

SEEDS = range(1, 201)
SWARMS = 7
SCENARIOS = [generate(seed, SWARMS) for seed in SEEDS]
HOSTS = [f"s{number}" for number in range(1, SWARMS + 1)]

# A kind of action, and what is typical of it.
FAULTS: dict[str, type] = {
    "crash": Crash,
    "stop": Stop,
    "pause": Pause,
    "lag": Lag,
    "cut": Cut,
    "clog": Clog,
    "link": Link,
    "hangup": Hangup,
    "disk": Disk,
    "clock": Clock,
    "twin": Twin,
    "silence": Silence,
    "lie": Lie,
}


def holds(scenario: Scenario, kind: type) -> bool:
    return any(isinstance(action, kind) for action in scenario.actions)


def test_a_seed_is_a_scenario() -> None:
    assert [generate(seed, SWARMS) for seed in SEEDS] == SCENARIOS
    assert len({scenario.actions for scenario in SCENARIOS}) == len(SCENARIOS)
    assert all(
        (one.seed, one.swarms, one.name) == (seed, SWARMS, "random")
        for seed, one in zip(SEEDS, SCENARIOS, strict=True)
    )


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_on_in_some_seeds_and_off_in_others(fault: str) -> None:
    on = sum(holds(scenario, FAULTS[fault]) for scenario in SCENARIOS)
    assert len(SEEDS) // 20 <= on <= len(SEEDS) * 19 // 20


def test_every_fault_of_a_disk_is_drawn() -> None:
    faults = {action.fault for scenario in SCENARIOS for action in scenario.actions if isinstance(action, Disk)}
    assert faults == set(DiskFault)


def test_every_action_is_drawn() -> None:
    drawn = {type(action) for scenario in SCENARIOS for action in scenario.actions}
    assert drawn == {*FAULTS.values(), Start, Write, Remove, Propose, Vote, Leave, Deceive}


def test_kinds_have_weights() -> None:
    """In one seed crashes are many and cuts few, in another the other way round."""
    shares = []
    for scenario in SCENARIOS:
        crashes, cuts = (sum(isinstance(action, kind) for action in scenario.actions) for kind in (Crash, Cut))
        if crashes and cuts:
            shares.append(crashes / (crashes + cuts))
    assert min(shares) < 0.3 < 0.7 < max(shares)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_names_hosts_that_exist_in_a_federation_of_any_size(kind: str) -> None:
    for count in (1, 2, 7):
        hosts = HOSTS[:count]
        for seed in range(20):
            actions: list[AnyAction] = KINDS[kind](Rng(seed), hosts, 1_000)
            assert actions
            assert {host.rstrip("'") for action in actions for host in hosts_of(action)} <= set(
                hosts
            )  # or their twins
            assert min(action.at_ms for action in actions) >= 1_000


@pytest.mark.parametrize("seed", SEEDS[:40])
def test_bridges_join_two_groups_in_one_host(seed: int) -> None:
    (cut,) = KINDS["bridge"](Rng(seed), HOSTS, 0)
    assert isinstance(cut, Cut)
    assert cut.both
    assert not {*cut.sources} & {*cut.targets}
    assert len({*HOSTS} - {*cut.sources} - {*cut.targets}) == 1


def test_cuts_are_of_both_ways_and_of_one() -> None:
    ways = {
        action.both
        for seed in range(40)
        for action in KINDS["partition"](Rng(seed), HOSTS, 0)
        if isinstance(action, Cut)
    }
    assert ways == {True, False}


def test_those_who_may_be_hostile_or_frail_are_few() -> None:
    for scenario in SCENARIOS:
        hostile, frail = set(), set()
        for action in scenario.actions:
            if isinstance(action, Twin | Silence | Lie):
                hostile.add(action.host)
            if isinstance(action, Disk) and action.fault in (DiskFault.LOST, DiskFault.ROLLBACK, DiskFault.BIT_ROT):
                frail.add(action.host)
        assert 3 * len(hostile) < SWARMS
        assert 2 * len(frail) < SWARMS


def test_those_groups_are_of_kinds_that_exist() -> None:
    assert set(AMONG) <= set(KINDS)


def test_actions_stand_in_the_order_of_their_times() -> None:
    for scenario in SCENARIOS:
        times = [action.at_ms for action in scenario.actions]
        assert times == sorted(times)
        asked = [action.host for action in scenario.actions if isinstance(action, Write | Remove)]
        assert sum(host in HOSTS[:SWARMS] for host in asked) == 120  # the others are twins


def test_some_seeds_verify_every_signature_anew() -> None:
    assert [one.seed for one in SCENARIOS if not one.memo] == [seed for seed in SEEDS if seed % MEMOLESS == 0]


@pytest.mark.parametrize("swarms", [1, 2, 3, 4, 7])
def test_the_core_is_a_majority_without_the_hostile(swarms: int) -> None:
    sizes = set()
    for seed in range(1, 25):
        world = World(Scenario(seed=seed, swarms=swarms))
        if swarms > 3:
            world.hosts["s2"].byzantine = True
        core = core_of(world)
        assert len(core) > swarms // 2
        assert len({host.name for host in core}) == len(core)
        assert not any(host.byzantine for host in core)
        assert [host.name for host in core_of(world)] == [host.name for host in core]
        sizes.add(len(core))
    assert (len(sizes) > 1) == (swarms in (3, 7))  # elsewhere all who are able are just enough


def test_nobody_is_healed_where_too_few_are_left() -> None:
    world = World(Scenario(seed=1, swarms=3))
    world.hosts["s1"].byzantine = world.hosts["s2"].byzantine = True
    assert core_of(world) == []


def test_a_core_may_be_named() -> None:
    world = World(Scenario(seed=1, swarms=3, core=("s3", "s1")))
    assert [host.name for host in core_of(world)] == ["s3", "s1"]


@pytest.mark.parametrize("scenario", SCENARIOS[::20], ids=lambda scenario: str(scenario.seed))
def test_a_scenario_survives_its_file(scenario: Scenario) -> None:
    assert load(dump(scenario)) == scenario


# federations that govern themselves

COUNCILS = [scenario for scenario in SCENARIOS if scenario.govern]


def test_in_a_part_of_the_seeds_the_queens_govern() -> None:
    assert len(SEEDS) // 4 < len(COUNCILS) < len(SEEDS) // 2
    assert {scenario.policy for scenario in COUNCILS} == {Policy.APPROVE, Policy.DRAWN, Policy.OPERATORS}
    assert {scenario.votes_to_all for scenario in COUNCILS} == {0, 6, 16}
    assert {(scenario.handover, bool(scenario.late)) for scenario in COUNCILS} == {
        (False, False),
        (False, True),
        (True, False),
    }
    assert all(holds(scenario, Propose) for scenario in COUNCILS)
    assert not any(holds(scenario, kind) for scenario in SCENARIOS if not scenario.govern for kind in (Propose, Vote))


def test_who_governs_may_be_given() -> None:
    assert [generate(seed, 4, govern=True).govern for seed in range(8)] == [True] * 8
    assert [generate(seed, 4, govern=False).govern for seed in range(8)] == [False] * 8
    ruled = next(scenario for scenario in SCENARIOS if not scenario.govern)
    assert generate(ruled.seed, SWARMS, govern=False) == ruled


def test_every_motion_is_drawn_and_fits_its_action() -> None:
    proposed = {action.action for one in COUNCILS for action in one.actions if isinstance(action, Propose)}
    assert proposed == {*MOTIONS, "admit", "expel", "reinstate"}


def test_one_swarm_at_most_goes() -> None:
    for scenario in COUNCILS:
        gone = {action.host for action in scenario.actions if isinstance(action, Leave)}
        gone |= {str(a.other) for a in scenario.actions if isinstance(a, Propose) and a.action == "expel"}
        assert len(gone) <= 1
    assert not any(holds(generate(seed, 3, govern=True), Leave) for seed in range(40))


def test_every_lie_of_a_queen_is_drawn_and_hostile_ones_alone_tell_them() -> None:
    told = [(one, action) for one in COUNCILS for action in one.actions if isinstance(action, Deceive)]
    assert {action.lie for _, action in told} == set(Deceit)
    assert len({action.rate for _, action in told}) > 2
    honest = [one for one in COUNCILS if not holds(one, Deceive)]
    assert len(COUNCILS) // 5 < len(honest) < len(COUNCILS) * 4 // 5
    assert not any(holds(generate(seed, 3, govern=True), Deceive) for seed in range(40))
    assert not any(holds(one, Deceive) for one in SCENARIOS if not one.govern)
    for one in COUNCILS:
        liars = {action.host for action in one.actions if isinstance(action, Deceive)}
        assert 3 * len(liars) < SWARMS


BACKED = [scenario for scenario in COUNCILS if scenario.backups]


def test_some_queens_have_a_backup_or_two_and_fail() -> None:
    assert len(COUNCILS) // 4 < len(BACKED) < len(COUNCILS) * 3 // 4
    assert {len(one.backups) for one in BACKED} >= {1, 2}
    assert any(len(set(one.backups)) < len(one.backups) for one in BACKED)
    assert not any(one.handover or set(one.backups) & set(one.late) for one in BACKED)
    for one in BACKED:
        spares = {spare for spares in spares_of(one.backups).values() for spare in spares}
        assert {action.host for action in one.actions if isinstance(action, Write)} >= spares
        failing = {
            host for action in one.actions if isinstance(action, Crash | Pause | Cut) for host in hosts_of(action)
        }
        assert failing >= set(one.backups)


@pytest.mark.parametrize("spares", [("s2b",), ("s2b", "s2c")])
def test_a_succession_is_made_hard_in_every_way(spares: tuple[str, ...]) -> None:
    backups = ("s2",) * len(spares)
    drawn = [successions(Rng(seed), HOSTS, backups, [("s2", 7_000)], 60) for seed in range(80)]
    actions = [action for one in drawn for action in one]
    kinds = {type(action) for action in actions}
    assert kinds == {Crash, Start, Pause, Cut, Write, Propose}
    down = {action.host for action in actions if isinstance(action, Crash)}
    assert down == {"s2", *spares}
    assert any(isinstance(a, Pause) and a.host != "s2" for a in actions)
    apart = {frozenset(action.sources) for action in actions if isinstance(action, Cut)}
    assert apart == {frozenset({"s2"}), frozenset({"s2", *spares[1:]})}
    for one in drawn:
        gone = [a for a in one if not isinstance(a, Write | Propose) and "s2" in hosts_of(a)]
        assert min(action.at_ms for action in gone) == 7_000


def test_who_goes_goes_about_when_a_queen_fails() -> None:
    near = [
        action.at_ms
        for seed in range(60)
        for action in motions(Rng(seed), HOSTS, (), 60, [20_000])
        if isinstance(action, Leave) or (isinstance(action, Propose) and action.action == "expel")
    ]
    assert near
    assert all(20_000 <= at < 34_000 for at in near)


@pytest.mark.parametrize(("members", "most"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (7, 2), (10, 3)])
def test_whoever_is_hostile_or_frail_leaves_a_quorum(members: int, most: int) -> None:
    hosts = [f"s{number}" for number in range(1, members + 1)]
    drawn = [few(Rng(seed), hosts, members) for seed in range(40)]
    assert {len(groups["hostile"]) + len(groups["frail"]) for groups in drawn} == {most}
    assert {len(groups["hostile"]) for groups in drawn} == (set(range(most + 1)) if members > 3 else {0})
    assert not any(set(groups["hostile"]) & set(groups["frail"]) for groups in drawn)


def test_where_a_majority_decides_no_disk_forgets_a_vote() -> None:
    """Two quorums share one queen there: nothing would be promised any more, and the seed would judge little."""
    for govern, robbed in ((True, False), (False, True)):
        scenarios = [generate(seed, 3, govern=govern) for seed in range(60)]
        faults = {action.fault for one in scenarios for action in one.actions if isinstance(action, Disk)}
        assert (faults >= {DiskFault.LOST, DiskFault.ROLLBACK}, DiskFault.BIT_ROT in faults) == (robbed, True)


@pytest.mark.parametrize("swarms", [3, 4, 7])
def test_a_core_of_a_council_can_decide(swarms: int) -> None:
    for seed in range(1, 15):
        world = World(Scenario(seed=seed, swarms=swarms, govern=True))
        world.hosts["s2"].rotten = True
        core = core_of(world)
        assert world.quorate(core)
        assert world.quorate([host for host in core if host.name != "s2"])


def test_nobody_is_healed_where_no_quorum_is_left() -> None:
    world = World(Scenario(seed=1, swarms=4, govern=True))
    world.hosts["s1"].byzantine = world.hosts["s2"].rotten = True
    assert core_of(world) == []


ONE = '{"seed": 1, "swarms": 3, "actions": [%s]}'
GARBAGE: dict[str, tuple[str, str]] = {
    "nothing": ("", "truncated"),
    "no JSON": ("seed: 1", "malformed"),
    "bytes": ("\udcff\udcfe", "malformed"),
    "a list": ("[]", "object"),
    "no seed": ('{"swarms": 3}', "seed"),
    "too many swarms": ('{"seed": 1, "swarms": 2001}', "swarms: 2001 is not within 1 to 2000"),
    "no swarm": ('{"seed": 1, "swarms": 0}', "swarms: 0"),
    "a time below nothing": ('{"seed": 1, "swarms": 3, "settle_s": -1}', "settle_s"),
    "an unknown field": ('{"seed": 1, "swarms": 3, "sed": 2}', "sed"),
    "another format": ('{"seed": 1, "swarms": 3, "format": 2}', "format"),
    "an unknown action": (ONE % '{"do": "explode", "at_ms": 1}', "explode"),
    "an action without a time": (ONE % '{"do": "start", "host": "s1"}', "at_ms"),
    "an action with a field too many": (ONE % '{"do": "start", "at_ms": 1, "host": "s1", "other": "s2"}', "other"),
    "a host that is none": (ONE % '{"do": "start", "at_ms": 1, "host": "s4"}', "no host is called 's4'"),
    "a rate above one": (ONE % '{"do": "lie", "at_ms": 1, "host": "s1", "rate": 2, "for_ms": 1}', "rate"),
    "an action that nobody can decide": (
        ONE % '{"do": "propose", "at_ms": 1, "host": "s1", "action": "dance"}',
        "no action is called 'dance'",
    ),
    "a proposal about nobody": (
        ONE % '{"do": "propose", "at_ms": 1, "host": "s1", "action": "expel", "other": "s7"}',
        "no host is called 's7'",
    ),
    "a handover by one who keeps it": ('{"seed": 1, "swarms": 3, "handover": true}', "govern is false"),
    "a founder that is late": ('{"seed": 1, "swarms": 3, "govern": true, "late": ["s1"]}', "s1 founds"),
    "three backups of one queen": (
        '{"seed": 1, "swarms": 3, "govern": true, "backups": ["s2", "s2", "s2"]}',
        "a queen has 2 at most",
    ),
    "a second backup that is none": (
        ONE.replace('"swarms": 3', '"swarms": 3, "govern": true, "backups": ["s2"]')
        % '{"do": "start", "at_ms": 1, "host": "s2c"}',
        "no host is called 's2c'",
    ),
    "a word of another table": (ONE % '{"do": "crash", "at_ms": 1, "host": "s1", "leaves": "dust"}', "dust"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_in_a_file_is_a_mistake_of_the_user(name: str) -> None:
    text, said = GARBAGE[name]
    with pytest.raises(UsageError, match="this is no scenario") as refused:
        load(text.encode(errors="surrogateescape"))
    assert said in str(refused.value)
