"""The timeline page as text and as data: what it draws from a trace, and that nothing in a trace becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from chaos.actions import Cut, Pause, Write
from chaos.checkers import Violation
from chaos.scenario import Scenario
from chaos.timeline import page
from chaos.timeline.arrows import Fate
from chaos.trace import Kind, Trace

SCENARIO = Scenario(seed=7, swarms=3, name="made-up", actions=(Write(at_ms=1, host="s1", key="k"),))
EVIL = "</script><img src=x onerror=alert(1)><!--\u2028@@DATA@@"


class Reader(HTMLParser):
    """The elements of a page, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)
            self._inside = False


def trace_of(*records: tuple[Any, ...]) -> Trace:
    trace = Trace(keep=True)
    for at, host, kind, *values in records:
        trace.note(at, host, kind, *values)
    return trace


def data_of(
    *records: tuple[Any, ...], scenario: Scenario = SCENARIO, violations: tuple[Violation, ...] = ()
) -> dict[str, Any]:
    text = page(trace_of(*records), scenario, title="a run", violations=violations)
    found: dict[str, Any] = json.loads(Reader(text).scripts[0])
    return found


def test_a_message_is_an_arrow_from_departure_to_arrival() -> None:
    data = data_of((10, "s1", Kind.SENT, 1, "s2", "SYNC", "PING", 30), (25, "s2", Kind.ARRIVED, 1, "s1"))
    assert data["arrows"] == [[10, 25, 0, 1, Fate.ARRIVED, 0, 1]]


def test_a_lost_message_ends_where_it_was_lost() -> None:
    data = data_of((10, "s1", Kind.SENT, 1, "s3", "SYNC", "PING", 30), (11, "s1", Kind.LOST, 1, "its lane was full"))
    assert data["arrows"] == [[10, 11, 0, 2, Fate.LOST, 0, 1]]


def test_a_message_that_nobody_saw_again_never_arrived() -> None:
    data = data_of((10, "s1", Kind.SENT, 1, "s3", "SYNC", "PING", 30), (99, "s2", Kind.STATE, "started", None))
    assert data["arrows"] == [[10, 10, 0, 2, Fate.NEVER, 0, -1]]


def test_each_hop_of_gossip_begins_when_its_relay_had_the_message() -> None:
    data = data_of(
        (10, "s1", Kind.PUBLISHED, 1, "topic", "BATCH", 30),
        (20, "s2", Kind.ARRIVED, 1, "s1"),
        (35, "s3", Kind.ARRIVED, 1, "s2"),
    )
    assert [arrow[:5] for arrow in data["arrows"]] == [[10, 20, 0, 1, Fate.GOSSIP], [20, 35, 1, 2, Fate.GOSSIP]]


def test_what_arrives_under_a_number_that_nobody_sent_is_drawn_too() -> None:
    data = data_of((35, "s3", Kind.ARRIVED, 9, "s2"))
    assert data["arrows"] == [[35, 35, 1, 2, Fate.GOSSIP, -1, 0]]


def test_arrows_are_in_order_of_departure_whenever_they_arrive() -> None:
    data = data_of(
        (10, "s1", Kind.SENT, 1, "s2", "SYNC", "HELLO", 30),
        (20, "s1", Kind.SENT, 2, "s3", "SYNC", "HELLO", 30),
        (30, "s3", Kind.ARRIVED, 2, "s1"),
        (90, "s2", Kind.ARRIVED, 1, "s1"),
    )
    assert [arrow[0] for arrow in data["arrows"]] == [10, 20]


def test_a_lane_shows_when_its_process_was_down_or_paused() -> None:
    data = data_of(
        (5, "s1", Kind.STATE, "started", None),
        (7, "s1", Kind.NODE, "lifecycle", "state=OPERATIONAL reason=all is well"),
        (10, "s1", Kind.STATE, "paused", None),
        (20, "s1", Kind.STATE, "resumed", None),
        (30, "s1", Kind.STATE, "down", "crashed"),
        (40, "s1", Kind.STATE, "started", None),
        (50, "s2", Kind.STATE, "started", None),
    )
    assert [stretch[:3] for stretch in data["lanes"][0]] == [
        [0, 5, "absent"],
        [5, 7, "running"],
        [7, 10, "OPERATIONAL"],
        [10, 20, "paused"],
        [20, 30, "OPERATIONAL"],
        [30, 40, "down"],
        [40, 50, "running"],
    ]


