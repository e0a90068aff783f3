"""What lasts: the states of each process and node along its lane, and the faults that are over after a while.

A trace tells when a fault began; how long it lasts stands in the scenario's action. Where a run is healed, a fault
whose hosts are all healed ends there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaos.actions import Clog, Cut, Lag, Lie, Link, Pause, Silence
from chaos.scenario import Scenario, hosts_of
from chaos.trace import Kind, Record

Lasting = Cut | Clog | Link | Silence | Pause | Lag | Lie
Stretch = tuple[int, int, str, int]  # from, until, state, the record that began it (-1: none)

_WAITING = "absent"  # not started yet
_STATES = {"started": "running", "resumed": "running", "down": "down", "paused": "paused"}


def lanes(records: Sequence[Record], hosts: Sequence[str]) -> list[list[Stretch]]:
    """Per host its stretches of time: down, paused, or running in some lifecycle state of its node."""
    end = records[-1].at if records else 0
    open_: dict[str, tuple[int, str, int]] = dict.fromkeys(hosts, (0, _WAITING, -1))
    lifecycle: dict[str, str] = {}
    found: dict[str, list[Stretch]] = {host: [] for host in hosts}
    for index, record in enumerate(records):
        host = record.host
        if host not in open_:
            continue
        began, state, cause = open_[host]
        becomes = state
        if record.kind is Kind.STATE:
            becomes = _STATES.get(str(record.values[0]), state)
            if becomes == "down":
                lifecycle.pop(host, None)
        elif record.kind is Kind.NODE and record.values[0] == "lifecycle":
            lifecycle[host] = _lifecycle(str(record.values[1]))
            becomes = lifecycle[host] if state not in ("down", "paused") else state
        if becomes == "running":
            becomes = lifecycle.get(host, becomes)
        if becomes != state:
            found[host].append((began, record.at, state, cause))
            open_[host] = (record.at, becomes, index)
    for host, (began, state, cause) in open_.items():
        found[host].append((began, end, state, cause))
    return [[stretch for stretch in found[host] if stretch[1] > stretch[0]] for host in hosts]


def _lifecycle(detail: str) -> str:
    """The state that a lifecycle record names."""
    return next((word[6:] for word in detail.split() if word.startswith("state=")), "running")


def lasting(records: Sequence[Record], scenario: Scenario, places: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every fault with a duration: when, what, and which lanes it touches on which side."""
    end = records[-1].at if records else 0
    actions = _by_start(scenario)
    heals = [
        (record.at, set(str(record.values[1] or "").split()))
        for record in records
        if record.kind is Kind.FAULT and record.values[0] == "heal"
    ]
    spans = []
    for index, record in enumerate(records):
        if record.kind is not Kind.FAULT:
            continue
        waiting = actions.get((record.at, str(record.values[0])), [])
        action = waiting.pop(0) if waiting else None
        if action is None:
            continue
        named = hosts_of(action)
        healed = [at for at, core in heals if at >= record.at and core >= set(named)]
        ours, theirs = _sides(action, named)
        spans.append(
            {
                "from": record.at,
                "until": min(record.at + action.for_ms * 1_000, end, *healed),
                "record": index,
                "name": record.values[0],
                "detail": record.values[1],
                "sides": [[places[name] for name in side if name in places] for side in (ours, theirs)],
            }
        )
    return spans


def _by_start(scenario: Scenario) -> dict[tuple[int, str], list[Lasting]]:
    """The actions that last, by the time and the name of the record that they leave."""
    found: dict[tuple[int, str], list[Lasting]] = {}
    for action in scenario.actions:
        if isinstance(action, Lasting):
            found.setdefault((action.at_ms * 1_000, type(action).__name__.lower()), []).append(action)
    return found


def _sides(action: Lasting, named: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    match action:
        case Cut() | Clog() | Link():
            return action.sources, action.targets
        case Silence(host=host, towards=theirs):
            return (host,), theirs
        case _:
            return named, ()
