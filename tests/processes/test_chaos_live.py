"""`zenmesh chaos live` with few swarms for a short time: what it tells, what it finds, and that it leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import conforms
from tests.support.processes import ZENMESH, patiently, zenmesh

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

PATIENCE_S = 300.0  # of a run that waits for many processes, each of which has patience of its own


def live(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The result of a run that held and left nothing."""
    env = {"TMPDIR": str(tmp_path)}
    ran = zenmesh("chaos", "live", *arguments, "--json", check=False, env=env, patience_s=PATIENCE_S)
    assert ran.code == 0, ran
    told: dict[str, Any] = ran.json
    conforms(told, "chaos-live")
    assert told["violations"] == []
    assert {row["lifecycle"] for row in told["swarms"] if not row["hostile"]} == {"OPERATIONAL"}
    assert all(row["converged"] and row["acknowledged"] for row in told["swarms"] if not row["hostile"])
    assert list(tmp_path.iterdir()) == []
    return told


@pytest.mark.netns
def test_a_partition_on_namespaces(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    (tmp_path / "homes").mkdir()
    told = live(tmp_path / "homes", "partition", "--swarms", "3", "--for", "2s", "--root", "--trace", str(page))
    assert (told["ground"], told["page"]) == ("network namespaces", str(page))
    assert "cut: s2 s3 | s1" in page.read_text()


def test_recovery_without_root(tmp_path: Path) -> None:
    told = live(tmp_path, "recovery", "--swarms", "3", "--for", "2s", "--no-root")
    assert told["ground"] == "loopback relays"


def test_a_liar_without_root(tmp_path: Path) -> None:
    told = live(tmp_path, "byzantine", "--swarms", "3", "--for", "1s", "--no-root")
    assert [row["hostile"] for row in told["swarms"]].count(True) == 1


def test_bad_ways_of_all_kinds_without_root(tmp_path: Path) -> None:
    told = live(tmp_path, "degraded", "--swarms", "2", "--for", "6s", "--no-root")
    assert told["left_out"] == []


@pytest.mark.netns
def test_bad_ways_on_namespaces_and_what_cannot_be_had_there(tmp_path: Path) -> None:
    told = live(tmp_path, "degraded", "--swarms", "2", "--for", "3s", "--root")
    assert [text.partition(" for ")[0] for text in told["left_out"]] == ["everyone is far from all"]


@pytest.mark.netns
def test_two_lans_and_a_failing_uplink(tmp_path: Path) -> None:
    told = live(tmp_path, "lans", "--swarms", "4", "--for", "1s")
    assert told["ground"] == "network namespaces"


def test_several_lans_without_namespaces_are_refused(tmp_path: Path) -> None:
    ran = zenmesh("chaos", "live", "lans", "--no-root", check=False, env={"TMPDIR": str(tmp_path)})
    assert ran.code == 2
    assert "need network namespaces" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.netns
def test_a_run_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    """After `kill -9` nobody of it can clean up: the keeper ends the nodes and removes homes and namespaces."""
    command = [*ZENMESH, "chaos", "live", "lans", "--swarms", "4", "--for", "1h", "--root"]
    run = subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    for _ in patiently(60.0):
        if list(tmp_path.glob("*/s1.trace")):
            break
    run.kill()
    run.wait()
    for _ in patiently(60.0):
        left = [*tmp_path.iterdir(), *Path("/run/netns").glob(f"zm{run.pid}x*")]
        if not left and not [line for line in processes() if str(tmp_path) in line]:
            break
    else:
        raise AssertionError(left)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_a_run_that_is_ended_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    """Ended while nodes run: the command's exit code says so, and neither process nor file stays."""
    command = [*ZENMESH, "chaos", "live", "happy-path", "--swarms", "2", "--for", "1h", "--no-root"]
    run = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # in the background it is ignored
    )
    try:
        for _ in patiently(60.0):
            if list(tmp_path.glob("*/s1.trace")):
                break
        run.send_signal(how)
        assert run.wait(60.0) == 128 + how
    finally:
        run.kill()
    assert list(tmp_path.iterdir()) == []
    assert [line for line in processes() if str(tmp_path) in line] == []


def processes() -> list[str]:
    """The command lines of all processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text(errors="replace"))
        except OSError:
            continue
    return found
