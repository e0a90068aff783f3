"""Everyone is a neighbour in a federation of common size; in a larger one both ends agree on some."""

from __future__ import annotations

from dataclasses import replace

from mesh.protocol.config import NodeConfig
from mesh.protocol.neighbours import neighbours
from wire.ids import SwarmId
from wire.rng import Rng

CONFIG = NodeConfig()
MANY = [SwarmId(Rng(7).split(str(number)).bytes(16)) for number in range(400)]


def of(me: SwarmId, everyone: list[SwarmId], config: NodeConfig = CONFIG) -> list[SwarmId]:
    return neighbours(me, [other for other in everyone if other != me], config)


def test_up_to_the_bound_all_others_are_neighbours() -> None:
    some = MANY[: CONFIG.full_mesh + 1]
    assert of(some[0], some) == some[1:]
    assert len(of(some[0], MANY[: CONFIG.full_mesh + 2])) < CONFIG.full_mesh


def test_both_ends_agree() -> None:
    graph = {one: of(one, MANY) for one in MANY}
    assert all(one in graph[other] for one in MANY for other in graph[one])


def test_they_are_about_as_many_as_the_configuration_says() -> None:
    counts = [len(of(one, MANY)) for one in MANY]
    assert abs(sum(counts) / len(counts) - CONFIG.neighbours) < 3
    assert min(counts) > CONFIG.neighbours // 2
    assert max(counts) < CONFIG.neighbours * 2


def test_who_joins_moves_few_links() -> None:
    before, after = of(MANY[0], MANY[:-1]), of(MANY[0], MANY)
    assert len(set(before) ^ set(after)) <= 3


def test_with_ever_fewer_neighbours_all_can_still_be_reached() -> None:
    config = replace(CONFIG, neighbours=16)
    reached, rest = {MANY[0]}, [MANY[0]]
    while rest:
        news = [other for other in of(rest.pop(), MANY, config) if other not in reached]
        reached.update(news)
        rest += news
    assert len(reached) == len(MANY)
