"""Links between hosts: what a way does to messages, and what cuts, hangups and ends do to connections."""

from __future__ import annotations

import pytest

from chaos.actions import Clog, Cut, Hangup, Link
from chaos.faults import heal, perform
from chaos.links import MAX_WAITING, Conditions
from chaos.trace import Kind
from chaos.world import SECOND, World
from mesh.protocol.events import DialFailed, PeerUp
from tests.support.quiet_world import arrivals, awake, ear, heard, losses, meet, quiet, say
from wire.types import Channel

MANY = [b"%d" % number for number in range(200)]
EVERYONE = ("s1", "s2", "s3")


def way(world: World, source: str = "s1", target: str = "s2") -> Conditions:
    return world.links.conditions(world.hosts[source], world.hosts[target])


def pair(seed: int = 1) -> World:
    world = quiet(3, seed)
    meet(world, "s1", "s2")
    return world


def delays(world: World, count: int = 200) -> list[int]:
    """How long each of so many messages took, sent one at a time."""
    sent = []
    for number in range(count):
        world.run(world.now + SECOND)
        sent.append(world.now)
        say(world, "s1", "s2", b"%d" % number)
    world.run(world.now + SECOND)
    return [came - went for went, came in zip(sent, arrivals(world, "s2"), strict=True)]


def test_a_delay_lies_between_its_least_and_its_jitter() -> None:
    world = pair()
    way(world).delay, way(world).jitter = 10_000, 5_000
    found = delays(world)
    assert min(found) >= 10_000
    assert max(found) < 15_000
    assert min(found) < 10_500 < 14_500 < max(found)


def test_without_jitter_all_take_the_same_time() -> None:
    world = pair()
    way(world).delay, way(world).jitter = 700, 0
    assert set(delays(world, 10)) == {700}


def test_the_way_back_is_another_way() -> None:
    world = pair()
    way(world).delay, way(world).jitter = 400_000, 0
    assert way(world, "s2", "s1").delay != 400_000
    say(world, "s1", "s2", b"there")
    say(world, "s2", "s1", b"back")
    world.run(world.now + SECOND // 10)
    assert (heard(world, "s1"), heard(world, "s2")) == ([b"back"], [])


def test_bandwidth_lets_one_message_wait_for_the_other() -> None:
    world = pair()
    way(world).delay, way(world).jitter, way(world).bytes_per_s = 0, 0, 1_000
    began = world.now
    say(world, "s1", "s2", bytes(100), bytes(50))
    world.run(world.now + 2 * SECOND)
    say(world, "s1", "s2", bytes(10))
    world.run(world.now + SECOND)
    assert [at - began for at in arrivals(world, "s2")] == [100_000, 150_000, 2_010_000]


def test_a_stream_keeps_its_order_and_lanes_do_not_wait_for_each_other() -> None:
    world = pair()
    way(world).jitter = 300_000
    say(world, "s1", "s2", *MANY)
    world.run(world.now + SECOND)
    assert heard(world, "s2") == MANY
    say(world, "s1", "s2", *MANY[:50], channel=Channel.MESH)
    say(world, "s1", "s2", *MANY[50:100], channel=Channel.SYNC)
    world.run(world.now + SECOND)
    mixed = heard(world, "s2")[len(MANY) :]
    assert mixed != MANY[:100]
    assert sorted(mixed) == sorted(MANY[:100])


def test_a_lossy_lane_loses_about_so_many() -> None:
    world = pair()
    way(world).loss = 0.3
    say(world, "s1", "s2", *MANY)
    world.run(world.now + SECOND)
    got = heard(world, "s2")
    assert 110 < len(got) < 170
    assert got == [message for message in MANY if message in set(got)]
    assert losses(world, "s2") == []


@pytest.mark.parametrize(
    ("channel", "loss", "corrupt"),
    [(Channel.SYNC, 1.0, 0.0), (Channel.JOIN, 1.0, 0.0), (Channel.MESH, 0.0, 1.0)],
    ids=["a lane that drops nothing", "also for joins", "a cipher that does not check out"],
)
def test_what_cannot_be_lost_breaks_the_connection(channel: Channel, loss: float, corrupt: float) -> None:
    world = pair()
    way(world).loss, way(world).corrupt = loss, corrupt
    say(world, "s1", "s2", b"x", channel=channel)
    world.run(world.now + SECOND)
    assert heard(world, "s2") == []
    assert (losses(world, "s1"), losses(world, "s2")) == (["the connection broke"], ["the other side closed"])
    assert [record.values[1] for record in world.trace.records if record.kind is Kind.LOST] == [
        "the connection broke"
    ]


# cuts


def test_what_is_sent_into_a_cut_waits_until_it_heals() -> None:
    world = pair()
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=3_000))
    say(world, "s1", "s2", b"one", b"two")
    say(world, "s2", "s1", b"three")
    world.run(world.now + 2_999_000)
    assert (heard(world, "s1"), heard(world, "s2")) == ([], [])
    world.run(world.now + SECOND)
    assert (heard(world, "s1"), heard(world, "s2")) == ([b"three"], [b"one", b"two"])


