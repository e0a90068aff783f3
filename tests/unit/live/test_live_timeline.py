"""The page of a live run: deeds and traces of several nodes on one axis of time."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bootstrap.live.timeline import Deed, live_page
from bootstrap.live.ways import Way
from chaos.timeline import KINDS
from chaos.timeline.arrows import Fate
from chaos.trace import Kind

BEGIN = 1_700_000_000_000


def line(at_ms: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"at_us": 1, "wall_ms": BEGIN + at_ms, "kind": kind, **fields}


def data_of(
    *deeds: Deed, violations: tuple[tuple[str, str, str], ...] = (), **traced: list[dict[str, Any]]
) -> dict[str, Any]:
    text = live_page(
        "partition",
        3,
        2,
        deeds=deeds or [Deed(wall_ms=BEGIN, text="begin")],
        traced=traced,
        peers={"12D3s2": "s2"},
        violations=violations,
        command="zenmesh chaos live partition",
        ground="loopback relays",
    )
    found = re.search(r"<script[^>]*>(\{.*?)</script>", text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def records(data: dict[str, Any], kind: Kind) -> list[tuple[int, str | None, list[Any]]]:
    """Time, host and texts of every record of a kind."""
    texts, hosts = data["texts"], data["hosts"]
    return [
        (
            at,
            hosts[host] if host >= 0 else None,
            [texts[-1 - v] if isinstance(v, int) and v < 0 else v for v in values],
        )
        for at, host, number, *values in data["records"]
        if KINDS[number] is kind
    ]


def test_traces_are_merged_by_wall_time() -> None:
    data = data_of(s1=[line(7, "member")], s2=[line(5, "member"), line(9, "member")])
    assert [(at, host) for at, host, _ in records(data, Kind.NODE)] == [(5_000, "s2"), (7_000, "s1"), (9_000, "s2")]


@pytest.mark.parametrize("late", [3, 40])
def test_a_batch_is_an_arrow_from_writer_to_reader(late: int) -> None:
    data = data_of(
        s1=[line(2, "batch_written", seq=4, term=1, ops=1)],
        s2=[line(late, "batch_applied", swarm="s1", term=1, seq=4)],
    )
    assert [arrow[:5] for arrow in data["arrows"]] == [[2_000, late * 1_000, 0, 1, Fate.GOSSIP]]


def test_a_partition_lasts_until_it_is_healed_and_has_two_sides() -> None:
    cut = Deed(wall_ms=BEGIN + 10, text="cut: s1 | s2", cut=(("s1",), ("s2",)))
    data = data_of(cut, Deed(wall_ms=BEGIN + 60, text="healed", healed=True), s1=[line(0, "member")])
    (span,) = data["spans"]
    assert (span["from"], span["until"], span["sides"]) == (10_000, 60_000, [[0], [1]])


def test_bad_ways_last_until_they_are_healed() -> None:
    bad = Deed(wall_ms=BEGIN + 10, text="s1 is on lossy ways", worse=("s1",), way=Way(loss=0.1))
    data = data_of(bad, Deed(wall_ms=BEGIN + 60, text="healed", healed=True), s1=[line(0, "member")], s2=[])
    (span,) = data["spans"]
    assert (span["from"], span["until"], span["sides"]) == (10_000, 60_000, [[0], [1]])
    assert (span["name"], span["detail"]) == ("link", "s1 is on lossy ways")


def test_a_partition_that_nobody_heals_lasts_to_the_end() -> None:
    cut = Deed(wall_ms=BEGIN, text="cut: s1 | s2", cut=(("s1",), ("s2",)))
    data = data_of(cut, s1=[line(70, "member")])
    assert [span["until"] for span in data["spans"]] == [70_000]


def test_a_killed_process_is_down_until_it_starts() -> None:
    data = data_of(
        Deed(wall_ms=BEGIN, text="start", started=("s1", "s2")),
        Deed(wall_ms=BEGIN + 10, text="killed", killed=("s1",)),
        Deed(wall_ms=BEGIN + 30, text="start again", started=("s1",)),
        s1=[line(2, "lifecycle", state="OPERATIONAL", reason="alone"), line(40, "member")],
    )
    states = [(begin, end, state) for begin, end, state, _ in data["lanes"][0]]
    assert states == [
        (0, 2_000, "running"),
        (2_000, 10_000, "OPERATIONAL"),
        (10_000, 30_000, "down"),
        (30_000, 40_000, "running"),
    ]


def test_peers_have_the_names_of_their_swarms() -> None:
    data = data_of(s1=[line(1, "link_up", peer="12D3s2", inbound=True)])
    assert records(data, Kind.NODE)[0][2] == ["link_up", "peer=s2 inbound=True"]


def test_a_process_that_hangs_is_paused_until_it_goes_on() -> None:
    data = data_of(
        Deed(wall_ms=BEGIN, text="start", started=("s1",)),
        Deed(wall_ms=BEGIN + 10, text="hangs", paused=("s1",)),
        Deed(wall_ms=BEGIN + 30, text="goes on", resumed=("s1",)),
        s1=[line(40, "member")],
    )
    assert [stretch[:3] for stretch in data["lanes"][0]] == [
        [0, 10_000, "running"],
        [10_000, 30_000, "paused"],
        [30_000, 40_000, "running"],
    ]


def test_a_liar_lies_to_the_end() -> None:
    data = data_of(Deed(wall_ms=BEGIN + 10, text="s1 lies", lies="s1"), s1=[line(0, "member"), line(70, "member")])
    assert [(span["from"], span["until"], span["sides"]) for span in data["spans"]] == [(10_000, 70_000, [[0], []])]


def test_a_ban_is_told_above_the_lanes_too() -> None:
    data = data_of(s1=[line(3, "banned", peer="12D3s2")])
    assert (3_000, None, ["banned", "s1: peer=s2"]) in records(data, Kind.FAULT)
    assert (3_000, "s1", ["banned", "peer=s2"]) in records(data, Kind.NODE)


def test_the_page_knows_where_it_happened() -> None:
    assert data_of(s1=[line(1, "member")])["ground"] == "loopback relays"


def test_what_broke_stands_at_the_end() -> None:
    data = data_of(violations=(("durability", "s2", "lost a write"),), s1=[line(50, "member")])
    assert records(data, Kind.VIOLATION) == [(50_000, "s2", ["durability", "lost a write"])]
    assert data["title"] == "partition, live: durability"
