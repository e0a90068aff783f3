"""What `run` shows: a story in which everything is said once, fitted to where it is shown."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bootstrap.cli.start_screen import Lines, Live, OneObject, StartScreen, Story, progress_percent
from bootstrap.options import LogFormat
from mesh.protocol.commands import Failure, FailureKind, Operation, Outcome, Success
from tests.support.commands import conforms, machine
from tests.support.fakecontrol import FakeControl, serving_in_thread

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
PEER = "12D3KooWHZbUg5gTgVBpHwocqjzGs7DrxSLE8egkzyrwVpmQDYWK"


def status(**changes: Any) -> dict[str, Any]:
    """A status with what the story reads."""
    return {
        "swarm": "alpha",
        "project": "demo",
        "peer_id": PEER,
        "addresses": [],
        "federation_name": None,
        "federation_id": None,
        "members": [],
        "peers": [],
        "lifecycle": "INIT",
        "lifecycle_reason": "asking to be admitted",
        "sync": {"received": 0, "expected": 0},
        **changes,
    }


def terminal(out: io.StringIO) -> Console:
    return Console(file=out, force_terminal=True, width=100, highlight=False, markup=False)


def linked(swarm: str, peer: str) -> dict[str, Any]:
    return {"swarm": swarm, "peer_id": peer, "state": "established"}


ADDRESS = f"/ip4/192.0.2.1/tcp/4150/p2p/{PEER}"
ACME = {"federation_name": "acme", "federation_id": "ab" * 32, "members": [{"swarm": "alpha"}, {"swarm": "beta"}]}
READY = {"lifecycle": "OPERATIONAL", "lifecycle_reason": "in step"}
SYNCING = {"lifecycle": "SYNCING", "lifecycle_reason": "fetching"}

STEPS: list[tuple[dict[str, Any], list[str]]] = [
    (status(), [f"swarm alpha (project demo), node {PEER}", "INIT: asking to be admitted"]),
    (status(), []),
    (status(addresses=[ADDRESS]), [f"listening at {ADDRESS}"]),
    (
        status(addresses=[ADDRESS], **ACME, **SYNCING, peers=[linked("beta", "p1")]),
        ["federation acme (abababababababab…), members: alpha, beta", "linked to beta", "SYNCING: fetching"],
    ),
    (
        status(
            addresses=[ADDRESS], **ACME, **SYNCING, peers=[linked("beta", "p1")], sync={"received": 1, "expected": 3}
        ),
        ["SYNCING: fetching (33 %)"],
    ),
    (
        status(
            addresses=[ADDRESS], **ACME, **SYNCING, peers=[linked("beta", "p1")], sync={"received": 4, "expected": 9}
        ),
        [],
    ),
    (status(addresses=[ADDRESS], **ACME, **READY, peers=[linked("beta", "p1")]), ["OPERATIONAL: in step"]),
    (status(addresses=[ADDRESS], **ACME, **READY), ["lost beta: trying to reach it"]),
    (
        status(addresses=[ADDRESS], **ACME, **READY, peers=[{**linked("beta", "p1"), "state": "waiting"}]),
        [],
    ),
    (status(addresses=[ADDRESS], **ACME, **READY, peers=[linked("beta", "p1")]), ["linked to beta"]),
    *(
        (
            status(addresses=[ADDRESS], **ACME, **READY, peers=[linked("beta", "p1")], consensus=consensus),
            [f"open for votes: {told} proposal(s), see `zenmesh proposals`"] if told else [],
        )
        for consensus, told in [(None, 0), ({"open_proposals": 2}, 2), ({"open_proposals": 1}, 0)]
    ),
    (
        status(addresses=[ADDRESS], **ACME, **READY, peers=[linked("beta", "p1")], consensus={"open_proposals": 2}),
        ["open for votes: 2 proposal(s), see `zenmesh proposals`"],
    ),
]


def test_the_story_says_everything_once() -> None:
    story = Story()
    assert [list(story.news(step)) for step, _ in STEPS] == [lines for _, lines in STEPS]


@pytest.mark.parametrize(
    ("received", "expected", "percent"), [(0, 0, 0), (5, 0, 0), (1, 3, 33), (3, 3, 100), (4, 3, 100)]
)
def test_progress(received: int, expected: int, percent: int) -> None:
    assert progress_percent(status(sync={"received": received, "expected": expected})) == percent


def test_lines_end_with_operational(capsys: pytest.CaptureFixture[str]) -> None:
    view = Lines()
    assert view.tell(status()) is not None
    assert view.tell(status(**READY)) is None
    assert capsys.readouterr().out.splitlines()[-1] == "OPERATIONAL: in step"


def test_lines_carry_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().tell(status(lifecycle_reason="the name\x1b[2J is\ntaken"))
    assert "INIT: the name?[2J is?taken\n" in capsys.readouterr().out


def test_live_goes_on_for_life_and_gives_the_terminal_back() -> None:
    out = io.StringIO()
    view = Live(terminal(out))
    pauses = [view.tell(step) for step, _ in STEPS]
    view.close()
    assert None not in pauses
    assert max(pauses, key=lambda pause: pause or 0) == pauses[-1]
    told = out.getvalue()
    assert [line for _, lines in STEPS for line in lines if f"{line}\n" not in told] == []
    assert told.rindex(SHOW_CURSOR) > told.rindex(HIDE_CURSOR)


@pytest.mark.parametrize(
    ("sync", "bar"), [({"received": 0, "expected": 0}, False), ({"received": 1, "expected": 2}, True)]
)
def test_live_draws_a_bar_once_it_knows_how_far(sync: dict[str, int], bar: bool) -> None:
    out = io.StringIO()
    view = Live(terminal(out))
    view.tell(status(**SYNCING, sync=sync))
    view.close()
    assert ("━" in out.getvalue()) is bar


# the whole screen


class Starting(FakeControl):
    """A node that cannot answer yet, and then becomes OPERATIONAL from one status to the next."""

    async def execute(self, operation: Operation) -> Outcome:
        steps = [status(), status(addresses=[ADDRESS]), status(addresses=[ADDRESS], **READY)]
        self.asked.append(operation)
        if len(self.asked) == 1:
            return Failure(kind=FailureKind.FAILED, message="not yet")
        return Success(result=steps[min(len(self.asked) - 1, len(steps)) - 1])


def shown(directory: Path, *, as_json: bool = False, log_format: LogFormat | None = None) -> str:
    """All that is shown of a node that starts."""
    home = machine(directory, "alpha").home
    out = io.StringIO()
    with contextlib.redirect_stdout(out), serving_in_thread(Starting(), home.path / "control.sock"):
        with StartScreen.fitting(home, as_json=as_json, log_format=log_format):
            for thread in threading.enumerate():
                if thread.name == "start screen":
                    thread.join(20)
    return out.getvalue()


def test_without_a_terminal_it_is_lines(tmp_path: Path) -> None:
    assert shown(tmp_path).splitlines()[-2:] == [f"listening at {ADDRESS}", "OPERATIONAL: in step"]


def test_for_programs_it_is_one_object(tmp_path: Path) -> None:
    told = json.loads(shown(tmp_path, as_json=True))
    conforms(told, "run")
    assert told["addresses"] == [ADDRESS]


def test_one_object_waits_for_an_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = OneObject(machine(tmp_path, "alpha").home)
    assert view.tell(status()) is not None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("log_format", LogFormat)
def test_who_asks_for_a_log_gets_only_that(tmp_path: Path, log_format: LogFormat) -> None:
    assert shown(tmp_path, log_format=log_format) == ""


def test_on_a_terminal_the_screen_replaces_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bootstrap.cli.start_screen.on_terminal", lambda: True)
    home = machine(tmp_path, "alpha").home
    with contextlib.redirect_stdout(io.StringIO()):
        with StartScreen.fitting(home, as_json=False, log_format=None) as screen:
            assert screen.replaces_log


def test_a_reader_that_left_ends_the_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError

    failed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setattr("builtins.print", gone)
    assert shown(tmp_path) == ""
    assert failed == []
