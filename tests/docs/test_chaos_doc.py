"""The guide to scenarios is complete: every action, field, default and checker, and its own scenario holds."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import Any, get_args

import msgspec
import pytest

from bootstrap.live.plans import WORSE, Trouble
from bootstrap.live.stories import STORIES
from chaos.actions import AnyAction, Deceit, DiskFault, Left
from chaos.checkers import ALL, OWN_INVARIANTS, Checker
from chaos.named import NAMED
from chaos.runner import run
from chaos.scenario import Scenario, load
from tests.support.documents import ROOT

GUIDE = (ROOT / "docs" / "chaos.md").read_text()
ACTIONS: tuple[type[msgspec.Struct], ...] = get_args(AnyAction)
COMMON = ("at_ms",)  # of every action


def rows(head: str) -> dict[str, str]:
    """The table whose first column is called `head`: its first two columns."""
    _, _, table = GUIDE.partition(f"\n| {head} |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return dict(re.findall(r"^\| `([\w'-]+)` \| (.*?) \|", "\n".join(lines), re.MULTILINE))


def spelled(field: Any) -> str:
    """A field as the guide has it: its name, and its default if it has one."""
    made = field.default_factory is not msgspec.NODEFAULT
    default = field.default_factory() if made else field.default
    if default is msgspec.NODEFAULT:
        return f"`{field.name}`"
    shown = f"`{default.value}`" if isinstance(default, StrEnum) else msgspec.json.encode(default).decode()
    return f"`{field.name}` = {shown}"


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.__struct_config__.tag))
def test_an_action_has_its_fields_and_defaults(action: type[msgspec.Struct]) -> None:
    fields = [field for field in msgspec.structs.fields(action) if field.name not in COMMON]
    assert rows("`do`")[str(action.__struct_config__.tag)] == ", ".join(spelled(field) for field in fields)


def test_there_is_no_other_action() -> None:
    assert set(rows("`do`")) == {action.__struct_config__.tag for action in ACTIONS}


@pytest.mark.parametrize(
    ("head", "values"),
    [("`leaves`", Left), ("`fault`", DiskFault), ("`lie` of `deceive`", Deceit)],
    ids=["crash", "disk", "deceive"],
)
def test_every_word_is_explained(head: str, values: type[StrEnum]) -> None:
    assert list(rows(head)) == [value.value for value in values]


WORDS = {None: "none", "": "empty", (): "none", True: "true", False: "false"}


def test_every_field_of_a_scenario_is_explained_with_its_default() -> None:
    told = rows("field")
    fields = {field.name: field for field in msgspec.structs.fields(Scenario)}
    assert set(told) == set(fields)
    for name, field in fields.items():
        default = field.default
        if default is msgspec.NODEFAULT:
            assert told[name] == "needed"
        elif name != "core":  # none means that it is drawn
            said = f"`{default}`" if isinstance(default, str) and default else str(default)
            assert told[name] == (WORDS.get(default, said) if not isinstance(default, int) else said.lower())


def test_every_checker_is_explained() -> None:
    assert set(rows("checker")) == {checker.name for checker in ALL} | {OWN_INVARIANTS}


def promises(checker: type[Checker]) -> list[str]:
    """The promises that the module of a checker says it watches."""
    first = (sys.modules[checker.__module__].__doc__ or "").partition(":")[0]
    return re.findall(r"\b[SL]\d+\b", first)


def test_every_promise_is_shown_with_who_watches_it() -> None:
    """Each module says so in its first line."""
    watched: dict[str, set[str]] = {}
    for checker in ALL:
        for promise in promises(checker):
            watched.setdefault(promise, set()).add(checker.name)
    table = GUIDE.partition("\n| promise |")[2].partition("\n\n")[0]
    shown = {
        promise: re.findall(r"`([\w-]+)`", names)
        for promise, names in re.findall(r"^\| `([SL]\d+)` \| .*? \| (.*?) \|$", table, re.MULTILINE)
    }
    assert {promise: sorted(names) for promise, names in watched.items()} == shown


def test_what_consensus_and_failover_promise_is_all_watched() -> None:
    numbers = [*range(1, 10), 12, 15]
    wanted = {f"S{number}" for number in numbers} | {f"L{number}" for number in (1, 2, 4, 6, 7)}
    assert wanted <= {promise for checker in ALL for promise in promises(checker)}


SCENARIOS = re.findall(r"^```json\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SCENARIOS, ids=range(len(SCENARIOS)))
def test_a_scenario_in_the_guide_holds_and_all_of_it_happens(text: str) -> None:
    scenario = load(text.encode())
    assert run(scenario).violation is None
    assert all(action.at_ms < scenario.faults_s * 1_000 for action in scenario.actions)


def test_the_guide_has_a_scenario() -> None:
    assert SCENARIOS


def test_every_named_scenario_is_shown() -> None:
    listed = GUIDE.partition("$ zenmesh chaos list\n")[2].partition("\n$")[0].splitlines()
    assert [line.split()[0] for line in listed[1:]] == list(NAMED)


def test_every_live_scenario_is_explained_with_its_number_of_swarms() -> None:
    assert rows("scenario") == {name: str(story.swarms) for name, story in STORIES.items()}


def test_every_trouble_of_a_way_is_explained() -> None:
    table = GUIDE.partition("| | in namespaces | on loopback |")[2].partition("\n\n")[0]
    shown = re.findall(r"^\| (is [a-z ]+) \|", table, re.MULTILINE)
    assert shown == [trouble.value.removesuffix(" from all") for trouble in (Trouble.CUT, *WORSE)]
