"""Gossip in the world: it goes through relays, so that what a relay does wrong is seen, and is told again later."""

from __future__ import annotations

import pytest

from chaos.actions import Clog, Cut
from chaos.faults import perform
from chaos.gossip import DEGREE_HIGH, HEARTBEAT, WINDOW
from chaos.trace import Kind
from chaos.world import SECOND, World
from mesh.protocol.events import GossipReceived, StreamOffence
from tests.support.quiet_world import TOPIC, ear, gossip_of, meet, quiet
from wire.errors import Offence

CHAIN = ("s1", "s2", "s3")  # s1 and s3 know each other by s2 alone


def chain() -> World:
    world = quiet(3)
    meet(world, "s1", "s2")
    meet(world, "s2", "s3")
    subscribe(world, *CHAIN)
    return world


def circle(count: int = 3) -> World:
    world = quiet(count)
    meet(world, *world.hosts)
    subscribe(world, *world.hosts)
    return world


def subscribe(world: World, *names: str) -> None:
    for name in names:
        world.gossip.subscribe(world.hosts[name], TOPIC)


def publish(world: World, name: str, *messages: bytes) -> None:
    for message in messages:
        world.gossip.publish(world.hosts[name], TOPIC, message)


def soon(world: World) -> None:
    """Long enough for the mesh, too short for a heartbeat to tell anything again."""
    world.run(world.now + HEARTBEAT // 20)


def test_a_message_reaches_who_is_not_linked_by_a_relay() -> None:
    world = chain()
    publish(world, "s1", b"news")
    soon(world)
    assert [gossip_of(world, name) for name in CHAIN] == [[], [b"news"], [b"news"]]
    ((_, event),) = [entry for entry in ear(world, "s3").told if isinstance(entry[1], GossipReceived)]
    assert event.forwarder == world.hosts["s1"].peer


def test_everyone_hears_it_once_however_many_pass_it_on() -> None:
    world = circle(5)
    publish(world, "s1", b"news")
    world.run(world.now + 10 * SECOND)
    assert [gossip_of(world, name) for name in world.hosts] == [[], *[[b"news"]] * 4]


def test_a_relay_that_finds_it_not_authentic_stops_it() -> None:
    world = chain()
    ear(world, "s2").refuses = (b"news",)
    publish(world, "s1", b"news")
    world.run(world.now + 10 * SECOND)
    assert [gossip_of(world, name) for name in CHAIN] == [[], [], []]


def test_a_relay_blames_who_handed_it_garbage() -> None:
    world = chain()
    ear(world, "s3").hates = (b"garbage",)
    publish(world, "s1", b"garbage")
    soon(world)
    (offence,) = [event for _, event in ear(world, "s3").told if isinstance(event, StreamOffence)]
    assert (offence.peer, offence.offence) == (world.hosts["s2"].peer, Offence.DECODE)
    assert "garbage" in offence.detail


def test_a_relay_that_is_cut_off_is_missed_and_tells_it_later() -> None:
    world = chain()
    perform(world, Cut(at_ms=0, sources=("s2",), targets=("s3",), for_ms=1_500))
    publish(world, "s1", b"news")
    soon(world)
    assert gossip_of(world, "s2") == [b"news"]
    assert gossip_of(world, "s3") == []
    world.run(world.now + WINDOW * HEARTBEAT)
    assert gossip_of(world, "s3") == []  # it is in the mesh, and the mesh is told once


def test_gossip_waits_where_a_way_is_clogged_and_is_not_lost() -> None:
    world = chain()
    perform(world, Clog(at_ms=0, sources=("s2",), targets=("s3",), for_ms=WINDOW * HEARTBEAT // 1_000 + 2_000))
    publish(world, "s1", b"one")
    publish(world, "s1", b"two")
    world.run(world.now + WINDOW * HEARTBEAT + 1_500_000)
    assert sorted(gossip_of(world, "s2")) == [b"one", b"two"]
    assert gossip_of(world, "s3") == []
    world.run(world.now + 1_000_000)
    assert sorted(gossip_of(world, "s3")) == [b"one", b"two"]


def test_who_is_outside_the_mesh_is_told_by_heartbeats() -> None:
    """Every first hop is lost; those whom the mesh leaves out hear of it later, and pass it on."""
    world = circle(DEGREE_HIGH + 4)
    ways = [world.links.conditions(world.hosts["s1"], other) for other in list(world.hosts.values())[1:]]
    for way in ways:
        way.loss = 1.0
    publish(world, "s1", b"news")
    soon(world)
    for way in ways:
        way.loss = 0.0
    assert not any(gossip_of(world, name) for name in world.hosts)
    world.run(world.now + WINDOW * HEARTBEAT)
    assert [gossip_of(world, name) for name in world.hosts] == [[], *[[b"news"]] * len(ways)]


@pytest.mark.parametrize("dead", ["down", "paused", "not trusted", "left"])
def test_who_takes_no_part_relays_nothing(dead: str) -> None:
    world = chain()
    middle = world.hosts["s2"]
    match dead:
        case "down":
            middle.process = None
        case "paused":
            ear(world, "s2").paused = True
        case "not trusted":
            world.links.trust(middle, world.hosts["s1"].peer, False)
        case _:
            world.gossip.gone(middle)
    publish(world, "s1", b"news")
    soon(world)
    assert gossip_of(world, "s3") == []


def test_who_does_not_take_part_publishes_nothing() -> None:
    world = chain()
    world.gossip.gone(world.hosts["s1"])
    publish(world, "s1", b"news")
    soon(world)
    assert gossip_of(world, "s2") == []


def test_a_lossy_way_loses_hops_and_a_corrupt_one_all() -> None:
    for worse in ("loss", "corrupt"):
        world = chain()
        setattr(world.links.conditions(world.hosts["s1"], world.hosts["s2"]), worse, 1.0)
        publish(world, "s1", b"news")
        soon(world)
        assert gossip_of(world, "s2") == []


def test_a_duplicate_is_noticed_and_arrives_at_nobody() -> None:
    world = chain()
    world.links.conditions(world.hosts["s1"], world.hosts["s2"]).duplicate = 1.0
    publish(world, "s1", b"news")
    world.run(world.now + SECOND // 2)
    assert gossip_of(world, "s2") == [b"news"]
    arrived = [record.host for record in world.trace.records if record.kind is Kind.ARRIVED and record.host == "s2"]
    assert len(arrived) == 1


def test_on_a_way_that_reorders_one_overtakes_the_other() -> None:
    world = chain()
    messages = [b"%d" % number for number in range(20)]
    publish(world, "s1", *messages)
    world.run(world.now + SECOND // 2)
    world.links.conditions(world.hosts["s1"], world.hosts["s2"]).reorder = 0.5
    publish(world, "s1", *messages)
    world.run(world.now + SECOND // 2)
    got = gossip_of(world, "s2")[20:]
    assert sorted(got) == sorted(messages)
    assert got != messages
