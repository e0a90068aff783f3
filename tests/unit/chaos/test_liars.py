"""Hostile hosts: how liars speak, whom the silent tell nothing, and what a twin has in common with its original."""

from __future__ import annotations

from collections import Counter

import pytest

from chaos.actions import Lie, Silence, Twin
from chaos.faults import heal, perform
from chaos.rules import Rules
from chaos.scenario import Scenario
from chaos.world import SECOND, World
from tests.support.quiet_world import TOPIC, gossip_of, heard, meet, quiet, say
from wire.rng import Rng

MESSAGE = bytes(range(40, 80))


def spoken(rate: float, count: int = 2_000) -> list[tuple[bytes, ...]]:
    """What is said for each of so many messages, all of them different."""
    world = quiet(2)
    rules = Rules(Rng(1))
    rules.lies["s1"] = rate
    return [tuple(rules.spoken(world.hosts["s1"], MESSAGE + b"%d" % number)) for number in range(count)]


def changed_bits(one: bytes, other: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


def lie_of(number: int, said: tuple[bytes, ...]) -> str:
    """Which lie it was."""
    truth = MESSAGE + b"%d" % number
    match said:
        case (only,) if only == truth:
            return "none"
        case (first, second) if first == truth:
            return "said twice" if second == truth else "said again later" if second.startswith(MESSAGE) else "?"
        case (only,) if len(only) == len(truth) and changed_bits(only, truth) == 1:
            return "flipped"
        case (only,) if truth.startswith(only):
            return "cut"
        case (only,) if only.startswith(b"\x82\x04\x5a\x00\x40\x00\x00"):
            return "bomb"
        case (_,):
            return "garbage"
        case _:
            return "?"


def test_a_liar_flips_cuts_repeats_invents_and_claims_too_much() -> None:
    lies = Counter(lie_of(number, said) for number, said in enumerate(spoken(1.0)))
    assert set(lies) <= {"none", "flipped", "cut", "said twice", "said again later", "bomb", "garbage"}
    assert all(lies[lie] > 200 for lie in ("flipped", "cut", "said twice", "said again later", "bomb", "garbage"))


def test_a_liar_lies_at_its_rate_and_the_honest_never() -> None:
    honest = sum(lie_of(number, said) == "none" for number, said in enumerate(spoken(0.3)))
    assert 1_300 < honest < 1_500
    assert all(lie_of(number, said) == "none" for number, said in enumerate(spoken(0.0)))
    world = quiet(2)
    rules = Rules(Rng(1))
    rules.lies["s2"] = 1.0
    assert list(rules.spoken(world.hosts["s1"], MESSAGE)) == [MESSAGE]


def test_lies_go_out_on_links_and_in_gossip_for_a_while() -> None:
    world = quiet(2)
    meet(world, "s1", "s2")
    for name in world.hosts:
        world.gossip.subscribe(world.hosts[name], TOPIC)
    messages = [MESSAGE + b"%d" % number for number in range(50)]

    def speak() -> tuple[list[bytes], list[bytes]]:
        links, gossip = len(heard(world, "s2")), len(gossip_of(world, "s2"))
        say(world, "s1", "s2", *messages)
        for message in messages:
            world.gossip.publish(world.hosts["s1"], TOPIC, message)
        world.run(world.now + SECOND // 2)
        return heard(world, "s2")[links:], gossip_of(world, "s2")[gossip:]

    perform(world, Lie(at_ms=0, host="s1", rate=1.0, for_ms=1_000))
    assert world.hosts["s1"].byzantine
    for got in speak():
        assert any(message not in messages for message in got)
    world.run(world.now + SECOND)
    links, gossip = speak()
    assert links == messages
    assert sorted(gossip) == sorted(messages)
    assert world.hosts["s1"].byzantine  # it may repent, and is trusted with nothing


def test_the_silent_hear_and_tell_nothing_to_those_they_chose() -> None:
    world = quiet(3)
    meet(world, "s1", "s2", "s3")
    perform(world, Silence(at_ms=0, host="s1", towards=("s1", "s2"), for_ms=1_000))
    assert world.hosts["s1"].byzantine
    for source, target in (("s1", "s2"), ("s1", "s3"), ("s2", "s1")):
        say(world, source, target, f"{source}>{target}".encode())
    world.run(world.now + SECOND // 2)
    assert [heard(world, name) for name in world.hosts] == [[b"s2>s1"], [], [b"s1>s3"]]
    world.run(world.now + SECOND)
    assert heard(world, "s2") == [b"s1>s2"]


def test_a_healed_liar_lies_no_more() -> None:
    world = quiet(2)
    perform(world, Lie(at_ms=0, host="s1", rate=1.0, for_ms=90_000))
    heal(world, list(world.hosts.values()))
    assert world.rules.lies == {}


# twins


def test_a_twin_has_the_keys_and_the_disk_of_its_original_and_a_place_of_its_own() -> None:
    world = World(Scenario(seed=1, swarms=2))
    for host in world.hosts.values():
        world.start(host)
    world.run(5 * SECOND)
    original = world.hosts["s1"]
    image = original.disk.image()
    perform(world, Twin(at_ms=0, host="s1"))
    twin = world.hosts["s1'"]
    assert twin.home is original.home
    assert twin.address != original.address
    assert twin.image == image
    assert twin.process is not None
    assert twin.process is not original.process
    assert (original.byzantine, twin.byzantine) == (True, True)
    assert (world.host_of(original.peer), world.owner(original.home.swarm)) == (original, original)


@pytest.mark.parametrize("host", ["s1", "s3"])
def test_there_is_one_twin_at_most_and_none_of_nobody(host: str) -> None:
    world = quiet(2)
    perform(world, Twin(at_ms=0, host="s1"))
    perform(world, Twin(at_ms=0, host=host))
    assert list(world.hosts) == ["s1", "s2", "s1'"]
    assert world.hosts["s2"].honest