def test_every_host_has_a_lane_also_one_that_joined_on_the_way() -> None:
    assert data_of((5, "s2'", Kind.STATE, "started", None))["hosts"] == ["s1", "s2", "s3", "s2'"]


CUT = Cut(at_ms=10, sources=("s1",), targets=("s2", "s3"), for_ms=40)
PAUSE = Pause(at_ms=10, host="s2", for_ms=40)


@pytest.mark.parametrize(
    ("action", "values", "sides"),
    [(CUT, ("cut", "s1 | s2 s3"), [[0], [1, 2]]), (PAUSE, ("pause", "s2"), [[1], []])],
    ids=["two sides", "one host"],
)
@pytest.mark.parametrize(
    ("healed", "core", "until"),
    [(30_000, "s1 s2 s3", 30_000), (30_000, "s3", 50_000), (5_000, "s1 s2 s3", 50_000)],
    ids=["ends when its hosts are healed", "outlasts the healing of others", "begins after a heal"],
)
def test_a_fault_lasts_as_long_as_its_action_says(
    action: Cut | Pause, values: tuple[str, str], sides: list[list[int]], healed: int, core: str, until: int
) -> None:
    records = [
        (10_000, "", Kind.FAULT, *values),
        (healed, "", Kind.FAULT, "heal", core),
        (90_000, "s1", Kind.STATE, "started", None),
    ]
    data = data_of(*sorted(records), scenario=Scenario(seed=1, swarms=3, actions=(action,)))
    (span,) = data["spans"]
    assert (span["from"], span["until"], span["sides"]) == (10_000, until, sides)


def test_a_violation_that_no_record_tells_of_is_put_in_its_place() -> None:
    broken = Violation("convergence", 20, "s2", "two states")
    data = data_of((10, "s1", Kind.COMMAND, "Put", "ok"), (30, "s1", Kind.COMMAND, "Put", "ok"), violations=(broken,))
    kind = data["kinds"].index("violation")
    assert [record[:3] for record in data["records"]][1] == [20, 1, kind]


def test_a_violation_that_a_record_tells_of_is_told_once() -> None:
    broken = Violation("convergence", 20, "s2", "two states")
    data = data_of((20, "s2", Kind.VIOLATION, "convergence", "two states"), violations=(broken,))
    assert len(data["records"]) == 1


def test_every_value_of_every_record_is_in_the_page() -> None:
    data = data_of((10, "s1", Kind.SENT, 1, "s2", "SYNC", "PING", -3), (11, "s1", Kind.STATE, "started", None))
    shown = [
        [data["texts"][-1 - value] if isinstance(value, int) and value < 0 else value for value in record[3:]]
        for record in data["records"]
    ]
    assert shown == [[1, "s2", "SYNC", "PING", "-3"], ["started", None]]


def test_what_a_hostile_peer_wrote_stays_text() -> None:
    plain = Reader(page(trace_of(), SCENARIO, title="a run", violations=()))
    trace = trace_of((1, EVIL, Kind.NODE, EVIL, EVIL), (2, "", Kind.FAULT, EVIL, EVIL))
    scenario = Scenario(seed=7, swarms=3, name=EVIL, canary=EVIL)
    broken = Violation(EVIL, 3, EVIL, EVIL)
    text = page(trace, scenario, title=EVIL, violations=(broken,), command=EVIL)
    assert Reader(text).tags == plain.tags
    assert "<img" not in text
    assert EVIL in json.loads(Reader(text).scripts[0])["texts"]


def test_the_page_asks_nothing_of_any_network_and_runs_its_own_script_alone() -> None:
    text = page(trace_of(), SCENARIO, title="a run", violations=())
    assert "default-src 'none'; script-src 'sha256-" in text
    assert not {"link", "img", "iframe", "object", "base", "form"} & set(Reader(text).tags)
    assert "@@" not in text


def test_the_header_has_the_command_that_does_the_same_again() -> None:
    assert data_of()["command"] == "zenmesh chaos run made-up --swarms 3 --seed 7 --for 60s"
