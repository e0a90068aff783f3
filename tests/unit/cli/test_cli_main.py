"""The table of commands as a whole: every one has help, `--json` and a schema; none but `run` costs an import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.cli.main import COMMANDS, GROUPS
from mesh.protocol.commands import FailureKind
from mesh.protocol.lifecycle import Lifecycle
from tests.support.commands import SCHEMAS, Machine, command, machine, schema

# Prints the heavy modules that each command line has imported so far.
WATCH = """
import contextlib, io, json, sys
from bootstrap.cli.main import main
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main(line)
    imported = {name.partition(".")[0] for name in sys.modules}
    print(json.dumps([line, sorted(imported & {"libp2p", "trio", "multiaddr"})]))
"""


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help(path: str) -> None:
    ran = command(*path.split(), "--help")
    assert ran.code == 0
    assert f"zenmesh {path}" in ran.out
    assert (COMMANDS[path].__doc__ or "").split(".")[0].split(":")[0].split(";")[0] in " ".join(ran.out.split())


@pytest.mark.parametrize("path", ["", *GROUPS])
def test_a_list_of_commands_says_of_each_a_whole_sentence(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = command(*path.split(), "--help").out.partition("Commands:\n")[2].splitlines()
    assert [line for line in told if not line.endswith(".") or line.endswith("...")] == []


def test_arguments_are_shown_by_their_names() -> None:
    told = {path: command(*path.split(), "--help").out for path in ("vote", "memory ls", "takeover submit")}
    assert "Usage: zenmesh vote [OPTIONS] ID CHOICE\n" in told["vote"]
    assert "\n  ID      The id of the proposal, or how it begins.\n" in told["vote"]
    assert "Usage: zenmesh memory ls [OPTIONS] [PREFIX]\n" in told["memory ls"]
    assert "Usage: zenmesh takeover submit [OPTIONS] SIGNED…\n" in told["takeover submit"]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_json_and_a_schema(path: str) -> None:
    assert "--json" in command(*path.split(), "--help").out
    assert schema(path.replace(" ", "-"))["title"].startswith(f"zenmesh {path}")


def test_every_schema_is_of_a_command() -> None:
    names = {path.name.removesuffix(".json") for path in SCHEMAS.iterdir()}
    assert names == {path.replace(" ", "-") for path in COMMANDS} | {"error"}


def test_rows_of_peers_are_published_once() -> None:
    assert schema("status")["properties"]["peers"] == schema("peers")["properties"]["peers"]


def test_what_is_published_names_what_there_is() -> None:
    assert schema("status")["properties"]["lifecycle"]["enum"] == [state.value for state in Lifecycle]
    assert schema("error")["properties"]["error"]["properties"]["kind"]["enum"] == [
        kind.name.lower() for kind in FailureKind
    ]


def test_no_command_but_run_imports_libp2p(tmp_path: Path) -> None:
    """Each command line in turn, all of them up to where the node is asked, in one fresh interpreter."""
    home = ["--home", str(machine(tmp_path, "alpha").home.path)]
    archive = str(tmp_path / "alpha.tar")
    lines = [
        ["--help"],
        ["run", "--help"],
        ["version"],
        ["init", "--swarm", "beta", "--project", "demo", "--home", str(tmp_path / "beta")],
        ["join", "--lan", *home],
        ["federation", "create", "--name", "acme", *home],
        ["federation", "genesis", *home],
        ["federation", "admit", "beta", *home],
        ["invite", *home],
        ["status", *home],
        ["peers", *home],
        ["memory", "put", "k", "1", *home],
        ["memory", "get", "k", *home],
        ["memory", "ls", *home],
        ["memory", "rm", "k", *home],
        ["members", *home],
        ["propose", "PRIORITY_CHANGE", "--action", "set_priority", "--details", "{}", *home],
        ["proposals", *home],
        ["vote", "0a", "approve", *home],
        ["decisions", *home],
        ["decisions", "--id", "0a", *home],
        ["verify", archive, "--genesis", str(Path(home[1]) / "genesis")],
        ["expel", "beta", "--reason", "r", *home],
        ["reinstate", "beta", "--reason", "r", *home],
        ["leave", *home],
        ["recover", "--new-term", *home],
        ["home", "export", archive, *home],
        ["home", "restore", archive, "--home", str(tmp_path / "back")],
        ["chaos", "list"],
        ["chaos", "run", "happy-path", "--for", "1s", "--trace", str(tmp_path / "page.html")],
        ["chaos", "fuzz", "--seeds", "1", "--for", "1s", "--jobs", "1"],
        ["statsu"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(lines)], capture_output=True, text=True, check=True, timeout=60
    )
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line for line, _ in seen] == lines
    assert [(line, modules) for line, modules in seen if modules] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_ask_for_its_completion(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ZENMESH_COMPLETE", f"source_{shell}")
    ran = command()
    assert ran.code == 0
    assert f"_ZENMESH_COMPLETE=complete_{shell}" in ran.out


def test_the_completion_script_is_shown_to_the_shell_that_asks() -> None:
    line = f"{sys.executable} -m bootstrap.cli --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "complete -o default -F _zenmesh_completion zenmesh" in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("zenmesh mem", {"memory", "members"}),
        ("zenmesh memory ", {"put", "get", "ls", "rm"}),
        ("zenmesh federation c", {"create"}),
        ("zenmesh run --log-format ", {"text", "json"}),
        ("zenmesh status --j", {"--json"}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_completion_knows_commands_and_options(typed: str, offered: set[str]) -> None:
    environment = {"_ZENMESH_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "bootstrap.cli"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert set(done.stdout.split()) == offered


def test_a_home_of_any_length_is_served(tmp_path: Path) -> None:
    """A Unix socket's path is short; the home's may be long."""
    deep = tmp_path.joinpath(*["d" * 40] * 4)
    deep.mkdir(parents=True)
    ran = machine(deep, "alpha")("status")
    assert ran.code == 3
    assert "zenmesh run" in ran.err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "latin-1"])
def test_what_a_terminal_cannot_show_is_no_error(tmp_path: Path, encoding: str) -> None:
    """A path with bytes that are no text, on terminals of any age: still one JSON object, and one sentence."""
    strange = os.fsencode(tmp_path) + b"/h\xff\xc3\xbc"
    for options in (["--json"], []):
        done = subprocess.run(
            [sys.executable, "-m", "bootstrap.cli", "status", "--home", strange, *options],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == FailureKind.USAGE
        assert (len(done.stdout.splitlines()), len(done.stderr.splitlines())) == ((1, 0) if options else (0, 1))
        if options:
            assert "h\udcffü" in json.loads(done.stdout)["error"]["message"]


def test_the_home_may_be_named_by_a_link(tmp_path: Path) -> None:
    made = machine(tmp_path, "alpha")
    (tmp_path / "link").symlink_to(made.home.path)
    ran = command("federation", "create", "--name", "acme", "--home", str(tmp_path / "link"), "--json")
    assert ran.json["home"] == str(made.home.path)
    assert Machine(made.home)("federation", "genesis").code == 0
