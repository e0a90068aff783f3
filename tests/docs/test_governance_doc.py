"""The guide to deciding speaks of what there is: actions with their details, the configuration, what a hook gets."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import MISSING, Field, fields
from enum import StrEnum

import pytest

from bootstrap.config import FIELDS, check_config
from consensus.governance.actions import ACTIONS
from consensus.governance.standing import MAX_OPEN, MAX_OPEN_OF_ONE, MAX_OUTCOMES
from mesh.protocol.reach import QuorumState
from mesh.runtime.hook import HookConfig
from tests.support.documents import ROOT
from tests.support.governed import put_to_vote, town_of

GUIDE = (ROOT / "docs" / "governance.md").read_text()


def rows(head: str) -> list[list[str]]:
    """The table whose first column is called `head`."""
    table = GUIDE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def spelled(field: Field[object]) -> str:
    """A detail as the guide has it: its name, and its default if it has one."""
    if field.default is MISSING:
        return f"`{field.name}`"
    default = field.default.value if isinstance(field.default, StrEnum) else field.default
    return f"`{field.name}` = `{json.dumps(default)}`"


def test_every_action_is_there_with_its_subject_and_details() -> None:
    told = {row[1].strip("`"): (row[0].strip("| "), re.sub(r" \([a-z, ]+\)", "", row[2])) for row in rows("subject")}
    assert told == {
        name: (action.subject.value, ", ".join(spelled(field) for field in fields(action.layout)))
        for name, action in ACTIONS.items()
    }


def test_the_configuration_that_is_shown_is_one() -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert check_config({"swarm": "alpha", "project": "demo", **tomllib.loads(shown)}).govern
    named = [name for name in FIELDS if name == "govern" or name.startswith("voting.")]
    assert [row[0].strip("| `") for row in rows("field")] == named


def test_what_a_hook_gets_is_what_is_shown() -> None:
    question, answer = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL))
    town = town_of(1, default=None)
    put_to_vote(town, "alpha")
    town.world.run(1_000_000)
    (asked,) = town["alpha"].asked
    assert list(question) == list(asked)
    assert set(answer) == {"choice", "reason"}


def test_states_and_limits_are_those_of_the_code() -> None:
    assert [row[0].strip("| ") for row in rows("state")] == [state.value for state in QuorumState]
    for limit in (
        f"{MAX_OPEN_OF_ONE} open proposals of one swarm, {MAX_OPEN} in all",
        f"the last {MAX_OUTCOMES} dec",
    ):
        assert limit in GUIDE
    hook = HookConfig(program=[], directory=ROOT)
    assert f"more than {hook.output_bytes // 1024} KiB" in GUIDE
    assert hook.at_once == 4


@pytest.mark.parametrize("link", re.findall(r"\]\(#([\w-]+)\)", GUIDE))
def test_a_section_that_is_linked_is_there(link: str) -> None:
    titles = [title.lower().replace(" ", "-") for title in re.findall(r"^##+ (.+)$", GUIDE, re.MULTILINE)]
    assert link in titles
