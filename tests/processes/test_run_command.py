"""`zenmesh run` as a process: one id from start to end, stopped in order by either signal, deaf to its directory."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import conforms
from tests.support.processes import LOOPBACK, Home, zenmesh

pytestmark = pytest.mark.processes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "alpha", "alpha").init()
    made.create_federation()
    yield made
    if made.process is not None:
        made.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_a_signal_stops_the_node_in_order(home: Home, sent: signal.Signals) -> None:
    home.run()
    status = home.wait_ready()
    process = home.process
    assert process is not None
    assert status["pid"] == process.pid
    process.send_signal(sent)
    assert process.wait(20) == 0
    assert not (home.directory / "control.sock").exists()
    assert "Traceback" not in home.log()


def test_one_home_one_process(home: Home) -> None:
    home.run().wait_ready()
    assert home.process is not None
    ran = zenmesh("run", "--home", str(home.directory), check=False)
    assert ran.code == 2
    assert f"in use by process {home.process.pid}" in ran.err


def test_json_says_once_where_the_node_is(home: Home, tmp_path: Path) -> None:
    """And modules that lie in the working directory of an installed `zenmesh` are nobody's business."""
    (tmp_path / "trio.py").write_text("raise SystemExit('imported from the working directory')\n")
    script = Path(sys.executable).with_name("zenmesh")
    command = [str(script), "run", "--home", str(home.directory), "--json", "--no-mdns", "--listen", LOOPBACK]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as node:
        assert node.stdout is not None
        told = json.loads(node.stdout.readline())
        node.send_signal(signal.SIGTERM)
        rest = node.stdout.read()
    conforms(told, "run")
    assert (told["pid"], told["swarm"], rest, node.returncode) == (node.pid, "alpha", b"", 0)


def test_a_log_for_machines_has_nothing_else_in_it(home: Home) -> None:
    home.run("--log-format", "json").wait_ready()
    assert home.stop() == 0
    lines = [json.loads(line) for line in home.log_path.read_text().splitlines()]
    assert "lifecycle" in [line.get("event") for line in lines]
