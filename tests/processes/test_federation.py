"""Real nodes in real processes over real libp2p, driven as a user drives them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from random import Random

import pytest

from mesh.api.client import CallFailed
from tests.support.processes import Federation, Home, agree
from wire.errors import NotRunning

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

KILLS = 200 if os.environ.get("ZENMESH_SOAK") else 20


def test_three_nodes_meet_and_share_a_write(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        alpha, beta, gamma = federation.form("alpha", "beta", "gamma")
        beta.put("plan", {"step": 1})
        for home in (alpha, gamma):
            home.wait_for("plan", {"beta": {"step": 1}})
        shown = gamma.cli("memory", "get", "plan", "--swarm", "beta").json
        assert shown == {"step": 1} or shown.get("value") == {"step": 1}


def test_everyone_restarts_and_finds_the_others_again(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        homes = federation.form("alpha", "beta", "gamma")
        homes[0].put("kept", 1)
        agree(homes)
        ports = [home.addresses()[0].split("/p2p/")[0] for home in homes]
        for home in homes:
            assert home.stop() == 0
        for home, port in zip(homes, ports, strict=True):
            home.run(listen=[port])
        for home in homes:
            home.wait_ready()
            home.wait_for("kept", {"alpha": 1})


def test_a_join_waits_for_a_creator_that_is_away(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        alpha, beta = federation.form("alpha", "beta")
        port = alpha.addresses()[0].split("/p2p/")[0]
        ticket = beta.invite()
        alpha.stop()
        gamma = federation.home("gamma").init()
        gamma.join(ticket)
        gamma.run()
        gamma.wait_until(lambda s: (s["pending_join"] or {}).get("state") == "pending", "a pending join")
        alpha.run(listen=[port])
        gamma.wait_ready()


def test_a_second_process_of_one_home_is_refused(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        (alpha,) = federation.form("alpha")
        second = alpha.cli("run", check=False)
        assert second.code == 2
        assert "in use" in second.out + second.err


class Writer(threading.Thread):
    """Writes numbered values as fast as the node takes them; remembers which were acknowledged."""

    def __init__(self, home: Home) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.acknowledged: list[int] = []
        self.number = 0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            self.number += 1
            try:
                self.home.put(f"k{self.number}", self.number)
            except (NotRunning, CallFailed):
                time.sleep(0.01)
            else:
                self.acknowledged.append(self.number)


def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path) -> None:
    random = Random(7)
    with Federation(tmp_path) as federation:
        homes = federation.form("alpha", "beta", "gamma")
        victim = homes[2]
        port = victim.addresses()[0].split("/p2p/")[0]
        writer = Writer(victim)
        writer.start()
        for _ in range(KILLS):
            seen = len(writer.acknowledged)
            while len(writer.acknowledged) < seen + random.randrange(1, 12):
                time.sleep(0.002)
            victim.kill()
            victim.run(listen=[port])
            victim.wait_until(lambda status: not status["read_only"], "leave to sign")
        writer.stopped = True
        writer.join(timeout=40)
        agree(homes)
        for home in homes:
            keys = home.call("memory/list", {"swarm": "gamma"})["keys"]["gamma"]
            missing = {f"k{number}" for number in writer.acknowledged} - set(keys)
            assert not missing, f"{home.name} misses {sorted(missing)} of {len(writer.acknowledged)}"
        assert len(writer.acknowledged) >= KILLS
        assert not any(home.status()["counters"].get("forks_found") for home in homes)
