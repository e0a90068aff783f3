"""Any byte of any file of a stopped home may have turned: the node starts with less, or says which file to mend.

What it never does: serve what nobody wrote, or go on signing behind what it forgot. The home is made by real
processes; then each flipped copy is opened as the daemon opens it, up to the point where the network would begin.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from bootstrap.daemon import Daemon
from bootstrap.home import Home
from mesh.protocol.memory import COLLECTION
from mesh.protocol.node import Node
from mesh.protocol.startup import Verdict
from mesh.runtime import clock
from mesh.runtime.reporting import Reporting
from mesh.storage.store import Store
from tests.support.processes import Federation, agree
from wire.errors import ConfigError, StoreError

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

FLIPS = 200
KEYS = 30

Contents = dict[tuple[str, str], bytes]


def stopped_home(tmp_path: Path) -> Path:
    """The home of a member that wrote and read, compacted or not, and was stopped in order."""
    with Federation(tmp_path) as federation:
        homes = federation.form("alpha", "beta")
        for number in range(KEYS):
            for home in homes:
                home.put(f"k{number}", [home.name, number])
        agree(homes)
        for home in homes:
            home.stop()
        return homes[1].directory


def boot(path: Path) -> Node:
    """The node of a home, as the daemon makes it."""
    home = Home.open(path)
    store, recovered = Store.open(home.state, expected=True)
    machine = Daemon(home, home.config(), store, recovered, Reporting())._birth().machine
    store.close(None)
    assert isinstance(machine, Node), "a member's home makes a node"
    return machine


def contents(node: Node) -> Contents:
    replica = node.context.replica
    return {
        (node.context.name_of(swarm), key): value.value
        for swarm in replica.swarms()
        for key, value in replica.items(swarm, COLLECTION)
    }


def own_seq(node: Node) -> int:
    head = node.context.replica.head(node.context.me.author)
    return head.seq if head else 0


def flip(path: Path, random: Random) -> str:
    data = bytearray(path.read_bytes())
    place = random.randrange(len(data))
    data[place] ^= 1 << random.randrange(8)
    mode = path.stat().st_mode
    path.write_bytes(data)
    path.chmod(mode)
    return f"{path.name}, byte {place}"


def test_a_flipped_byte_is_repaired_or_named(tmp_path: Path) -> None:
    original = stopped_home(tmp_path)
    whole = boot_copy(original, tmp_path / "whole")
    truth, seq = contents(whole), own_seq(whole)
    assert len(truth) == 2 * KEYS
    files = [path for path in sorted(original.rglob("*")) if path.is_file() and path.stat().st_size]
    files = [
        path for path in files if path.name not in ("lock", "config.toml") and not path.name.startswith("control")
    ]
    random = Random(11)
    refusals: list[tuple[str, bool, str]] = []
    started = 0
    for number in range(FLIPS):
        copy = tmp_path / f"flip{number}"
        shutil.copytree(original, copy)
        target = copy / files[number % len(files)].relative_to(original)
        what = flip(target, random)
        try:
            node = boot(copy)
        except (ConfigError, StoreError) as error:
            refusals.append((what, str(copy) in str(error), str(error)))
        else:
            wrong = {key: value for key, value in contents(node).items() if truth.get(key) != value}
            assert not wrong, f"{what}: served {wrong}"
            confirmed = node.startup.verdict(clock.now()) is Verdict.CONFIRMED
            assert own_seq(node) == seq or not confirmed, f"{what}: would sign behind what it forgot"
            started += 1
        shutil.rmtree(copy)
    assert not [refusal for refusal in refusals if not refusal[1]], "each refusal names the file"
    assert started
    assert refusals


def boot_copy(original: Path, copy: Path) -> Node:
    shutil.copytree(original, copy)
    return boot(copy)


def test_a_damaged_journal_is_repaired_from_the_others(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        homes = federation.form("alpha", "beta", "gamma")
        for number in range(KEYS):
            homes[2].put(f"k{number}", number)
        agree(homes)
        homes[2].kill()
        journal = max((homes[2].directory / "state").iterdir(), key=lambda path: path.stat().st_size)
        data = bytearray(journal.read_bytes())
        data[len(data) // 2] ^= 1
        journal.write_bytes(data)
        os.sync()
        homes[2].run()
        homes[2].wait_until(lambda status: not status["read_only"], "its own log back from the others", 40)
        agree(homes)
        homes[2].put("after", 1)
        homes[0].wait_for("after", {"gamma": 1})
        assert not any(home.status()["counters"].get("forks_found") for home in homes)
