"""The checks of live federations: silent about good evidence, and each finds what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bootstrap.live.checks import CHECKS, MAX_RSS, Evidence, Sighting, Write, judge


def status(**changed: object) -> dict[str, Any]:
    rows = [
        {"swarm": name, "swarm_id": name * 2, "seq": 5, "connected": True, "peer_id": f"12D3{name}"} for name in "ab"
    ]
    return {
        "lifecycle": "OPERATIONAL",
        "lifecycle_reason": "",
        "state_root": "0f" * 32,
        "height": 2,
        "role": "queen",
        "members": rows,
        "peers": [],
        "rss_bytes": 70_000_000,
        **changed,
    }


def seen(swarm: str, **changed: object) -> Sighting:
    return Sighting(swarm=swarm, status=status(**changed))


def members(*rows: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"swarm": name, "swarm_id": name * 2, "seq": seq, "peer_id": f"12D3{name}"} for name, seq in rows]


def good() -> Evidence:
    """Two swarms, of which the first wrote once."""
    memory = {"k": {"a": 1}}
    return Evidence(
        swarms=("a", "b"),
        sightings=[seen("a", role="applicant", members=[], height=0), seen("b", height=1), seen("a"), seen("b")],
        final={"a": status(), "b": status()},
        written=[Write(swarm="a", key="k", value=1)],
        read={"a": memory, "b": memory},
        traced={"a": [{"kind": "lifecycle", "state": "OPERATIONAL"}], "b": []},
    )


def test_good_evidence_breaks_nothing() -> None:
    assert judge(good()) == []


BAD: dict[str, tuple[str, str, str, Callable[[Evidence], object]]] = {
    "a wait in vain": ("in-time", "", "for ever", lambda e: setattr(e, "stuck", [("", "for ever")])),
    "a node ended": ("alive", "b", "exit code 1", lambda e: setattr(e, "ended", [("b", "exit code 1")])),
    "a node is silent": ("alive", "b", "does not answer", lambda e: setattr(e, "final", {"a": status()})),
    "another state": (
        "convergence",
        "",
        "a 0f0f0f0f0f0f, b ffffffffffff",
        lambda e: setattr(e, "final", {"a": status(), "b": status(state_root="f" * 64)}),
    ),
    "not back yet": (
        "convergence",
        "b",
        "ended SYNCING: slow",
        lambda e: setattr(e, "final", {"a": status(), "b": status(lifecycle="SYNCING", lifecycle_reason="slow")}),
    ),
    "a write is lost": ("durability", "b", "1 of 1", lambda e: e.read.update(b={})),
    "a write is another's": ("durability", "b", "k of a", lambda e: e.read.update(b={"k": {"b": 1}})),
    "a write is changed": ("durability", "a", "k of a", lambda e: e.read.update(a={"k": {"a": None}})),
    "a chain goes back": ("forward", "a", "from 2 back to 1", lambda e: e.sightings.append(seen("a", height=1))),
    "a log goes back": (
        "forward",
        "a",
        "log of b went from 5 back to 4",
        lambda e: e.sightings.append(seen("a", members=members(("a", 5), ("b", 4)))),
    ),
    "two chains": (
        "one-chain",
        "b",
        "at height 2",
        lambda e: e.sightings.append(seen("b", members=members(("a", 5), ("b", 5), ("c", 0)))),
    ),
    "somebody is banned": (
        "honour",
        "b",
        "banned: peer=x",
        lambda e: e.traced.update(b=[{"at_us": 1, "wall_ms": 1, "kind": "banned", "peer": "x"}]),
    ),
    "a liar goes unnoticed": ("blame", "a", "never caught b", lambda e: setattr(e, "hostile", ("b",))),
    "memory": ("memory", "b", "100 MB", lambda e: e.sightings.append(seen("b", rss_bytes=MAX_RSS))),
}


@pytest.mark.parametrize("name", BAD)
def test_a_check_finds_what_it_is_there_for(name: str) -> None:
    check, swarm, what, spoil = BAD[name]
    evidence = good()
    spoil(evidence)
    assert [(one.check, one.swarm) for one in judge(evidence)] == [(check, swarm)]
    assert what in judge(evidence)[0].what


def with_liar() -> Evidence:
    """The first swarm has caught the second lying."""
    evidence = good()
    evidence.hostile = ("b",)
    evidence.final = {"a": status(peers=[{"swarm": "b", "score": -50.0}])}
    return evidence


OF_A_LIAR: dict[str, Callable[[Evidence], object]] = {
    "its lifecycle and state": lambda e: setattr(
        e, "final", {**e.final, "b": status(state_root="f" * 64, lifecycle="SYNCING")}
    ),
    "what it reads": lambda e: e.read.update(b={}),
    "its writes": lambda e: setattr(e, "written", [Write(swarm="b", key="x", value=1)]),
    "its chain": lambda e: e.sightings.append(seen("b", height=0)),
    "its members": lambda e: e.sightings.append(seen("b", members=members(("c", 0)))),
    "its memory": lambda e: e.sightings.append(seen("b", rss_bytes=MAX_RSS)),
    "whom it bans": lambda e: e.traced.update(b=[{"kind": "banned", "peer": "12D3a"}]),
    "who bans it": lambda e: e.traced.update(a=[{"kind": "banned", "peer": "12D3b"}]),
    "a fork of it": lambda e: e.traced.update(a=[{"kind": "fork_found", "swarm": "b", "seq": 1}]),
}


@pytest.mark.parametrize("name", OF_A_LIAR)
def test_of_a_liar_nothing_is_expected(name: str) -> None:
    evidence = with_liar()
    OF_A_LIAR[name](evidence)
    assert judge(evidence) == []


def test_an_honest_one_is_not_banned_because_another_lies() -> None:
    evidence = with_liar()
    evidence.traced = {"a": [{"kind": "banned", "peer": "12D3a"}]}
    assert [one.check for one in judge(evidence)] == ["honour"]


def test_every_check_is_shown_failing() -> None:
    assert {check for check, *_ in BAD.values()} == set(CHECKS)
