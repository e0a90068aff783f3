"""`run` up to the node: options become an order, the order reaches a fresh process, its end becomes an exit code."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bootstrap.cli import node_process
from bootstrap.cli.node_process import Order
from bootstrap.home import Home
from bootstrap.options import LogFormat, RunOptions
from mesh.runtime.loop import Halted
from tests.support.commands import Machine, command, conforms, machine
from wire.errors import ConfigError, CorruptLog


class Executed(BaseException):
    """What `execv` was asked for, instead of doing it."""


@pytest.fixture
def alpha(tmp_path: Path) -> Machine:
    return machine(tmp_path, "alpha")


@pytest.fixture
def execv(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, arguments: list[str]) -> None:
        raise Executed(path, arguments)

    monkeypatch.setattr(os, "execv", refuse)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Home, RunOptions]]:
    """The nodes that were run; each ended at once."""
    made: list[tuple[Home, RunOptions]] = []
    monkeypatch.setattr("mesh.runtime.stubs.import_libp2p_lean", lambda: None)
    monkeypatch.setattr("bootstrap.daemon.run_daemon", lambda home, options: made.append((home, options)))
    return made


def order_of(alpha: Machine, *arguments: str) -> str:
    """The text that the new process is given."""
    with pytest.raises(Executed) as caught:
        alpha("run", *arguments)
    path, words = caught.value.args
    assert path == words[0] == sys.executable
    assert words[-3:-1] == ["-m", "bootstrap.cli.node_process"]
    return str(words[-1])


LISTEN = ("/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001")

OPTIONS: list[tuple[tuple[str, ...], RunOptions]] = [
    ((), RunOptions()),
    (("--listen", LISTEN[0], "--listen", LISTEN[1]), RunOptions(listen=LISTEN)),
    (("--bootstrap", "/dnsaddr/example.org"), RunOptions(bootstrap=("/dnsaddr/example.org",))),
    (("--mdns",), RunOptions(mdns=True)),
    (("--no-mdns",), RunOptions(mdns=False)),
    (("--metrics", "127.0.0.1:9150"), RunOptions(metrics="127.0.0.1:9150")),
    (("--log-format", "json"), RunOptions(log_format=LogFormat.JSON)),
    (("--trace", "ü.jsonl"), RunOptions(trace=Path("ü.jsonl"))),
]


@pytest.mark.parametrize(("arguments", "options"), OPTIONS, ids=[" ".join(a)[:24] or "none" for a, _ in OPTIONS])
def test_options_reach_the_node(
    alpha: Machine,
    execv: None,
    runs: list[tuple[Home, RunOptions]],
    arguments: tuple[str, ...],
    options: RunOptions,
) -> None:
    assert node_process.main(order_of(alpha, *arguments)) == 0
    assert runs == [(alpha.home, options)]


def test_on_a_terminal_the_log_is_quiet(
    alpha: Machine, execv: None, runs: list[tuple[Home, RunOptions]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(alpha)
    monkeypatch.setattr("bootstrap.cli.start_screen.on_terminal", lambda: True)
    assert node_process.main(order) == 0
    assert runs == [(alpha.home, replace(RunOptions(), quiet=True))]


def test_a_home_is_checked_before_anything_is_replaced(tmp_path: Path, execv: None) -> None:
    ran = command("run", "--home", str(tmp_path))
    assert ran.code == 2
    assert "not a zenmesh home" in ran.err


@pytest.mark.parametrize(
    ("start", "safe"), [("", False), (os.getcwd(), False), (os.path.dirname(sys.executable), True)]
)
def test_modules_come_from_where_they_came_from(
    alpha: Machine, execv: None, monkeypatch: pytest.MonkeyPatch, start: str, safe: bool
) -> None:
    """An installed script never imports from the working directory; `python -m` does."""
    monkeypatch.setattr(sys, "path", [start, *sys.path])
    with pytest.raises(Executed) as caught:
        alpha("run")
    assert ("-P" in caught.value.args[1]) is safe


ENDS: list[tuple[BaseException, int, str]] = [
    (ConfigError("listen", "x", "no address"), 2, "listen = 'x': no address"),
    (CorruptLog("/h/state/x.log", "torn"), 7, "/h/state/x.log: torn"),
    (Halted("its log forked"), 1, "the node stopped itself: its log forked"),
    (AssertionError("seq went back"), 1, "AssertionError: seq went back"),
]


@pytest.mark.parametrize(("error", "code", "says"), ENDS, ids=[type(error).__name__ for error, _, _ in ENDS])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_every_end_has_an_exit_code_and_a_sentence(
    alpha: Machine,
    execv: None,
    runs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    says: str,
    as_json: bool,
) -> None:
    def fail(*_: object) -> None:
        raise error

    order = order_of(alpha, *(["--json"] if as_json else []))
    monkeypatch.setattr("bootstrap.daemon.run_daemon", fail)
    assert node_process.main(order) == code
    told = capsys.readouterr()
    assert says in (told.out if as_json else told.err)
    if as_json:
        conforms(json.loads(told.out), "error")


def test_a_mistake_of_ours_is_kept_and_not_shown(
    alpha: Machine,
    execv: None,
    runs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise ExceptionGroup("tasks", [KeyError("seq")])

    order = order_of(alpha)
    monkeypatch.setattr("bootstrap.daemon.run_daemon", fail)
    assert node_process.main(order) == 1
    crash = alpha.home.path / "crash.txt"
    assert "KeyError: 'seq'" in crash.read_text()
    told = capsys.readouterr().err
    assert str(crash) in told
    assert "Traceback" not in told


def test_a_mistake_of_ours_that_cannot_be_kept_is_shown(
    alpha: Machine,
    execv: None,
    runs: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("seq")

    order = order_of(alpha, "--json")
    monkeypatch.setattr("bootstrap.daemon.run_daemon", fail)
    (alpha.home.path / "crash.txt").mkdir()
    assert node_process.main(order) == 1
    told = capsys.readouterr()
    assert "Traceback" in told.err
    assert "crash.txt cannot be written: Is a directory" in json.loads(told.out)["error"]["message"]


def test_ctrl_c_before_the_node_listens(
    alpha: Machine, execv: None, runs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    order = order_of(alpha)
    monkeypatch.setattr("bootstrap.daemon.run_daemon", interrupted)
    assert node_process.main(order) == 130


def test_an_order_is_plain_text(alpha: Machine, execv: None) -> None:
    """It travels as an argument, which anybody on this machine may read: nothing secret is in it."""
    order = Order(home=str(alpha.home.path), options=RunOptions(), log_format=None, as_json=False)
    with pytest.raises(Executed) as caught:
        node_process.become_node(order)
    assert "key" not in caught.value.args[1][-1]
