"""How much `zenmesh chaos twins` explores: for each plan, schedules and states for each queen that is doubled.

`make test` explores `SAMPLE`, `make soak` all of it, and both compare what they find with what stands here. The
number of schedules follows from the plan alone. The number of states follows from what a replica holds, too: a change
of its fields may change it, and the table then has to be written anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaos.twins import Grain

Explored = dict[tuple[int, Grain, bool], list[tuple[int, int]]]

# (views, grain, late): (schedules, states) for each queen that may be doubled
SAMPLE: Explored = {
    (1, Grain.VIEW, False): [(47, 40), (47, 32), (47, 32), (47, 32)],
}
FULL: Explored = {
    (1, Grain.VIEW, True): [(47, 41), (47, 32), (47, 32), (47, 32)],
    (1, Grain.PHASE, False): [(752, 555), (752, 474), (752, 474), (752, 474)],
    (1, Grain.EXCHANGE, False): [(103_823, 14_008), (103_823, 12_292), (103_823, 12_228), (103_823, 12_131)],
    (2, Grain.VIEW, False): [(2_209, 1_323), (2_209, 1_224), (2_209, 1_265), (2_209, 1_262)],
}


def rows() -> Iterator[tuple[str, str, str, str]]:
    """(command, by whom it is run, schedules, states) for people, and what all of it is."""
    sums = [0, 0]
    for by, explored in (("`make test`", SAMPLE), ("`make soak`", FULL)):
        for (views, grain, late), found in explored.items():
            words = f"zenmesh chaos twins --grain {grain}"
            words += f" --views {views}" if views > 1 else ""
            words += " --late" if late else ""
            schedules, states = (sum(numbers) for numbers in zip(*found, strict=True))
            sums = [sums[0] + schedules, sums[1] + states]
            yield f"`{words}`", by, f"{schedules:,}", f"{states:,}"
    yield "all of it", "`make soak`", f"{sums[0]:,}", f"{sums[1]:,}"
