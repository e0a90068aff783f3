"""`zenmesh demo`: the story comes true, told line by line or as one object at the end, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import conforms
from tests.support.processes import zenmesh

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("demo")]


def test_the_story_as_one_object(tmp_path: Path) -> None:
    ended = zenmesh("demo", "--swarms", "2", "--json", env={"TMPDIR": str(tmp_path)}).json
    conforms(ended, "demo")
    assert ended["directory"] is None
    assert [row["lifecycle"] for row in ended["swarms"]] == ["OPERATIONAL"] * 2
    assert len({(row["state_root"], row["height"]) for row in ended["swarms"]}) == 1
    assert "comes back" in ended["steps"][-1]["step"]
    assert list(tmp_path.iterdir()) == []


def test_the_story_in_lines(tmp_path: Path) -> None:
    told = zenmesh("demo", "--swarms", "2", env={"TMPDIR": str(tmp_path)}).out
    assert told.count("\n• ") == told.count("    done in ") == 7
    assert '{"boreas": {"step": 1, "goal": "ship"}}' in told
