"""Decisions asked of real nodes, and what their queens said: read from the journals, where all is before it leaves.

polls.ask(home, 1)          # until the answer is a decision, whatever happens to the node meanwhile
polls.read(home)            # after each kill: it said nothing else than before in the same place
polls.check(home)           # in the end: it has every decision that was acknowledged to anybody
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.checkers.statements import kept_in
from mesh.protocol.effects import Persist, RecordKind
from mesh.storage.journal import scan
from tests.support.processes import Home, patiently
from wire.errors import ZenmeshError

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

    def check(self, home: Home) -> None:
        """Its log has all that was acknowledged, where it was."""
        self.read(home)
        rows = {row["proposal"]: row for row in home.call("decisions")["decisions"]}
        for one in self.acknowledged:
            found = rows[one["proposal"]]
            assert (found["status"], found["height"]) == (one["status"], one["height"])
