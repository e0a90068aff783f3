"""How soon a killed member is known to be failed, on every other node: ten real nodes, beside ten agents of serf.

The clock runs from the kill until the last of the others shows it: `failed` in `zenmesh status`, which takes the word
of more than half of the weight; `failed` in `serf members`, which takes the word of one and nobody's refutation.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import serf
from benchmarks.report import Figure, milliseconds
from tests.support.processes import Federation, Home, patiently
from wire.errors import NotRunning

WatcherT = TypeVar("WatcherT")

NODES = 10
KILLS = 3
PATIENCE_S = 60.0
LIMIT_S = 9.0
STEADY_S = 10.0  # before a kill, so that everyone has probed everyone


def run() -> Iterator[Figure]:
    """All figures of this module."""
    ours = _ours()
    worst = max(ours)
    yield Figure(
        name=f"one of {NODES} nodes is killed: failed everywhere",
        value=milliseconds(sum(ours) / len(ours)),
        aim=f"< {LIMIT_S:g} s",
        broken=f"{worst:.1f} s ONCE, OVER {LIMIT_S:g} s" if worst > LIMIT_S else "",
    )
    name = f"one of {NODES} agents of serf is killed: failed everywhere"
    lack = serf.missing()
    if lack:
        yield Figure(name=name, value="not measured", aim=lack)
        return
    theirs = _serfs()
    yield Figure(name=name, value=milliseconds(sum(theirs) / len(theirs)))
    ratio = sum(ours) / len(ours) / (sum(theirs) / len(theirs))
    yield Figure(name="ours beside serf's", value=f"{ratio:.2f}", aim="no slower")


def _ours() -> list[float]:
    """Seconds, for one kill after another; who was killed comes back in between."""
    with tempfile.TemporaryDirectory() as directory, Federation(Path(directory)) as federation:
        homes = federation.govern(*(f"n{number}" for number in range(NODES)), default="approve")
        took = []
        for victim in homes[1 : 1 + KILLS]:
            time.sleep(STEADY_S)
            others = [home for home in homes if home is not victim]
            victim.kill()
            took.append(_until(others, partial(_shows, victim.name, "failed")))
            victim.run()
            _until(homes, partial(_shows, victim.name, "active"))
        return took


def _shows(name: str, health: str, home: Home) -> bool:
    """Whether a node shows a member's health so; one that starts shows nothing yet."""
    with contextlib.suppress(NotRunning):
        return any(row["health"] and row["health"]["state"] == health for row in _rows(home, name))
    return False


def _rows(home: Home, name: str) -> list[dict[str, Any]]:
    return [row for row in home.status()["members"] if row["swarm"] == name]


def _serfs() -> list[float]:
    took = []
    for _ in range(KILLS):
        with tempfile.TemporaryDirectory() as directory, serf.agents(Path(directory), NODES) as agents:
            time.sleep(STEADY_S)
            victim = agents.pop()
            victim.kill()
            took.append(_until(agents, partial(_told, victim.name)))
    return took


def _told(name: str, agent: serf.Agent) -> bool:
    return agent.sees().get(name) == "failed"


def _until(watchers: Sequence[WatcherT], holds: Callable[[WatcherT], bool]) -> float:
    """Seconds until `holds` for all."""
    start, waiting = time.perf_counter(), list(watchers)
    for _ in patiently(PATIENCE_S):
        while waiting and holds(waiting[-1]):
            waiting.pop()
        if not waiting:
            return time.perf_counter() - start
    raise AssertionError(f"not everywhere within {PATIENCE_S:g} s")
