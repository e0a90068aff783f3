"""kill -9 in the middle of decisions, one queen after the other: nobody votes twice, and what is decided stays so.

Four real nodes decide all the time. In each round another one is killed while a decision is under way: as soon as its
journal has grown by so many bytes, which the seed draws, so that the kill comes behind another record each time. It
starts again at once, and the next round does not wait for it. Whatever it had signed is in its journal before it
leaves; so the journals, read after each kill, hold every vote that anyone can have heard.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chaos.checkers.statements import kept_in
from mesh.protocol.effects import Persist, RecordKind
from mesh.storage.journal import scan
from tests.support.processes import Federation, Home, agree, patiently
from wire.errors import ZenmeshError

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

NAMES = ("alpha", "beta", "gamma", "delta")
MOST_BYTES = 4_000  # of a journal, from a proposal to the kill: about what a decision writes
PATIENCE_S = 90.0


def journal(home: Home) -> list[bytes]:
    """Its segments as they are on the disk."""
    return [path.read_bytes() for path in sorted((home.directory / "state").glob("journal-*.log"))]


def votes(home: Home) -> Iterator[tuple[tuple[object, ...], bytes]]:
    """(place, what was said there) of every vote on the disk."""
    for raw in journal(home):
        for record in scan(raw, home.name).records:
            if record.kind == RecordKind.VOTE:
                kept = kept_in(Persist(kind=RecordKind.VOTE, body=record.body))
                assert kept is not None
                yield kept[1].slot, kept[1].body


@dataclass(slots=True)
class Polls:
    """What was decided for whom, and what everybody said in each place."""

    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    said: dict[tuple[object, ...], bytes] = field(default_factory=dict)

    def ask(self, home: Home, number: int) -> None:
        """Propose, until the answer is a decision."""
        details = {"kind": "task", "target": f"t{number}", "priority": "high"}
        asked = {"subject": "PRIORITY_CHANGE", "action": "set_priority", "details": details, "wait": True}
        for _ in patiently(PATIENCE_S):
            try:
                self.acknowledged.append(home.call("propose", {**asked, "deadline_s": 60}))
            except (ZenmeshError, OSError):
                continue  # it has just started, or not enough of the others are in its reach
            return

    def read(self, home: Home) -> None:
        """What a queen said is what it said before in the same place."""
        for place, body in votes(home):
            assert self.said.setdefault((home.name, *place), body) == body, f"{home.name} said two things as {place}"


def grown(home: Home, since: int, by: int) -> bool:
    return sum(map(len, journal(home))) >= since + by


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_no_kill_makes_a_queen_vote_twice_or_a_decision_undone(kills: int, tmp_path: Path) -> None:
    chance, polls = Random(kills), Polls()
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES, default="approve")
        ports = {home.name: home.addresses()[0].split("/p2p/")[0] for home in homes}
        for number in range(kills):
            victim, asked = homes[number % 4], homes[(number + 1) % 4]
            before, bytes_more = sum(map(len, journal(victim))), 1 + chance.randrange(MOST_BYTES)
            asking = threading.Thread(target=polls.ask, args=(asked, number))
            asking.start()
            while asking.is_alive() and not grown(victim, before, bytes_more):
                asking.join(0.002)
            victim.kill()
            polls.read(victim)
            victim.run(listen=[ports[victim.name]])
            asking.join(PATIENCE_S)
            assert len(polls.acknowledged) == number + 1, f"nobody decided in round {number}\n{asked.log()}"
        homes[(kills - 1) % 4].wait_ready()
        agree(homes, PATIENCE_S)
        assert {one["status"] for one in polls.acknowledged} == {"APPROVED"}
        for home in homes:
            polls.read(home)
            rows = {row["proposal"]: row for row in home.call("decisions")["decisions"]}
            for one in polls.acknowledged:
                assert (rows[one["proposal"]]["status"], rows[one["proposal"]]["height"]) == (
                    "APPROVED",
                    one["height"],
                )
    assert len({place[0] for place in polls.said}) == len(NAMES)
    assert len(polls.said) > 2 * kills