def test_a_cut_of_one_way_leaves_the_other_open() -> None:
    world = pair()
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=3_000, both=False))
    say(world, "s1", "s2", b"there")
    say(world, "s2", "s1", b"back")
    world.run(world.now + SECOND)
    assert (heard(world, "s1"), heard(world, "s2")) == ([b"back"], [])


def test_groups_are_whole_within_and_a_bridge_reaches_both() -> None:
    world = quiet(3)
    meet(world, *EVERYONE)
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s3",), for_ms=3_000))
    for source, target in (("s1", "s2"), ("s2", "s3"), ("s3", "s2"), ("s1", "s3"), ("s3", "s1")):
        say(world, source, target, f"{source}>{target}".encode())
    world.run(world.now + SECOND)
    assert [heard(world, name) for name in EVERYONE] == [[], [b"s1>s2", b"s3>s2"], [b"s2>s3"]]


def test_two_cuts_over_one_way_both_have_to_heal() -> None:
    world = pair()
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=1_000))
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2", "s3"), for_ms=5_000))
    say(world, "s1", "s2", b"x")
    world.run(world.now + 4 * SECOND)
    assert heard(world, "s2") == []
    world.run(world.now + 2 * SECOND)
    assert heard(world, "s2") == [b"x"]


def test_flapping_lets_through_what_waits_each_time_it_is_open() -> None:
    world = pair()
    for number in range(3):
        world.later(
            600_000 * number,
            lambda: perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=300)),
        )
        world.later(600_000 * number + 100_000, lambda number=number: say(world, "s1", "s2", b"%d" % number))
    began = world.now
    world.run(world.now + 3 * SECOND)
    assert heard(world, "s2") == [b"0", b"1", b"2"]
    assert [(at - began) // 100_000 for at in arrivals(world, "s2")] == [3, 9, 15]


@pytest.mark.parametrize("channel", [Channel.MESH, Channel.SYNC], ids=["one that drops", "one that drops nothing"])
def test_a_lane_into_a_cut_is_full_some_time(channel: Channel) -> None:
    """The clogged lane forgets what is too much, or breaks."""
    world = pair()
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=3_000))
    say(world, "s1", "s2", *[b"x"] * (MAX_WAITING + 1), channel=channel)
    world.run(world.now + SECOND)
    kept = channel is Channel.MESH
    assert losses(world, "s1") == ([] if kept else [f"it does not read what it asked for on {channel}"])
    world.run(world.now + 5 * SECOND)
    assert len(heard(world, "s2")) == (MAX_WAITING if kept else 0)


def test_a_clogged_way_holds_everything_and_lets_it_go_at_once_in_order() -> None:
    world = pair()
    perform(world, Clog(at_ms=0, sources=("s1",), targets=("s2",), for_ms=3_000))
    began = world.now
    for number in range(5):
        world.later(500_000 * number, lambda number=number: say(world, "s1", "s2", b"%d" % number))
    say(world, "s2", "s1", b"back")
    world.run(began + 2_999_000)
    assert (heard(world, "s1"), heard(world, "s2")) == ([b"back"], [])
    say(world, "s1", "s2", b"5")
    world.run(began + 4 * SECOND)
    assert heard(world, "s2") == [b"%d" % number for number in range(6)]
    assert {(at - began) // 100_000 for at in arrivals(world, "s2")} == {30}
    say(world, "s1", "s2", b"soon")
    world.run(world.now + 100_000)
    assert heard(world, "s2")[-1] == b"soon"


@pytest.mark.parametrize(
    ("clog", "cut"), [(1_000, 5_000), (5_000, 1_000)], ids=["the cut is longer", "the clog is longer"]
)
def test_what_is_clogged_and_cut_is_open_when_both_are_over(clog: int, cut: int) -> None:
    world = pair()
    perform(world, Clog(at_ms=0, sources=("s1",), targets=("s2",), for_ms=clog))
    perform(world, Clog(at_ms=0, sources=("s1",), targets=("s2",), for_ms=clog))
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=cut))
    say(world, "s1", "s2", b"x")
    world.run(world.now + 4 * SECOND)
    assert heard(world, "s2") == []
    world.run(world.now + 2 * SECOND)
    assert heard(world, "s2") == [b"x"]


def test_what_is_healed_for_good_is_clogged_no_more() -> None:
    world = pair()
    perform(world, Clog(at_ms=0, sources=("s1",), targets=("s2",), for_ms=90_000))
    say(world, "s1", "s2", b"waits")
    heal(world, [world.hosts["s1"], world.hosts["s2"]])
    perform(world, Clog(at_ms=0, sources=("s1",), targets=("s2",), for_ms=90_000))
    say(world, "s1", "s2", b"goes")
    world.run(world.now + SECOND)
    assert heard(world, "s2") == [b"waits", b"goes"]


