"""The operations guide speaks of what is there: messages, events, exit codes, files, settings of the service."""

from __future__ import annotations

import ast
import logging
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from mesh.protocol.commands import FailureKind
from mesh.protocol.trace import TraceKind
from mesh.runtime.reporting import LEVELS

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operations.md").read_text()
SERVICE = ROOT / "examples" / "zenmesh.service"
SOURCES = ("bootstrap", "mesh", "crdt", "consensus", "wire")


@cache
def said() -> str:
    """Every piece of text in the sources, as it is when the program runs, each on a line of its own."""
    texts: list[str] = []
    for package in SOURCES:
        for path in sorted((ROOT / package).rglob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text()))
            texts += [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(texts)


def section(title: str) -> str:
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def quoted_messages() -> list[str]:
    rows = re.findall(r"^\| (`.*?`) \| [^|]* \| [^|]* \|$", section("When something is wrong"), re.MULTILINE)
    return [message for row in rows for message in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("message", quoted_messages())
def test_a_message_in_the_table_is_one_that_is_said(message: str) -> None:
    pieces = [piece.strip() for piece in message.split("…") if piece.strip()]
    assert pieces
    assert [piece for piece in pieces if piece.lower() not in said().lower()] == []


def test_the_table_has_its_messages() -> None:
    assert len(quoted_messages()) > 30


def test_the_exit_codes_are_all_there() -> None:
    words = section("Exit codes").replace("\n", " ").replace(" a ", " ")
    for kind in FailureKind:
        first_word = kind.name.lower().replace("_", " ")
        assert f"{int(kind)} {first_word}" in words


def test_the_events_of_the_log_are_all_there_each_at_its_level() -> None:
    table = GUIDE.partition("\n| level | events |\n")[2].partition("\n\n")[0]
    told = {
        level: re.findall(r"`(\w+)`", events)
        for level, events in re.findall(r"^\| ([A-Z]+).*? \| (.*) \|$", table, re.M)
    }
    assert told == {
        level: [kind.value for kind in TraceKind if logging.getLevelName(LEVELS[kind]) == level]
        for level in ("ERROR", "WARNING", "INFO", "DEBUG")
    }


def test_commands_and_options_in_the_guide_exist() -> None:
    given = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE)) - {
        *("--system", "--home-dir", "--create-home", "--shell", "--now", "--unix-socket"),  # of other programs
        "--install-completion",
    }
    unknown = {option for option in given if f"{option}\n" not in said() and f"{option}/" not in said()}
    assert unknown == set()


@pytest.mark.systemd
def test_systemd_takes_the_service(tmp_path: Path) -> None:
    unit = tmp_path / "zenmesh.service"
    unit.write_text(SERVICE.read_text().replace("/usr/local/bin/zenmesh", sys.executable))
    systemd = shutil.which("systemd-analyze")
    assert systemd
    checked = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_service_waits_for_readiness_and_comes_back() -> None:
    settings = dict(re.findall(r"^(\w+)=(.*)$", SERVICE.read_text(), re.MULTILINE))
    assert settings["Type"] == "notify"
    assert settings["Restart"] == "on-failure"
    assert settings["RestartPreventExitStatus"] == str(int(FailureKind.USAGE))
    assert settings["ExecStart"].endswith("zenmesh run --log-format json")
