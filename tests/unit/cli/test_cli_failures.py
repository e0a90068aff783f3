"""How failures are told: an exit code and one sentence each, as text or as one JSON object, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.cli.failures import DEBUG, complaint_of
from bootstrap.home import HomeInUse
from mesh.api.client import CallFailed
from mesh.protocol.commands import Failure, FailureKind, GetPeers, MemoryPut
from tests.support.commands import Machine, command, conforms, machine
from tests.support.fakecontrol import FakeControl, serving_in_thread
from wire.errors import (
    ConfigError,
    CorruptLog,
    DecodeError,
    DiskFull,
    NoQuorum,
    NotMember,
    NotRunning,
    Rejected,
    Unavailable,
    UnknownSwarm,
    UsageError,
)


@pytest.fixture
def alpha(tmp_path: Path) -> Machine:
    return machine(tmp_path, "alpha")


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CallFailed(FailureKind.NO_QUORUM, "too few", 5.0), 5, "too few"),
        (Unavailable("not now"), 1, "not now"),
        (DecodeError("garbage"), 1, "garbage"),
        (UsageError("not so"), 2, "not so"),
        (UnknownSwarm("who?"), 2, "who?"),
        (HomeInUse("in use"), 2, "in use"),
        (ConfigError("swarm", "?", "a name"), 2, "swarm = '?': a name"),
        (ConfigError("/h/node.key", "damaged", "restore it"), 2, "/h/node.key is damaged: restore it"),
        (NotRunning("nobody there"), 3, "nobody there"),
        (NotMember("no member"), 4, "no member"),
        (NoQuorum("too few"), 5, "too few"),
        (Rejected("no"), 6, "no"),
        (CorruptLog("/h/state/x.log", "torn"), 7, "/h/state/x.log: torn"),
        (DiskFull("/h/state/x.log", "full"), 7, "/h/state/x.log: full"),
        (PermissionError(13, "Permission denied", "/h/out"), 1, "/h/out: Permission denied"),
        (KeyError("oops"), 1, "an error that zenmesh did not foresee (KeyError: 'oops')"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_an_exit_code_and_a_sentence(error: Exception, code: int, says: str) -> None:
    complaint = complaint_of(error)
    assert complaint.kind == code
    assert complaint.message.startswith(says)


def test_a_later_try_is_advised() -> None:
    assert complaint_of(CallFailed(FailureKind.FAILED, "busy", 2.5)).retry_after_s == 2.5
    assert complaint_of(NoQuorum("too few", 7.0)).retry_after_s == 7.0
    assert complaint_of(UsageError("never")).retry_after_s is None


def test_an_unforeseen_error_is_raised_for_who_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEBUG, "1")
    with pytest.raises(KeyError, match="oops"):
        complaint_of(KeyError("oops"))


@pytest.mark.parametrize("kind", FailureKind, ids=lambda kind: kind.name)
def test_what_the_node_says_becomes_the_exit_code(alpha: Machine, kind: FailureKind) -> None:
    control = FakeControl({GetPeers: Failure(kind=kind, message="this, because of that: do so", retry_after_s=3.0)})
    with serving_in_thread(control, alpha.home.path / "control.sock"):
        text, as_json = alpha("peers"), alpha("peers", "--json")
    assert (text.code, text.out, text.err) == (kind, "", "zenmesh: this, because of that: do so\n")
    assert (as_json.code, as_json.err) == (kind, "")
    conforms(as_json.json, "error")
    assert as_json.json == {
        "error": {
            "kind": kind.name.lower(),
            "code": int(kind),
            "message": "this, because of that: do so",
            "retry_after_s": 3.0,
        }
    }


MISUSES: list[tuple[tuple[str, ...], str]] = [
    (("statsu",), "zenmesh: no such command 'statsu'. Did you mean 'status'?; see `zenmesh --help`"),
    (("--bogus",), "zenmesh has no option --bogus; see `zenmesh --help`"),
    (("memory",), "memory: missing command; see `zenmesh memory --help`"),
    (("memory", "puf"), "memory: no such command 'puf'."),
    (("memory", "put"), "memory put needs KEY; see `zenmesh memory put --help`"),
    (("memory", "put", "key"), "memory put needs JSON; see `zenmesh memory put --help`"),
    (("memory", "get", "a", "b"), "memory get: got unexpected extra argument(s) (b)"),
    (("status", "--hom", "x"), "status has no option --hom, did you mean --home?"),
    (("status", "--home"), "--home"),
    (("federation", "create"), "federation create needs --name"),
    (
        ("federation", "create", "--name", "x", "--admission", "all"),
        "federation create: --admission: 'all' is not one",
    ),
    (("run", "--log-format", "xml"), "run: --log-format: 'xml' is not one of 'text', 'json'"),
    (("recover",), "recovering takes --new-term"),
    (("discover", "--for", "ever"), "--for ever: no duration"),
]


@pytest.mark.parametrize(("arguments", "says"), MISUSES, ids=[" ".join(arguments) for arguments, _ in MISUSES])
def test_misuse_is_told_in_our_words(arguments: tuple[str, ...], says: str) -> None:
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
    as_json = command(*arguments, "--json")
    conforms(as_json.json, "error")
    assert (as_json.code, as_json.err) == (2, "")


def test_no_command_is_a_request_for_help() -> None:
    ran = command()
    assert ran.code == 0
    assert "federation" in ran.out


def test_ctrl_c_is_no_error(alpha: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mesh.api.client.Client.call", interrupted)
    ran = alpha("status")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_an_empty_swarm_of_errors_never_shows_a_traceback(alpha: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("seq went back")

    monkeypatch.setattr("mesh.api.client.Client.call", broken)
    ran = alpha("memory", "ls")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    assert "AssertionError: seq went back" in ran.err
    assert DEBUG in ran.err


def test_a_put_that_too_few_confirmed_is_exit_5(alpha: Machine) -> None:
    control = FakeControl()
    with serving_in_thread(control, alpha.home.path / "control.sock"):
        ran = alpha("memory", "put", "nothing", "1", "--replicated")
    assert ran.code == 5
    assert control.asked == [MemoryPut(key="nothing", value=b"1", replicated=True)]