# the actions


def test_a_bad_way_is_bad_in_both_directions_and_then_good_again() -> None:
    world = pair()
    good = way(world, "s2", "s3").delay
    perform(world, Link(at_ms=0, sources=("s1",), targets=("s2",), for_ms=1_000, delay_ms=30, loss=0.5, reorder=0.25))
    for one, other in (("s1", "s2"), ("s2", "s1")):
        assert (way(world, one, other).delay, way(world, one, other).loss) == (30_000, 0.5)
        assert way(world, one, other).reorder == 0.25
    assert way(world, "s2", "s3").delay == good
    world.run(world.now + 1_000_000)
    assert (way(world).delay, way(world).loss, way(world).reorder) == (good, 0.0, 0.0)


def test_what_is_healed_for_good_is_cut_and_worsened_no_more() -> None:
    world = pair()
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2", "s3"), for_ms=90_000))
    perform(world, Link(at_ms=0, sources=("s1",), targets=("s2",), for_ms=90_000, loss=1.0))
    say(world, "s1", "s2", b"waits")
    heal(world, [world.hosts["s1"], world.hosts["s2"]])
    perform(world, Cut(at_ms=0, sources=("s1",), targets=("s2",), for_ms=90_000))
    perform(world, Link(at_ms=0, sources=("s1",), targets=("s2",), for_ms=90_000, loss=1.0))
    say(world, "s1", "s2", b"goes")
    world.run(world.now + SECOND)
    assert heard(world, "s2") == [b"waits", b"goes"]
    assert not way(world, "s1", "s3").open  # who is not in the core stays as it was
    world.run(world.now + 100 * SECOND)
    assert way(world).open


def test_a_hangup_breaks_the_connection_and_leaves_the_way_open() -> None:
    world = pair()
    perform(world, Hangup(at_ms=0, host="s1", other="s2"))
    world.run(world.now + SECOND)
    assert (losses(world, "s1"), losses(world, "s2")) == (["the connection broke"], ["the other side closed"])
    meet(world, "s1", "s2")
    say(world, "s1", "s2", b"again")
    world.run(world.now + SECOND)
    assert heard(world, "s2") == [b"again"]


# connections


def dialled(world: World, address: str = "") -> list[str]:
    """What `s1` hears when it dials `s2`."""
    target = world.hosts["s2"]
    world.links.dial(world.hosts["s1"], target.peer, (address or target.address,))
    world.run(world.now + 10 * SECOND)
    events = [event for _, event in ear(world, "s1").told]
    return [event.cause if isinstance(event, DialFailed) else type(event).__name__ for event in events]


def test_both_ends_hear_of_a_link() -> None:
    world = quiet(2)
    assert dialled(world) == ["PeerUp"]
    ((_, there),) = ear(world, "s2").told
    assert isinstance(there, PeerUp)
    assert (there.peer, there.inbound) == (world.hosts["s1"].peer, True)


def test_nobody_listens_where_nothing_runs_where_nobody_is_or_where_another_is() -> None:
    world = quiet(3)
    assert dialled(world, world.hosts["s3"].address) == ["refused"]
    ear(world, "s1").told.clear()
    assert dialled(world, "/ip4/10.9.9.9/tcp/1") == ["timed out"]
    ear(world, "s1").told.clear()
    world.hosts["s2"].process = None
    assert dialled(world) == ["refused"]


@pytest.mark.parametrize(("source", "target"), [("s1", "s2"), ("s2", "s1")])
def test_nobody_is_reached_across_a_cut_of_either_way(source: str, target: str) -> None:
    world = quiet(2)
    perform(world, Cut(at_ms=0, sources=(source,), targets=(target,), for_ms=60_000, both=False))
    assert dialled(world) == ["timed out"]


def test_a_process_that_dies_is_missed_unless_the_power_is_cut() -> None:
    for silently, missed in ((False, ["the other side went away"]), (True, [])):
        world = pair()
        world.links.gone(world.hosts["s1"], silently=silently)
        world.hosts["s1"].process = None
        world.run(world.now + 60 * SECOND)
        assert losses(world, "s2") == missed


def test_who_speaks_on_a_half_open_link_learns_that_it_is_none() -> None:
    world = pair()
    world.links.gone(world.hosts["s1"], silently=True)
    awake(world, world.hosts["s1"])
    say(world, "s2", "s1", b"are you there?")
    world.run(world.now + SECOND)
    assert losses(world, "s2") == ["the other side knows of no such connection"]
    assert heard(world, "s1") == []


def test_a_half_open_link_gives_way_to_a_new_connection() -> None:
    world = pair()
    world.links.gone(world.hosts["s1"], silently=True)
    awake(world, world.hosts["s1"])
    assert dialled(world) == ["PeerUp"]
    assert losses(world, "s2") == ["replaced by a new connection"]
