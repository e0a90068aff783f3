"""The command line in this very process, against a home whose node lives in the small world.

    with street(tmp_path, "alpha", "beta") as (alpha, beta):     # a federation of two; real nodes, no network
        assert alpha("memory", "put", "plan", "1").code == 0

A command runs as in a terminal that is none: plain lines, captured. What it prints with `--json` can be held against
its published schema with `conforms`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from bootstrap.cli.main import GROUPS, main
from bootstrap.founding import found_home
from bootstrap.home import Home
from mesh.api.metrics import Metrics
from mesh.protocol.commands import GetStatus, Operation, Outcome, Success
from tests.support.fakecontrol import serving_in_thread
from tests.support.processes import Ran
from tests.support.small_swarms import Town
from wire.time import SECOND

SCHEMAS = files("bootstrap") / "schemas"


def command(*arguments: str) -> Ran:
    """Run one command line."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return Ran(code, out.getvalue(), err.getvalue())


class Machine:
    """A home that commands can be given: `machine("status")` is `zenmesh status --home THIS`."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def __call__(self, *arguments: str) -> Ran:
        return command(*arguments, "--home", str(self.home.path))

    def json(self, *arguments: str) -> Any:
        """The one object that it prints with `--json`, which conforms to its schema."""
        ran = self(*arguments, "--json")
        assert ran.code == 0, ran
        value = ran.json
        conforms(value, schema_name(arguments))
        return value


class TownControl:
    """One host of the small world, as the control API sees a node. Each question lets half a second pass."""

    def __init__(self, town: Town, name: str) -> None:
        self._town = town
        self._name = name

    async def execute(self, operation: Operation) -> Outcome:
        self._town.world.run(SECOND // 2)
        outcome = self._town.world.ask(self._town[self._name], operation)
        if isinstance(operation, GetStatus) and isinstance(outcome, Success):
            return Success(result={**outcome.result, "pid": 1, "mdns_problems": []})
        return outcome

    def metrics(self) -> Metrics:
        return Metrics(counters={}, gauges={}, info={})


def machine(directory: Path, name: str) -> Machine:
    """A fresh home, without a node."""
    return Machine(found_home(directory / name, name, "demo", "lan", []))


@contextlib.contextmanager
def serving_town(town: Town, directory: Path, *names: str) -> Iterator[list[Machine]]:
    """Homes whose control sockets are answered by the hosts `names` of `town`; questions come one at a time."""
    machines = [machine(directory, name) for name in names]
    with contextlib.ExitStack() as stack:
        for name, one in zip(names, machines, strict=True):
            stack.enter_context(serving_in_thread(TownControl(town, name), one.home.path / "control.sock"))
        yield machines


@contextlib.contextmanager
def street(directory: Path, *names: str) -> Iterator[list[Machine]]:
    """Members of one federation, created by the first."""
    town = Town(*names)
    town.form()
    with serving_town(town, directory, *names) as machines:
        yield machines


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """A published schema, itself checked."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def schema_name(arguments: tuple[str, ...]) -> str:
    """The schema of a command line."""
    grouped = arguments[0] in GROUPS
    return "-".join(arguments[: 1 + grouped])


def conforms(value: object, name: str) -> None:
    """Hold a value against a published schema; a field that the schema does not list is a failure too."""
    jsonschema.Draft202012Validator(schema(name)).validate(value)
    unlisted = list(_unlisted(value, schema(name), name))
    assert not unlisted, f"fields that the schema does not list: {unlisted}"


def _unlisted(value: object, rule: Any, where: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _unlisted(item, rule.get("items", {}), f"{where}[]")
    if isinstance(value, dict) and "properties" in rule:
        for key, inner in value.items():
            if key in rule["properties"]:
                yield from _unlisted(inner, rule["properties"][key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(value, dict) and isinstance(rule.get("additionalProperties"), dict):
        for inner in value.values():
            yield from _unlisted(inner, rule["additionalProperties"], f"{where}.*")
